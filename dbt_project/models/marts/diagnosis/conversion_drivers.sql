{%- set dimensions = ['lead_source', 'segment', 'owner_id', 'score_band'] -%}
with conversions as (

    select * from {{ ref('int_period_conversions') }}

),

period_pairs as (

    select * from {{ ref('int_period_pairs') }}

),

pairs as (

    select * from {{ ref('int_milestone_pairs') }}

),

owners as (

    select * from {{ ref('int_owner_capacity') }}

),

counts as (

    {% for dimension in dimensions -%}
        select
            period_pair,
            metric,
            '{{ dimension }}' as dimension,
            {{ dimension }} as value,
            coalesce(sum(entered) filter (where period = 'previous'), 0)
                as previous_entered,
            coalesce(sum(converted) filter (where period = 'previous'), 0)
                as previous_converted,
            coalesce(sum(entered) filter (where period = 'current'), 0)
                as current_entered,
            coalesce(sum(converted) filter (where period = 'current'), 0)
                as current_converted
        from conversions
        group by period_pair, metric, {{ dimension }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

totals as (

    select
        *,
        sum(previous_entered) over whole as all_previous_entered,
        sum(current_entered) over whole as all_current_entered,
        {{ rate(
            'sum(previous_converted) over whole', 'sum(previous_entered) over whole'
        ) }} as all_previous_rate,
        {{ rate(
            'sum(current_converted) over whole', 'sum(current_entered) over whole'
        ) }} as all_current_rate
    from counts
    window whole as (partition by period_pair, metric, dimension)

),

rates as (

    select
        *,
        {{ rate('previous_entered', 'all_previous_entered') }} as previous_share,
        {{ rate('current_entered', 'all_current_entered') }} as current_share,
        {{ rate('previous_converted', 'previous_entered') }} as previous_rate,
        {{ rate('current_converted', 'current_entered') }} as current_rate
    from totals

),

-- Kitagawa: a value that one period lacks has no rate there and changes the mix alone.
parts as (

    select
        *,
        (current_share - previous_share) * (
            (
                coalesce(previous_rate, current_rate)
                + coalesce(current_rate, previous_rate)
            ) / 2
            - (all_previous_rate + all_current_rate) / 2
        ) as mix_part,
        coalesce(current_rate - previous_rate, 0)
        * (current_share + previous_share) / 2 as rate_part
    from rates

),

final as (

    select
        parts.period_pair,
        parts.metric,
        pairs.metric_label,
        parts.dimension,
        parts.value,
        coalesce(owners.owner_name, parts.value) as value_label,
        cast(parts.previous_entered as {{ dbt.type_bigint() }}) as previous_entered,
        cast(parts.previous_converted as {{ dbt.type_bigint() }})
            as previous_converted,
        cast(parts.current_entered as {{ dbt.type_bigint() }}) as current_entered,
        cast(parts.current_converted as {{ dbt.type_bigint() }}) as current_converted,
        parts.previous_share,
        parts.current_share,
        parts.previous_rate,
        parts.current_rate,
        parts.mix_part,
        parts.rate_part,
        parts.mix_part + parts.rate_part as change_part,
        parts.all_current_rate - parts.all_previous_rate as total_change,
        period_pairs.previous_from,
        period_pairs.previous_until,
        period_pairs.current_from,
        period_pairs.current_until
    from parts
    inner join period_pairs
        on parts.period_pair = period_pairs.period_pair
    inner join pairs
        on parts.metric = pairs.metric
    left join owners
        on
            parts.value = owners.owner_id
            and parts.dimension = 'owner_id'

)

select * from final
