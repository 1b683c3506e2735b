{%- set rhythm = var('rhythm') -%}
-- How old the newest row of each table, and of each source, is, and how far apart their
-- rows usually are.
with source_days as (

    select * from {{ ref('source_days') }}

),

days_of_all as (

    select
        source_system,
        table_name,
        source_date,
        as_of,
        newest_at
    from source_days
    union all
    select
        source_system,
        cast(null as {{ dbt.type_string() }}) as table_name,
        source_date,
        as_of,
        max(newest_at) as newest_at
    from source_days
    group by source_system, source_date, as_of

),

days_in_order as (

    select
        *,
        lag(source_date) over (
            partition by source_system, table_name
            order by source_date
        ) as date_before,
        max(source_date) over (
            partition by source_system, table_name
        ) as last_date,
        max(newest_at) over (partition by source_system) as source_newest_at
    from days_of_all

),

gaps as (

    select
        *,
        case
            when
                {{ dbt.datediff(
                    'source_date', 'last_date', 'day'
                ) }} < {{ rhythm['days'] }}
                then
                    {{ dbt.datediff(
                        'date_before', 'source_date', 'day'
                    ) }}
        end as recent_gap_days
    from days_in_order

),

final as (

    select
        source_system,
        table_name,
        max(newest_at) as newest_at,
        {{ seconds_between('max(newest_at)', 'as_of') }} / 86400.0 as days_old,
        {{ seconds_between('max(newest_at)', 'source_newest_at') }} / 86400.0
            as days_behind_source,
        count(recent_gap_days) as recent_gaps,
        {{ quantile('recent_gap_days', 0.5) }} as middle_gap_days,
        {{ quantile('recent_gap_days', rhythm['usual_share']) }} as usual_gap_days
    from gaps
    group by source_system, table_name, source_newest_at, as_of

)

select * from final
