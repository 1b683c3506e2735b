{%- set groupings = [] -%}
{%- for period in ['week', 'month', 'quarter'] -%}
    {%- for dimension in ['all'] + funnel_dimensions() -%}
        {%- do groupings.append((period, dimension)) -%}
    {%- endfor -%}
{%- endfor -%}
{%- set counts = [
    'entered', 'entered_implied', 'converted', 'converted_in_window', 'still_open'
] -%}
with conversions as (

    select
        *,
        'all' as all_cycles
    from {{ ref('fct_conversions') }}

),

pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

owners as (

    select * from {{ ref('int_owner_capacity') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

cohorts as (

    {% for period, dimension in groupings -%}
        select
            '{{ period }}' as period,
            metric,
            '{{ dimension }}' as dimension,
            {{ dimension_column(dimension) }} as value,
            {% for count in counts -%}
                cast(coalesce(sum({{ count }}), 0) as {{ dbt.type_bigint() }})
                    as {{ count }},
            {% endfor -%}
            {{ quantile('days_to_convert', 0.5) }} as median_days,
            entered_{{ period }} as period_start
        from conversions
        group by metric, entered_{{ period }}, {{ dimension_column(dimension) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

final as (

    select
        cohorts.period,
        cohorts.dimension,
        cohorts.value,
        coalesce(owners.owner_name, cohorts.value) as value_label,
        cohorts.metric,
        pairs.metric_label,
        pairs.from_milestone,
        pairs.from_label,
        pairs.to_milestone,
        pairs.to_label,
        pairs.sort_order,
        {% for count in counts -%}
            cohorts.{{ count }},
        {% endfor -%}
        {{ rate('cohorts.converted', 'cohorts.entered') }} as rate,
        {{ rate('cohorts.converted_in_window', 'cohorts.entered') }}
            as rate_in_window,
        {{ wilson_lower('cohorts.converted_in_window', 'cohorts.entered') }}
            as rate_in_window_lower,
        {{ wilson_upper('cohorts.converted_in_window', 'cohorts.entered') }}
            as rate_in_window_upper,
        cohorts.median_days,
        {{ add_seconds(
            local_midnight(
                next_period_start('cohorts.period', 'cohorts.period_start'),
                'run_policy.timezone'
            ),
            'run_policy.conversion_window_seconds'
        ) }} <= run_policy.as_of as is_mature,
        cohorts.period_start
    from cohorts
    inner join pairs
        on cohorts.metric = pairs.metric
    left join owners
        on
            cohorts.value = owners.owner_id
            and cohorts.dimension = 'owner_id'
    cross join run_policy

)

select * from final
