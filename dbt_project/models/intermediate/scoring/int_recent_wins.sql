{{ config(materialized='view') }}

-- The won of the change window and those of its history, whatever the quarter.
with wins as (

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

dated as (

    select
        wins.*,
        wins.won_date >= period_pairs.current_from as is_recent,
        period_pairs.current_from as period_start
    from wins
    inner join {{ ref('int_period_pairs') }} as period_pairs
        on
            period_pairs.period_pair = 'change'
            and wins.won_date >= period_pairs.previous_from
            and wins.won_date <= period_pairs.current_until

),

counts as (

    {% for dimension in drift_dimensions() -%}
        select
            '{{ dimension }}' as dimension,
            {{ dimension }} as value,
            count(*) filter (where is_recent) as won,
            count(*) filter (where not is_recent) as earlier_won,
            period_start
        from dated
        group by {{ dimension }}, period_start
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

final as (

    select
        dimension,
        value,
        won,
        sum(won) over by_dimension as all_won,
        earlier_won,
        sum(earlier_won) over by_dimension as all_earlier_won,
        period_start
    from counts
    window by_dimension as (partition by dimension)

)

select * from final
