with periods as (

    select * from {{ ref('int_channel_periods') }}

),

lag_of_spend as (

    select * from {{ ref('int_spend_lag') }}

),

final as (

    select
        periods.period,
        periods.dimension,
        periods.channel,
        {% for count in [
            'marketing_qualified', 'handed_off', 'accepted', 'sales_qualified',
            'opportunity', 'won', 'won_new', 'won_requalified', 'won_expansion',
            'marketing_qualified_with_spend', 'handed_off_with_spend',
            'accepted_with_spend', 'sales_qualified_with_spend',
            'opportunity_with_spend', 'won_with_spend', 'won_new_with_spend'
        ] -%}
            cast(periods.{{ count }} as {{ dbt.type_bigint() }}) as {{ count }},
        {% endfor -%}
        {% for amount in ['spend_amount', 'lagged_spend_amount'] -%}
            cast(periods.{{ amount }} as decimal(18, 2)) as {{ amount }},
        {% endfor -%}
        lag_of_spend.spend_lag_days,
        lag_of_spend.spend_lag_basis,
        {% for amount, milestone in [
            ('pipeline_amount', 'opportunity'), ('revenue_amount', 'won'),
            ('revenue_new_amount', 'won_new'),
            ('revenue_with_spend_amount', 'won_with_spend')
        ] -%}
            cast(
                case
                    when periods.{{ milestone }} = 0 then 0 else periods.{{ amount }}
                end as decimal(18, 2)
            ) as {{ amount }},
        {% endfor -%}
        {% for milestone in [
            'marketing_qualified', 'handed_off', 'accepted', 'sales_qualified',
            'opportunity'
        ] -%}
            {{ rate(
                'periods.spend_amount', 'periods.' ~ milestone ~ '_with_spend'
            ) }} as cost_per_{{ milestone }},
        {% endfor -%}
        {{ rate('periods.lagged_spend_amount', 'periods.won_with_spend') }}
            as cost_per_won,
        {{ rate('periods.lagged_spend_amount', 'periods.won_new_with_spend') }}
            as customer_acquisition_cost,
        {{ rate(
            'case when periods.won_with_spend = 0 then 0 '
            ~ 'else periods.revenue_with_spend_amount end',
            'periods.lagged_spend_amount'
        ) }} as return_on_spend,
        periods.is_complete,
        periods.period_start,
        cast({{ dbt.dateadd('day', -1, 'periods.next_period_start') }} as date)
            as period_end
    from periods
    cross join lag_of_spend

)

select * from final
