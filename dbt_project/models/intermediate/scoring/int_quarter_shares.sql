{#- What is counted: its name, when a cycle is counted, which cycles are. -#}
{%- set counted = [
    ('marketing_qualified', 'marketing_qualified_at', 'true'),
    ('rewarded', 'handed_off_at', 'has_best_band'),
    ('won', 'won_at', 'true'),
] -%}
with best_band as (

    select score_band
    from {{ ref('score_bands') }}
    order by min_score desc nulls last
    limit 1

),

cycles as (

    select
        cycles.segment,
        cycles.lead_source,
        cycles.marketing_qualified_at,
        cycles.handed_off_at,
        cycles.won_at,
        coalesce(leads.industry, '(none)') as industry,
        best_band.score_band is not null as has_best_band
    from {{ ref('int_funnel_cycles') }} as cycles
    left join {{ ref('dim_leads') }} as leads
        on
            cycles.source_system = leads.source_system
            and cycles.lead_id = leads.lead_id
    left join best_band
        on cycles.score_band = best_band.score_band

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

events as (

    {% for name, moment, condition in counted -%}
        select
            {% for dimension in drift_dimensions() -%}
                {{ dimension }},
            {% endfor -%}
            {% for column, _, _ in counted -%}
                {{ 1 if column == name else 0 }} as {{ column }},
            {% endfor -%}
            {{ moment }} as counted_at
        from cycles
        where {{ moment }} is not null and {{ condition }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

dated as (

    select
        events.*,
        {{ period_start(
            'quarter', local_date('events.counted_at', 'run_policy.timezone')
        ) }} as period_start
    from events
    cross join run_policy

),

counts as (

    {% for dimension in drift_dimensions() -%}
        select
            '{{ dimension }}' as dimension,
            {{ dimension }} as value,
            {% for column, _, _ in counted -%}
                sum({{ column }}) as {{ column }},
            {% endfor -%}
            period_start
        from dated
        group by {{ dimension }}, period_start
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

quarters as (

    select
        dimension,
        period_start,
        {% for column, _, _ in counted -%}
            sum({{ column }}) as all_{{ column }},
        {% endfor -%}
        cast({{ dbt.dateadd('month', -3, 'period_start') }} as date)
            as previous_period_start
    from counts
    group by dimension, period_start

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
        {% for column, _, _ in counted -%}
            coalesce(counts.{{ column }}, 0) as {{ column }},
            quarters.all_{{ column }},
            {{ rate(
                'coalesce(counts.' ~ column ~ ', 0)', 'quarters.all_' ~ column
            ) }} as {{ column }}_share,
        {% endfor -%}
        coalesce(earlier.won, 0) as previous_won,
        coalesce(earlier_quarters.all_won, 0) as all_previous_won,
        {{ rate('coalesce(earlier.won, 0)', 'earlier_quarters.all_won') }}
            as previous_won_share,
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
