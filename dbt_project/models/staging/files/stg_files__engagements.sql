with source_rows as (

    {{ rows_of_files('engagements') | indent(4) }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        {{ record_id('engagement_id') }} as engagement_id,
        {{ record_id('lead_id') }} as lead_id,
        kind,
        occurred_at,
        occurred_at_utc,
        channel,
        campaign,
        extra_columns
    from source_rows

)

select * from final
