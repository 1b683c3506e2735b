with history as (

    select * from {{ ref('int_salesforce__stage_history') }}

),

exit_stages as (

    select * from {{ ref('int_contract__stage_meanings') }}
    where exit_rank is not null

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

-- The change that a reason explains: an exit of the same decision (one that needs
-- a reason first), else the exit the lead is in, else the exit that comes next, else
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
            when
                changes.exit_rank > 0
                and changes.changed_at <= reasons.given_at
                and {{ add_seconds('changes.changed_at', decision_seconds()) }}
                >= reasons.given_at
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
