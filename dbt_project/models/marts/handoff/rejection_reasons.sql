with cycles as (

    select * from {{ ref('int_funnel_cycles') }}
    where outcome in ('rejected', 'disqualified', 'lost', 'screened_out')

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

reasons as (

    select * from {{ ref('dim_reasons') }}

),

owners as (

    select * from {{ ref('int_owner_capacity') }}

),

exits as (

    select
        cycles.*,
        {{ period_start(
            'month', local_date('cycles.exited_at', 'run_policy.timezone')
        ) }} as period_start
    from cycles
    cross join run_policy

),

counted as (

    select
        outcome,
        reason_code,
        lead_source,
        owner_id,
        score_band,
        count(*) as exited,
        {% for start_kind in start_kinds() -%}
            count(*) filter (where start_kind = '{{ start_kind }}')
                as exited_{{ start_kind }},
        {% endfor -%}
        count(*) filter (where is_late_rejection) as late_rejected,
        period_start
    from exits
    group by period_start, outcome, reason_code, lead_source, owner_id, score_band

),

totals as (

    select
        *,
        cast(
            sum(exited) over (
                partition by period_start, outcome
            ) as {{ dbt.type_bigint() }}
        ) as outcome_exited
    from counted

),

final as (

    select
        totals.outcome,
        coalesce(totals.reason_code, '(none)') as reason_code,
        coalesce(reasons.reason_label, 'No reason given') as reason_label,
        coalesce(reasons.reason_group, 'unknown') as reason_group,
        coalesce(reasons.leak, 'unknown') as leak,
        totals.lead_source,
        totals.owner_id,
        coalesce(owners.owner_name, totals.owner_id) as owner_name,
        totals.score_band,
        totals.exited,
        {% for start_kind in start_kinds() -%}
            totals.exited_{{ start_kind }},
        {% endfor -%}
        totals.late_rejected,
        totals.outcome_exited,
        {{ rate('totals.exited', 'totals.outcome_exited') }} as share,
        totals.period_start
    from totals
    left join reasons
        on totals.reason_code = reasons.reason_code
    left join owners
        on totals.owner_id = owners.owner_id

)

select * from final
