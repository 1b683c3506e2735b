with source_rows as (

    select * from {{ source('hubspot', 'hubspot_leads') }}

),

final as (

    select
        source_system,
        id as lead_record_id,
        {{ json_text('properties', "'hs_primary_contact_id'") }} as primary_contact_id,
        archived as is_archived,
        properties
    from source_rows

)

select * from final
