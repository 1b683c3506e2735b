-- An id may hold what else separates ids, so a lead of the whole text comes first.
with known_leads as (

    select
        source_system,
        lead_id
    from {{ ref('int_lead_versions') }}

),

written as (

    select distinct
        source_system,
        lead_id as lead_ids
    from {{ ref('int_contract__opportunities') }}
    where lead_id is not null

),

matched as (

    select
        written.source_system,
        written.lead_ids,
        known_leads.lead_id
    from written
    left join known_leads
        on
            written.source_system = known_leads.source_system
            and written.lead_ids = known_leads.lead_id

),

listed as (

    select
        source_system,
        lead_ids,
        {{ split_to_rows('lead_ids') }} as lead_id,
        {{ split_places('lead_ids') }} as lead_place
    from matched
    where lead_id is null

),

final as (

    select
        source_system,
        lead_ids,
        lead_id,
        1 as lead_place
    from matched
    where lead_id is not null
    union all
    select
        listed.source_system,
        listed.lead_ids,
        known_leads.lead_id,
        min(listed.lead_place) as lead_place
    from listed
    inner join known_leads
        on
            listed.source_system = known_leads.source_system
            and {{ record_id('trim(listed.lead_id)') }} = known_leads.lead_id
    group by listed.source_system, listed.lead_ids, known_leads.lead_id

)

select * from final
