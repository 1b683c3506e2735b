{%- set milestones = reached_milestones() -%}
{%- set wins = ['won_new', 'won_requalified', 'won_expansion', 'won_new_with_spend'] -%}
{%- set amounts = [
    'pipeline_amount', 'revenue_amount', 'revenue_new_amount',
    'revenue_with_spend_amount', 'spend_amount', 'lagged_spend_amount'
] -%}
with channel_months as (

    select * from {{ ref('int_channel_months') }}

),

bounds as (

    select
        min(channel_months.period_start) as first_day,
        max(lag_of_spend.last_day) as last_day
    from channel_months
    cross join {{ ref('int_spend_lag') }} as lag_of_spend

),

days as (

    {{ days_between(
        '(select first_day from bounds)', '(select last_day from bounds)'
    ) }}

),

starts as (

    select distinct
        {{ period_start('month', 'date_day') }} as month_start,
        {{ period_start('quarter', 'date_day') }} as quarter_start
    from days

),

periods as (

    select
        'month' as period,
        month_start as period_start,
        {{ dbt.dateadd('month', 1, 'month_start') }} as next_period_start
    from starts
    union all
    select distinct
        'quarter' as period,
        quarter_start as period_start,
        {{ dbt.dateadd('month', 3, 'quarter_start') }} as next_period_start
    from starts
    union all
    select
        'rolling_12_months' as period,
        cast({{ dbt.dateadd('month', -11, 'month_start') }} as date)
            as period_start,
        {{ dbt.dateadd('month', 1, 'month_start') }} as next_period_start
    from starts
    union all
    select
        'all' as period,
        first_day as period_start,
        {{ dbt.dateadd('day', 1, 'last_day') }} as next_period_start
    from bounds

),

final as (

    {% for dimension in ['all', 'channel'] -%}
        select
            periods.period,
            '{{ dimension }}' as dimension,
            {{ 'channel_months.channel' if dimension == 'channel' else "'all'" }}
                as channel,
            {% for milestone in milestones -%}
                sum(channel_months.{{ milestone }}) as {{ milestone }},
                sum(channel_months.{{ milestone }}_with_spend)
                    as {{ milestone }}_with_spend,
            {% endfor -%}
            {% for count in wins -%}
                sum(channel_months.{{ count }}) as {{ count }},
            {% endfor -%}
            {% for amount in amounts -%}
                sum(channel_months.{{ amount }}) as {{ amount }},
            {% endfor -%}
            periods.period = 'all'
            or (
                periods.period_start >= bounds.first_day
                and periods.next_period_start <= bounds.last_day
            ) as is_complete,
            periods.period_start,
            periods.next_period_start
        from periods
        cross join bounds
        inner join channel_months
            on
                periods.period_start <= channel_months.period_start
                and periods.next_period_start > channel_months.period_start
        group by
            {{ "channel_months.channel," if dimension == 'channel' }}
            periods.period,
            periods.period_start,
            periods.next_period_start,
            bounds.first_day,
            bounds.last_day
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

)

select * from final
