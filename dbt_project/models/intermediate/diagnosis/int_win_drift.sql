{{ config(materialized='view') }}

-- Whether those who are won lately are others than those won in the history before.
with diagnostic as (

    select * from {{ ref('int_diagnostics') }}
    where diagnostic = 'icp_drift'

),

period as (

    select * from {{ ref('int_period_pairs') }}
    where period_pair = 'change'

),

wins as (

    select
        cycles.segment,
        cycles.lead_source,
        coalesce(leads.industry, '(none)') as industry,
        {{ local_date('cycles.won_at', 'run_policy.timezone') }} as won_date
    from {{ ref('int_funnel_cycles') }} as cycles
    cross join {{ ref('int_run_policy') }} as run_policy
    left join {{ ref('dim_leads') }} as leads
        on
            cycles.source_system = leads.source_system
            and cycles.lead_id = leads.lead_id
    where cycles.won_at is not null

),

counts as (

    {% for dimension in drift_dimensions() -%}
        select
            '{{ dimension }}' as dimension,
            wins.{{ dimension }} as value,
            count(*) filter (where wins.won_date >= period.current_from) as won,
            count(*) filter (where wins.won_date < period.current_from) as other
        from wins
        inner join period
            on
                wins.won_date >= period.previous_from
                and wins.won_date <= period.current_until
        group by wins.{{ dimension }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

totals as (

    select
        *,
        sum(won) over (partition by dimension) as all_won,
        sum(other) over (partition by dimension) as all_other
    from counts

),

-- Values too rare for the test (fewer than five expected on a side) are one.
cells as (

    select
        dimension,
        all_won,
        all_other,
        case
            when
                (won + other) * least(all_won, all_other) >= 5 * (all_won + all_other)
                then value
        end as cell,
        sum(won) as won,
        sum(other) as other
    from totals
    group by
        dimension,
        all_won,
        all_other,
        case
            when
                (won + other) * least(all_won, all_other) >= 5 * (all_won + all_other)
                then value
        end

),

summed as (

    select
        dimension,
        least(all_won, all_other) as sample_size,
        sum({{ psi_part(
            rate('won', 'all_won'), rate('other', 'all_other')
        ) }}) as psi,
        count(*) - 1 as freedom,
        sum(
            power(cast(won as double) * all_other - cast(other as double) * all_won, 2)
            / nullif(cast(all_won as double) * all_other * (won + other), 0)
        ) as chi_square
    from cells
    group by dimension, all_won, all_other

),

tested as (

    select
        *,
        {{ upper_tail_p(chi_square_deviate('chi_square', 'freedom')) }} as p_value
    from summed

),

-- One row: the dimension that speaks most for a drift.
ranked as (

    select
        *,
        row_number() over (
            order by coalesce(p_value, 1), dimension desc
        ) as place
    from tested

),

found as (

    select
        diagnostic.metric,
        ranked.psi,
        ranked.p_value,
        coalesce(ranked.sample_size, 0) as sample_size,
        case
            when coalesce(ranked.sample_size, 0) < diagnostic.min_cases then 'too_few'
            when ranked.p_value < 0.01 and ranked.psi > diagnostic.least_effect
                then 'act'
            else 'ok'
        end as status
    from diagnostic
    left join ranked
        on ranked.place = 1

),

final as (

    select
        'icp_drift' as diagnostic,
        metric,
        'all' as segment,
        'own trend' as basis,
        psi as value,
        cast(null as double) as numerator,
        sample_size,
        cast(null as double) as previous_value,
        p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        status,
        case status
            when 'too_few' then 'Too few cases to judge'
            when 'act' then 'Those who are won lately are others than before'
            else 'No change of who is won beyond what chance explains'
        end as reading
    from found

)

select * from final
