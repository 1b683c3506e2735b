with history as (

    select * from {{ ref('int_salesforce__stage_history') }}

),

-- What a stage's text means as an exit, whichever tradition is active.
named_stages as (

    select
        {{ normalised('stage') }} as stage_key,
        exit_kind
    from {{ ref('stages') }}
    union
    select
        {{ normalised('label') }} as stage_key,
        exit_kind
    from {{ ref('stages') }}
    union
    select
        {{ normalised('stage_aliases.raw_stage') }} as stage_key,
        policy_stages.exit_kind
    from {{ ref('stage_aliases') }} as stage_aliases
    inner join {{ ref('stages') }} as policy_stages
        on stage_aliases.stage = policy_stages.stage

),

exit_stages as (

    select
        stage_key,
        max(case when exit_kind = 'recycled' then 1 else 2 end) as exit_rank
    from named_stages
    where exit_kind is not null
    group by stage_key

),

moments as (

    select
        source_system,
        lead_id,
        changed_at,
        lag(changed_at) over (
            partition by source_system, lead_id
            order by changed_at
        ) as previous_at,
        lead(changed_at) over (
            partition by source_system, lead_id
            order by changed_at
        ) as next_at
    from history
    where to_stage is not null
    group by source_system, lead_id, changed_at

),

changes as (

    select
        history.source_system,
        history.lead_id,
        history.change_id,
        history.to_stage,
        history.changed_at_text,
        history.changed_at,
        moments.previous_at,
        moments.next_at,
        coalesce(exit_stages.exit_rank, 0) as exit_rank
    from history
    inner join moments
        on
            history.source_system = moments.source_system
            and history.lead_id = moments.lead_id
            and history.changed_at = moments.changed_at
    left join exit_stages
        on {{ normalised('history.to_stage') }} = exit_stages.stage_key
    where history.to_stage is not null

),

reasons as (

    select * from {{ ref('int_salesforce__reasons') }}

),

-- The change that a reason explains: one at the same moment (an exit that needs a
-- reason first), else the exit the lead is in, else the exit that comes next, else
-- where the lead is.
candidates as (

    select
        reasons.*,
        changes.to_stage,
        changes.changed_at_text,
        changes.changed_at,
        changes.change_id as explained_id,
        changes.exit_rank,
        case
            when reasons.given_at is null and changes.exit_rank > 0 then 6
            when changes.exit_rank > 0 and changes.changed_at = reasons.given_at
                then 1
            when
                changes.exit_rank > 0
                and changes.changed_at < reasons.given_at
                and coalesce(changes.next_at > reasons.given_at, true)
                then 2
            when
                changes.exit_rank > 0
                and changes.changed_at > reasons.given_at
                and coalesce(changes.previous_at <= reasons.given_at, true)
                then 3
            when
                changes.changed_at <= reasons.given_at
                and coalesce(changes.next_at > reasons.given_at, true)
                then 4
        end as fit
    from reasons
    inner join changes
        on
            reasons.source_system = changes.source_system
            and reasons.lead_id = changes.lead_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by source_system, change_id
            order by fit asc, exit_rank desc, changed_at desc, explained_id desc
        ) as fit_rank
    from candidates
    where fit is not null

),

final as (

    select
        *,
        row_number() over (
            partition by source_system, explained_id, fit in (2, 4)
            order by given_at, field_key, change_id
        ) as reason_number
    from ranked
    where fit_rank = 1

)

select * from final
