with conversions as (

    select * from {{ ref('int_pair_conversions') }}
    where is_counted

),

periods as (

    select
        period_pair,
        'previous' as period,
        previous_from as period_from,
        previous_until as period_until
    from {{ ref('int_period_pairs') }}
    union all
    select
        period_pair,
        'current' as period,
        current_from as period_from,
        current_until as period_until
    from {{ ref('int_period_pairs') }}

),

final as (

    select
        periods.period_pair,
        periods.period,
        conversions.metric,
        conversions.all_cycles,
        {%- for dimension in funnel_dimensions() %}
            conversions.{{ dimension }},
        {%- endfor %}
        count(*) as entered,
        count(*) filter (
            where conversions.converted_date <= periods.period_until
        ) as converted
    from conversions
    inner join periods
        on
            conversions.entered_date >= periods.period_from
            and conversions.entered_date <= periods.period_until
    group by
        periods.period_pair,
        periods.period,
        conversions.metric,
        conversions.all_cycles
        {%- for dimension in funnel_dimensions() -%}
            , conversions.{{ dimension }}
        {%- endfor %}

)

select * from final
