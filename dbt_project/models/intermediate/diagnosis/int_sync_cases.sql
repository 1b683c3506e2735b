{{ config(materialized='view') }}

-- What the teams promise each other: each case with the moment from which it is known
-- whether the promise was kept, which nothing that comes later changes.
with cycle_cases as (

    select * from {{ ref('int_cycle_cases') }}

),

rule_cases as (

    select * from {{ ref('int_rule_cases') }}

),

definitions as (

    select
        handed_off_at,
        not {{ dbt.bool_or('not is_met') }} as is_met
    from {{ ref('int_qualification_cases') }}
    group by source_system, lead_id, cycle_number, handed_off_at

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

cases as (

    select
        'sla_met_rate' as metric,
        sla_status = 'met' as is_counted,
        sla_due_at as judged_at
    from cycle_cases
    where sla_status in ('met', 'breached')
    union all
    -- Of what is inferred it is not known when sales decided.
    select
        'decided_in_time_rate' as metric,
        coalesce(coalesce(accepted_at, exited_at) <= decision_due_at, false)
            as is_counted,
        decision_due_at as judged_at
    from cycle_cases
    where
        acceptance_mode = 'explicit'
        and handed_off_basis = 'explicit'
        and coalesce(acceptance_kind <> 'inferred', true)
    union all
    select
        'reasons_given_rate' as metric,
        not is_broken as is_counted,
        occurred_at as judged_at
    from rule_cases
    where
        rule in (
            'rejection_reason_missing',
            'disqualification_reason_missing',
            'loss_reason_missing',
            'recycle_reason_missing'
        )
    union all
    select
        'recycled_in_time_rate' as metric,
        coalesce(recycled_at <= recycle_due_at, false)
        or coalesce(requalified_at <= recycle_due_at, false) as is_counted,
        recycle_due_at as judged_at
    from cycle_cases
    where
        outcome in ('rejected', 'disqualified')
        and recycle_after_days is not null
    union all
    select
        'below_mql_share' as metric,
        not is_met as is_counted,
        handed_off_at as judged_at
    from definitions
    where is_met is not null

),

final as (

    select
        cases.metric,
        cases.is_counted,
        {{ local_date('cases.judged_at', 'run_policy.timezone') }} as judged_date
    from cases
    inner join run_policy
        on cases.judged_at <= run_policy.as_of

)

select * from final
