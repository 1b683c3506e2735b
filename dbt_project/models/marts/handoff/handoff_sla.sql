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

tiers as (

    select * from {{ ref('sla_policies') }}

),

handoffs as (

    select
        cycles.*,
        cycles.handed_off_basis = 'explicit' as is_counted,
        cycles.first_touch_at is not null as is_touched,
        case
            when cycles.handed_off_basis = 'explicit' then cycles.speed_to_lead_minutes
        end as counted_minutes,
        {{ period_start(
            'week', local_date('cycles.handed_off_at', 'run_policy.timezone')
        ) }} as period_start
    from cycles
    cross join run_policy

),

weekly as (

    select
        intent_tier,
        owner_id,
        count(*) filter (where is_counted) as handed_off,
        count(*) filter (where not is_counted) as handed_off_implied,
        count(*) filter (where is_counted and is_touched) as touched,
        count(*) filter (where is_counted and touched_before_handoff)
            as touched_before_handoff,
        {% for status in [
            'met', 'breached', 'open', 'not_applicable', 'unknown'
        ] -%}
            count(*) filter (where is_counted and sla_status = '{{ status }}')
                as {{ status }},
        {% endfor -%}
        {% for start_kind in start_kinds() -%}
            count(*) filter (where is_counted and start_kind = '{{ start_kind }}')
                as handed_off_{{ start_kind }},
            count(*) filter (
                where
                is_counted and start_kind = '{{ start_kind }}' and sla_status = 'met'
            ) as met_{{ start_kind }},
            count(*) filter (
                where
                is_counted
                and start_kind = '{{ start_kind }}'
                and sla_status = 'breached'
            ) as breached_{{ start_kind }},
        {% endfor -%}
        {{ quantile('counted_minutes', 0.5) }} as median_minutes_to_touch,
        {{ quantile('counted_minutes', 0.9) }} as p90_minutes_to_touch,
        period_start
    from handoffs
    group by period_start, intent_tier, owner_id

),

final as (

    select
        weekly.intent_tier,
        tiers.tier_rank,
        weekly.owner_id,
        coalesce(owners.owner_name, weekly.owner_id) as owner_name,
        owners.owner_team,
        weekly.handed_off,
        weekly.handed_off_implied,
        weekly.touched,
        weekly.touched_before_handoff,
        weekly.met,
        weekly.breached,
        weekly.open,
        weekly.not_applicable,
        weekly.unknown,
        weekly.met + weekly.breached as judged,
        {{ rate('weekly.touched', 'weekly.handed_off') }} as touched_rate,
        {{ rate('weekly.met', '(weekly.met + weekly.breached)') }} as met_rate,
        weekly.median_minutes_to_touch,
        weekly.p90_minutes_to_touch,
        {% for start_kind in start_kinds() -%}
            weekly.handed_off_{{ start_kind }},
            weekly.met_{{ start_kind }},
            weekly.breached_{{ start_kind }},
        {% endfor -%}
        weekly.period_start
    from weekly
    left join tiers
        on weekly.intent_tier = tiers.intent_tier
    left join owners
        on weekly.owner_id = owners.owner_id

)

select * from final
