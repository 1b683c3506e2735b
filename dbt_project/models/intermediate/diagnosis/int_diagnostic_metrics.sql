-- What benchmarks are held against: the last window, rates of the last mature cohorts.
with run_policy as (

    select
        *,
        {{ dbt.dateadd('day', '-window_days', 'as_of') }} as recent_from
    from {{ ref('int_run_policy') }}

),

cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

rule_cases as (

    select * from {{ ref('int_rule_cases') }}

),

tiers as (

    select
        intent_tier,
        tier_rank < min(case when intent_tier = 'standard' then tier_rank end) over ()
            as is_high_intent
    from {{ ref('sla_policies') }}

),

rates as (

    select * from {{ ref('int_mature_rates') }}

),

recent_cases as (

    select
        case
            when rule_cases.rule = 'not_recycled' then 'not_recycled_share'
            else 'reasons_missing_share'
        end as metric,
        rule_cases.is_broken
    from rule_cases
    cross join run_policy
    where
        rule_cases.rule in (
            'not_recycled',
            'rejection_reason_missing',
            'disqualification_reason_missing',
            'loss_reason_missing',
            'recycle_reason_missing'
        )
        and rule_cases.occurred_at >= run_policy.recent_from

),

rules as (

    select
        metric,
        'all' as segment,
        count(*) as sample_size,
        count(*) filter (where is_broken) as numerator
    from recent_cases
    group by metric

),

first_touches as (

    select
        'high_intent_breached_share' as metric,
        'all' as segment,
        count(*) as sample_size,
        count(*) filter (where cycles.sla_status = 'breached') as numerator
    from cycles
    cross join run_policy
    inner join tiers
        on cycles.intent_tier = tiers.intent_tier
    where
        tiers.is_high_intent
        and cycles.sla_status in ('met', 'breached')
        and cycles.handed_off_at >= run_policy.recent_from

),

roles as (

    select * from {{ ref('int_receiving_roles') }}

),

-- A company whose handoffs began lately has had less time to work them.
observed as (

    select
        least(
            cast(max(run_policy.window_days) as double),
            greatest(
                1.0,
                max({{ seconds_between('cycles.handed_off_at', 'run_policy.as_of') }})
                / 86400
            )
        ) as observed_days
    from cycles
    cross join run_policy

),

-- The load of the roles that receive handoffs: who gets few does something else.
-- Where no owner is known, that of all reps.
loads as (

    select
        'weekly_load' as metric,
        'all' as segment,
        cast(sum(roles.leads) as {{ dbt.type_bigint() }}) as sample_size,
        sum(roles.leads) as numerator,
        sum(roles.weekly_capacity) * max(observed.observed_days) / 7.0 as denominator
    from roles
    cross join observed
    where
        roles.receives_handoffs
        and roles.leads > 0
        and roles.weekly_capacity is not null
    having count(*) > 0
    union all
    select
        'weekly_load' as metric,
        'all' as segment,
        count(*) as sample_size,
        count(*) as numerator,
        (select sum(roles.weekly_capacity) from roles)
        * max(observed.observed_days) / 7.0 as denominator
    from cycles
    cross join run_policy
    cross join observed
    where
        cycles.handed_off_at >= run_policy.recent_from
        and (select coalesce(max(roles.leads), 0) from roles) = 0
    having count(*) > 0

),

top_channel as (

    select * from {{ ref('int_channel_concentration') }}

),

measured as (

    select
        metric,
        segment,
        true as is_of_mature,
        sample_size,
        cast(numerator as double) as numerator,
        {{ rate('numerator', 'sample_size') }} as value
    from rates
    union all
    select
        metric,
        segment,
        false as is_of_mature,
        sample_size,
        cast(numerator as double) as numerator,
        {{ rate('numerator', 'sample_size') }} as value
    from rules
    union all
    select
        metric,
        segment,
        false as is_of_mature,
        sample_size,
        cast(numerator as double) as numerator,
        {{ rate('numerator', 'sample_size') }} as value
    from first_touches
    union all
    select
        metric,
        segment,
        false as is_of_mature,
        sample_size,
        cast(numerator as double) as numerator,
        {{ rate('numerator', 'denominator') }} as value
    from loads
    union all
    select
        metric,
        segment,
        false as is_of_mature,
        cast(sample_size as {{ dbt.type_bigint() }}) as sample_size,
        cast(numerator as double) as numerator,
        {{ rate('numerator', 'sample_size') }} as value
    from top_channel

),

final as (

    select
        measured.metric,
        measured.segment,
        case
            when measured.is_of_mature
                then
                    {{ in_digits('2 * run_policy.window_days') }} || ' to '
                    || {{ in_digits('1 + run_policy.window_days') }} || ' days ago'
            else {{ in_the_last('run_policy.window_days') }}
        end as cases_period,
        measured.sample_size,
        measured.numerator,
        measured.value
    from measured
    cross join run_policy

)

select * from final
