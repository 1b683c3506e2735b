{%- set dimensions = ['segment', 'lead_source'] -%}
{{ config(materialized='view') }}

with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

entries as (

    {% for dimension in dimensions -%}
        select
            '{{ dimension }}' as dimension,
            cycles.{{ dimension }} as value,
            1 as marketing_qualified,
            0 as won,
            {{ period_start('quarter', local_date(
                'cycles.marketing_qualified_at', 'run_policy.timezone'
            )) }} as period_start
        from cycles
        cross join run_policy
        where cycles.marketing_qualified_at is not null
        union all
        select
            '{{ dimension }}' as dimension,
            cycles.{{ dimension }} as value,
            0 as marketing_qualified,
            1 as won,
            {{ period_start('quarter', local_date(
                'cycles.won_at', 'run_policy.timezone'
            )) }} as period_start
        from cycles
        cross join run_policy
        where cycles.won_at is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

counts as (

    select
        dimension,
        value,
        period_start,
        sum(marketing_qualified) as marketing_qualified,
        sum(won) as won
    from entries
    group by dimension, value, period_start

),

totals as (

    select
        dimension,
        period_start,
        sum(marketing_qualified) as all_marketing_qualified,
        sum(won) as all_won
    from counts
    group by dimension, period_start

),

quarters as (

    select
        dimension,
        period_start,
        all_marketing_qualified,
        all_won,
        cast({{ dbt.dateadd('month', -3, 'period_start') }} as date)
            as previous_period_start
    from totals

),

values_seen as (

    select distinct
        dimension,
        value
    from counts

),

final as (

    select
        values_seen.dimension,
        values_seen.value,
        coalesce(counts.marketing_qualified, 0) as marketing_qualified,
        coalesce(counts.won, 0) as won,
        quarters.all_marketing_qualified,
        quarters.all_won,
        {{ rate(
            'coalesce(counts.marketing_qualified, 0)',
            'quarters.all_marketing_qualified'
        ) }} as marketing_qualified_share,
        {{ rate('coalesce(counts.won, 0)', 'quarters.all_won') }} as won_share,
        {{ rate(
            'coalesce(earlier.marketing_qualified, 0)',
            'earlier_quarters.all_marketing_qualified'
        ) }} as previous_share,
        quarters.period_start
    from values_seen
    inner join quarters
        on values_seen.dimension = quarters.dimension
    left join counts
        on
            values_seen.dimension = counts.dimension
            and values_seen.value = counts.value
            and quarters.period_start = counts.period_start
    left join quarters as earlier_quarters
        on
            quarters.dimension = earlier_quarters.dimension
            and quarters.previous_period_start = earlier_quarters.period_start
    left join counts as earlier
        on
            values_seen.dimension = earlier.dimension
            and values_seen.value = earlier.value
            and quarters.previous_period_start = earlier.period_start

)

select * from final
