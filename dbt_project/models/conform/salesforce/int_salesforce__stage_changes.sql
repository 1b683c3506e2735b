with history as (

    select * from {{ ref('int_salesforce__stage_history') }}

),

leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

field_roles as (

    select * from {{ ref('stg_salesforce__field_roles') }}

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

reason_history as (

    select
        history_rows.source_system,
        history_rows.load_id,
        history_rows.source_row,
        history_rows.history_id as change_id,
        history_rows.lead_id,
        field_roles.field_key,
        history_rows.new_value as reason,
        history_rows.changed_by,
        history_rows.changed_at_text as given_at_text,
        history_rows.changed_at as given_at
    from {{ ref('stg_salesforce__lead_history') }} as history_rows
    inner join field_roles
        on
            history_rows.source_system = field_roles.source_system
            and field_roles.role = 'reason'
            and history_rows.field_key = field_roles.field_key

),

-- A reason that no history row tells of belongs to the last exit of the lead.
untracked_reasons as (

    select
        leads.source_system,
        leads.load_id,
        leads.source_row,
        leads.lead_id || ':' || field_roles.field as change_id,
        leads.lead_id,
        field_roles.field_key,
        {{ salesforce_lead_value('field_roles.field', 'leads') }} as reason,
        cast(null as varchar) as changed_by,
        cast(null as varchar) as given_at_text,
        cast(null as timestamp) as given_at
    from leads
    inner join field_roles
        on
            leads.source_system = field_roles.source_system
            and field_roles.role = 'reason'
    left join reason_history
        on
            leads.source_system = reason_history.source_system
            and leads.lead_id = reason_history.lead_id
            and field_roles.field_key = reason_history.field_key
    where reason_history.change_id is null

),

reasons as (

    select * from reason_history
    where reason is not null
    union all
    select * from untracked_reasons
    where reason is not null

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

chosen as (

    select
        *,
        row_number() over (
            partition by source_system, explained_id, fit in (2, 4)
            order by given_at, field_key, change_id
        ) as reason_number
    from ranked
    where fit_rank = 1

),

-- A reason given later, or in a stage that is no exit, stands by itself.
given_later as (

    select
        source_system,
        load_id,
        source_row,
        change_id,
        lead_id,
        given_at_text as changed_at,
        cast(null as varchar) as from_stage,
        to_stage,
        reason,
        changed_by
    from chosen
    where fit in (2, 4)

),

observed as (

    select
        history.source_system,
        history.load_id,
        history.source_row,
        history.change_id,
        history.lead_id,
        history.changed_at_text as changed_at,
        history.from_stage,
        history.to_stage,
        chosen.reason,
        history.changed_by
    from history
    left join chosen
        on
            history.source_system = chosen.source_system
            and history.change_id = chosen.explained_id
            and chosen.fit not in (2, 4)
            and chosen.reason_number = 1

),

unioned as (

    select * from observed
    union all
    select * from given_later

),

final as (

    select
        source_system,
        load_id,
        'LeadHistory' as source_file,
        source_row,
        change_id,
        lead_id,
        changed_at,
        from_stage,
        to_stage,
        reason,
        changed_by,
        cast(null as varchar) as extra_columns
    from unioned

)

select * from final
