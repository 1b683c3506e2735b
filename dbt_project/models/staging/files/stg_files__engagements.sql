with source_rows as (

    select * from {{ source('files', 'engagements') }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        engagement_id,
        lead_id,
        kind,
        occurred_at,
        channel,
        campaign,
        extra_columns
    from source_rows

)

select * from final
