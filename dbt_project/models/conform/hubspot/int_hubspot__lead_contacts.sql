-- The contact that a record of the leads object is about.
with leads as (

    select * from {{ ref('stg_hubspot__lead_records') }}
    where is_archived = 'false'

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
    from {{ ref('stg_hubspot__associations') }}
    where from_type = 'leads' and to_type = 'contacts'

),

final as (

    select
        leads.source_system,
        leads.lead_record_id,
        coalesce(leads.primary_contact_id, associations.to_id) as contact_id
    from leads
    left join associations
        on
            leads.source_system = associations.source_system
            and leads.lead_record_id = associations.from_id
            and associations.contact_rank = 1

)

select * from final
where contact_id is not null
