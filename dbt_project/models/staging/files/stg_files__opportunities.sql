with source_rows as (

    {{ rows_of_files('opportunities') | indent(4) }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        {{ record_id('opportunity_id') }} as opportunity_id,
        {{ record_id('lead_id') }} as lead_id,
        created_at,
        created_at_utc,
        amount,
        currency,
        is_won,
        closed_at,
        closed_at_utc,
        loss_reason,
        {{ record_id('owner_id') }} as owner_id,
        {{ record_id('merged_into_opportunity_id') }} as merged_into_opportunity_id,
        is_deleted,
        extra_columns
    from source_rows

)

select * from final
