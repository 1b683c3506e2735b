with cycles as (

    select * from {{ ref('int_lead_cycles') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

windows as (

    select
        cycles.*,
        run_policy.acceptance_mode,
        run_policy.as_of,
        {{ add_seconds(
            'cycles.handed_off_at', 'run_policy.acceptance_window_seconds'
        ) }} as window_ends_at
    from cycles
    cross join run_policy

),

silences as (

    select
        *,
        case
            when
                acceptance_mode = 'default'
                and window_ends_at <= as_of
                and (exited_at is null or exited_at > window_ends_at)
                then window_ends_at
        end as accepted_by_default_at
    from windows

),

accepted as (

    select
        *,
        least(
            accepted_visit_at, sales_qualified_at, accepted_by_default_at
        ) as accepted_at
    from silences

),

kinds as (

    select
        *,
        case
            when accepted_at = accepted_visit_at and accepted_visit_quality = 'inferred'
                then 'inferred'
            when accepted_at = accepted_visit_at then 'explicit'
            when accepted_at = sales_qualified_at then 'implied'
            when accepted_at = accepted_by_default_at then 'default'
        end as acceptance_kind,
        coalesce(recycled_visit_at, captured_again_at) as recycled_at,
        case when exited_at is not null then cycle_ended_at end as requalified_at
    from accepted

),

final as (

    select
        lead_key,
        cycle_number,
        start_kind,
        marketing_qualified_basis,
        handed_off_basis,
        acceptance_kind,
        case
            when handed_off_at is null then null
            when accepted_at is not null then 'accepted'
            when exited_at is not null then 'rejected'
            else 'pending'
        end as acceptance_status,
        sales_qualified_basis,
        opportunity_basis,
        won_basis,
        exit_stage,
        exit_kind,
        case
            when won_at is not null then 'won'
            when exited_at is null then 'open'
            when opportunity_at is not null then 'lost'
            when accepted_at is not null then 'disqualified'
            when handed_off_at is not null then 'rejected'
            else 'screened_out'
        end as outcome,
        reason_code,
        coalesce(
            exit_kind = 'rejected' and acceptance_kind = 'default', false
        ) as is_late_rejection,
        recycled_at is not null or requalified_at is not null as is_recycled,
        cycle_started_at,
        cycle_ended_at,
        marketing_qualified_at,
        handed_off_at,
        case
            when acceptance_mode = 'default' then window_ends_at
        end as acceptance_due_at,
        accepted_at,
        sales_qualified_at,
        opportunity_at,
        won_at,
        exited_at,
        recycled_at,
        requalified_at,
        coalesce(handed_off_at, marketing_qualified_at) as scored_at
    from kinds

)

select * from final
