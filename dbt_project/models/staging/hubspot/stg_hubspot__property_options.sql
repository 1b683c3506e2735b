with source_rows as (

    select * from {{ source('hubspot', 'hubspot_property_options') }}

),

final as (

    select
        source_system,
        object_type,
        property,
        value,
        label
    from source_rows

)

select * from final
