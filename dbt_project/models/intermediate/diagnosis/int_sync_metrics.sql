{{ config(materialized='view') }}

-- Rates with a name come first, and more is better of each.
with pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

promises as (

    select
        promises.metric,
        promises.better,
        promises.sort_order
    from (
        values
        ('sla_met_rate', 'higher', 101),
        ('decided_in_time_rate', 'higher', 102),
        ('reasons_given_rate', 'higher', 103),
        ('recycled_in_time_rate', 'higher', 104),
        ('below_mql_share', 'lower', 105)
    ) as promises (metric, better, sort_order)

),

final as (

    select
        metric,
        'conversion' as kind,
        'higher' as better,
        sort_order
    from pairs
    union all
    select
        metric,
        'promise' as kind,
        better,
        sort_order
    from promises

)

select * from final
