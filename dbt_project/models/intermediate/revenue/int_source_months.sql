{%- set milestones = reached_milestones() -%}
with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

lag_of_spend as (

    select * from {{ ref('int_spend_lag') }}

),

moments as (

    {% for milestone in milestones -%}
        select
            '{{ milestone }}' as milestone,
            cycles.lead_source,
            cycles.start_kind,
            cycles.opportunity_amount,
            cycles.won_amount,
            {{ local_date('cycles.' ~ milestone ~ '_at', 'run_policy.timezone') }}
                as reached_date,
            {%- set spend = 'lagged' if milestone == 'won' else 'recorded' %}
            lag_of_spend.{{ spend }}_from as spend_from,
            lag_of_spend.{{ spend }}_until as spend_until
        from cycles
        cross join run_policy
        cross join lag_of_spend
        where cycles.{{ milestone }}_at is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

dated as (

    select
        *,
        coalesce(reached_date >= spend_from and reached_date < spend_until, false)
            as has_spend,
        {{ period_start('month', 'reached_date') }} as period_start
    from moments

),

final as (

    select
        milestone,
        lead_source,
        start_kind,
        has_spend,
        count(*) as cycles,
        sum(opportunity_amount) as opportunity_amount,
        sum(won_amount) as won_amount,
        period_start
    from dated
    group by milestone, lead_source, start_kind, has_spend, period_start

)

select * from final
