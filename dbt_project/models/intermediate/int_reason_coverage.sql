with run_policy as (

    select * from {{ ref('int_run_policy') }}

),

explained_in_marts as (

    select distinct stage_changes.source_system
    from {{ ref('int_stage_changes') }} as stage_changes
    cross join run_policy
    where
        {{ normalised('stage_changes.reason') }} is not null
        and stage_changes.changed_at <= run_policy.as_of

),

-- A reason counts whoever it is about. Only where no lead in the marts has one are the
-- others looked at, since it is costly to choose one row per id once more.
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

final as (

    select
        source_system,
        'stage_changes' as given_on
    from explained_in_marts
    union
    select
        chosen.source_system,
        'stage_changes' as given_on
    from chosen
    cross join run_policy
    where
        {{ normalised('chosen.reason') }} is not null
        and chosen.changed_at <= run_policy.as_of
    union
    select
        source_system,
        'opportunities' as given_on
    from {{ ref('int_opportunities') }}
    where {{ normalised('loss_reason') }} is not null

)

select * from final
