with source_rows as (

    select * from {{ source('hubspot', 'hubspot_fields') }}

),

final as (

    select
        source_system,
        role,
        object_type,
        property,
        value,
        stage,
        rank as property_rank
    from source_rows

)

select * from final
