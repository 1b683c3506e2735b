with source_rows as (

    select * from {{ source('hubspot', 'hubspot_contacts') }}

),

final as (

    select
        source_system,
        load_id,
        id as contact_id,
        {{ json_text('properties', "'email'") }} as email,
        {{ json_text('properties', "'hubspot_owner_id'") }} as owner_id,
        archived as is_archived,
        properties,
        coalesce(
            {{ json_text('properties', "'createdate'") }}, created_at
        ) as created_at_text,
        coalesce(
            {{ json_text('properties', "'lastmodifieddate'") }}, updated_at
        ) as updated_at_text
    from source_rows

)

select * from final
