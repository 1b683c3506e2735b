with run_policy as (

    select * from {{ ref('int_run_policy') }}

),

owned_leads as (

    select distinct versions.source_system
    from {{ ref('int_lead_versions') }} as versions
    cross join run_policy
    where
        versions.owner_id is not null
        and versions.created_at <= run_policy.as_of

),

owner_changes as (

    select distinct owner_changes.source_system
    from {{ ref('int_contract__owner_changes') }} as owner_changes
    cross join run_policy
    where
        owner_changes.problem is null
        and owner_changes.changed_at <= run_policy.as_of
        and owner_changes.owner_id is not null

),

activities as (

    select distinct source_system
    from {{ ref('fct_activities') }}

),

engagements as (

    select distinct source_system
    from {{ ref('fct_engagements') }}

),

explained_in_marts as (

    select distinct stage_changes.source_system
    from {{ ref('int_stage_changes') }} as stage_changes
    cross join run_policy
    where
        {{ normalised('stage_changes.reason') }} is not null
        and stage_changes.changed_at <= run_policy.as_of

),

-- A reason counts whoever it is about. Only where no lead in the marts has one are the others
-- looked at, since it is costly to choose one row per id once more.
explained_ids as (

    select distinct
        stage_changes.source_system,
        stage_changes.lead_id,
        stage_changes.change_id
    from {{ ref('int_contract__stage_changes') }} as stage_changes
    left join explained_in_marts
        on stage_changes.source_system = explained_in_marts.source_system
    where
        {{ normalised('stage_changes.reason') }} is not null
        and stage_changes.problem is null
        and explained_in_marts.source_system is null

),

explained_changes as (

    select stage_changes.*
    from {{ ref('int_contract__stage_changes') }} as stage_changes
    inner join explained_ids
        on
            stage_changes.source_system = explained_ids.source_system
            and stage_changes.lead_id = explained_ids.lead_id
            and stage_changes.change_id = explained_ids.change_id

),

{{ one_change_per_id('explained_changes') }},

stage_reasons as (

    select source_system from explained_in_marts
    union
    select chosen.source_system
    from chosen
    cross join run_policy
    where
        {{ normalised('chosen.reason') }} is not null
        and chosen.changed_at <= run_policy.as_of

),

loss_reasons as (

    select distinct source_system
    from {{ ref('int_opportunities') }}
    where {{ normalised('loss_reason') }} is not null

),

sources as (

    select distinct source_system
    from {{ ref('int_lead_versions') }}

),

final as (

    select
        sources.source_system,
        owned_leads.source_system is not null
        or owner_changes.source_system is not null as has_owners,
        activities.source_system is not null as has_activities,
        engagements.source_system is not null as has_engagements,
        stage_reasons.source_system is not null as has_stage_reasons,
        loss_reasons.source_system is not null as has_loss_reasons
    from sources
    left join owned_leads
        on sources.source_system = owned_leads.source_system
    left join owner_changes
        on sources.source_system = owner_changes.source_system
    left join activities
        on sources.source_system = activities.source_system
    left join engagements
        on sources.source_system = engagements.source_system
    left join stage_reasons
        on sources.source_system = stage_reasons.source_system
    left join loss_reasons
        on sources.source_system = loss_reasons.source_system

)

select * from final
