with recursive {{ one_row_per_id(
    ref('int_contract__opportunities'),
    ['opportunity_id'],
    [
        'usable.load_id desc',
        'usable.row_text desc'
    ]
) }},

listed as (

    select * from {{ ref('int_contract__merges') }}
    where table_name = 'opportunities'

),

-- A merged record without a row of its own is known by the one that lists it.
versions as (

    select
        coalesce(chosen.source_system, listed.source_system) as source_system,
        coalesce(chosen.opportunity_id, listed.merged_id) as opportunity_id,
        coalesce(chosen.merged_into_opportunity_id, listed.survivor_id)
            as merged_into_opportunity_id,
        case
            when chosen.opportunity_id is null then listed.lead_id else chosen.lead_id
        end as lead_id,
        coalesce(chosen.created_at, listed.created_at) as created_at,
        chosen.closed_at,
        chosen.is_won,
        chosen.is_deleted,
        chosen.loss_reason,
        chosen.owner_id,
        chosen.amount
    from chosen
    full outer join listed
        on
            chosen.source_system = listed.source_system
            and chosen.opportunity_id = listed.merged_id

),

records as (

    select * from {{ ref('int_lead_records') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

known_leads as (

    select
        versions.source_system,
        versions.opportunity_id,
        named_leads.lead_id,
        named_leads.lead_place
    from versions
    inner join {{ ref('int_opportunity_leads') }} as named_leads
        on
            versions.source_system = named_leads.source_system
            and versions.lead_id = named_leads.lead_ids
    inner join records
        on
            named_leads.source_system = records.source_system
            and named_leads.lead_id = records.lead_id

),

first_leads as (

    select
        source_system,
        opportunity_id,
        min(lead_place) as lead_place
    from known_leads
    group by source_system, opportunity_id

),

known as (

    select
        versions.*,
        first_leads.lead_place as first_lead_place
    from versions
    cross join run_policy
    left join first_leads
        on
            versions.source_system = first_leads.source_system
            and versions.opportunity_id = first_leads.opportunity_id
    where
        versions.created_at <= run_policy.as_of
        and (versions.lead_id is null or first_leads.opportunity_id is not null)

),

{{ merge_survivors('known', 'opportunity_id') }},

final as (

    select
        known.source_system,
        known_leads.lead_id,
        known.opportunity_id,
        known.loss_reason,
        known.owner_id,
        case
            when known.closed_at is null or known.closed_at > run_policy.as_of
                then 'open'
            when known.is_won then 'won'
            else 'lost'
        end as status,
        coalesce(known_leads.lead_place = known.first_lead_place, true)
            as is_primary_lead,
        coalesce(known.is_won, false) and known.closed_at is null
            as is_closing_date_missing,
        known.amount,
        known.created_at,
        case
            when known.closed_at <= run_policy.as_of then known.closed_at
        end as closed_at
    from known
    cross join run_policy
    left join known_leads
        on
            known.source_system = known_leads.source_system
            and known.opportunity_id = known_leads.opportunity_id
    left join survivors
        on
            known.source_system = survivors.source_system
            and known.opportunity_id = survivors.opportunity_id
    where
        survivors.opportunity_id is null
        and not coalesce(known.is_deleted, false)

)

select * from final
