with source_rows as (

    {{ rows_of_files('leads') | indent(4) }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        {{ record_id('lead_id') }} as lead_id,
        created_at,
        created_at_utc,
        email,
        company,
        title,
        employee_count,
        industry,
        country,
        lead_source,
        {{ record_id('owner_id') }} as owner_id,
        current_stage,
        crm_score,
        is_deleted,
        {{ record_id('merged_into_lead_id') }} as merged_into_lead_id,
        updated_at,
        updated_at_utc,
        extra_columns
    from source_rows

)

select * from final
