with source_rows as (

    select * from {{ source('files', 'owner_changes') }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        {{ record_id('lead_id') }} as lead_id,
        changed_at,
        changed_at_utc,
        {{ record_id('owner_id') }} as owner_id,
        extra_columns
    from source_rows

)

select * from final
