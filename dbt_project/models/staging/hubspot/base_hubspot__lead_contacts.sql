-- The contact that a record of the leads object is about.
with leads as (

    select * from {{ source('hubspot', 'hubspot_leads') }}
    where archived = 'false'

),

associations as (

    select
        source_system,
        from_id,
        to_id,
        row_number() over (
            partition by source_system, from_id
            order by is_primary desc, position asc, length(to_id) asc, to_id asc
        ) as contact_rank
    from {{ source('hubspot', 'hubspot_associations') }}
    where from_type = 'leads' and to_type = 'contacts'

),

final as (

    select
        leads.source_system,
        leads.id as lead_record_id,
        coalesce(
            {{ json_text('leads.properties', "'hs_primary_contact_id'") }},
            associations.to_id
        ) as contact_id
    from leads
    left join associations
        on
            leads.source_system = associations.source_system
            and leads.id = associations.from_id
            and associations.contact_rank = 1

)

select * from final
where contact_id is not null
