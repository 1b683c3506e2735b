with source_rows as (

    select * from {{ source('hubspot', 'hubspot_associations') }}

),

final as (

    select
        source_system,
        from_type,
        from_id,
        to_type,
        to_id,
        is_primary,
        position
    from source_rows

)

select * from final
