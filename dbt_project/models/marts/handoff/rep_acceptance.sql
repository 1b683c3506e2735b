with cycles as (

    select * from {{ ref('int_funnel_cycles') }}
    where handed_off_at is not null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

owners as (

    select * from {{ ref('int_owner_capacity') }}

),

handoffs as (

    select
        cycles.*,
        cycles.handed_off_basis = 'explicit' as is_counted,
        {{ local_date('run_policy.as_of', 'run_policy.timezone') }} as as_of_date,
        {{ period_start(
            'month', local_date('cycles.handed_off_at', 'run_policy.timezone')
        ) }} as period_start
    from cycles
    cross join run_policy

),

monthly as (

    select
        owner_id,
        score_band,
        count(*) as handed_off_any,
        count(*) filter (where is_counted) as handed_off,
        count(*) filter (where not is_counted) as handed_off_implied,
        {% for status in ['accepted', 'rejected', 'pending'] -%}
            count(*) filter (where is_counted and acceptance_status = '{{ status }}')
                as {{ status }},
        {% endfor -%}
        {% for kind in ['explicit', 'implied', 'inferred', 'default'] -%}
            count(*) filter (where is_counted and acceptance_kind = '{{ kind }}')
                as accepted_{{ kind }},
        {% endfor -%}
        count(*) filter (where is_counted and is_late_rejection) as late_rejected,
        {% for start_kind in start_kinds() -%}
            count(*) filter (where is_counted and start_kind = '{{ start_kind }}')
                as handed_off_{{ start_kind }},
            count(*) filter (
                where
                is_counted
                and start_kind = '{{ start_kind }}'
                and acceptance_status = 'accepted'
            ) as accepted_{{ start_kind }},
        {% endfor -%}
        max(as_of_date) as as_of_date,
        period_start
    from handoffs
    group by period_start, owner_id, score_band

),

-- Only the part of the month that has passed counts: a running month is not under-read.
loads as (

    select
        *,
        cast(
            sum(handed_off_any) over (
                partition by period_start, owner_id
            ) as {{ dbt.type_bigint() }}
        ) as owner_handed_off,
        {{ dbt.datediff(
            'period_start',
            'least(' ~ next_period_start("'month'", 'period_start') ~ ', '
            ~ dbt.dateadd('day', 1, 'as_of_date') ~ ')',
            'day'
        ) }} / 7.0 as weeks_passed
    from monthly

),

final as (

    select
        loads.owner_id,
        coalesce(owners.owner_name, loads.owner_id) as owner_name,
        owners.owner_team,
        loads.score_band,
        loads.handed_off,
        loads.handed_off_implied,
        loads.accepted,
        loads.accepted_explicit,
        loads.accepted_implied,
        loads.accepted_inferred,
        loads.accepted_default,
        loads.rejected,
        loads.pending,
        loads.late_rejected,
        loads.accepted + loads.rejected as decided,
        {{ rate('loads.accepted', 'loads.handed_off') }} as acceptance_rate,
        {{ rate('loads.rejected', 'loads.handed_off') }} as rejection_rate,
        {{ rate('loads.accepted', '(loads.accepted + loads.rejected)') }}
            as acceptance_rate_of_decided,
        {% for start_kind in start_kinds() -%}
            loads.handed_off_{{ start_kind }},
            loads.accepted_{{ start_kind }},
        {% endfor -%}
        loads.owner_handed_off,
        loads.owner_handed_off / loads.weeks_passed as owner_handed_off_per_week,
        owners.weekly_capacity,
        {{ rate(
            'loads.owner_handed_off / loads.weeks_passed', 'owners.weekly_capacity'
        ) }} as capacity_used,
        loads.period_start
    from loads
    left join owners
        on loads.owner_id = owners.owner_id

)

select * from final
