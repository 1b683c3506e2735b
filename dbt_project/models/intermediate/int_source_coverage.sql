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

reasons as (

    select * from {{ ref('int_reason_coverage') }}

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
    left join reasons as stage_reasons
        on
            sources.source_system = stage_reasons.source_system
            and stage_reasons.given_on = 'stage_changes'
    left join reasons as loss_reasons
        on
            sources.source_system = loss_reasons.source_system
            and loss_reasons.given_on = 'opportunities'

)

select * from final
