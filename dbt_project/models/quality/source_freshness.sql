{%- set rhythm = var('rhythm') -%}
-- How old the newest row of each table, and of each source, is, and how far apart their
-- rows usually are.
with source_days as (

    select * from {{ ref('source_days') }}

),

run_parameters as (

    select timezone from {{ ref('stg_handoff__run_parameters') }}

),

-- Spend may be a budget, with rows for days to come: it tells how old a source is only
-- where the source has no other table.
days_of_sources as (

    select
        *,
        dense_rank() over (
            partition by source_system
            order by case when table_name = 'channel_spend' then 1 else 0 end
        ) as table_rank
    from source_days

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
    from days_of_sources
    where table_rank = 1
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
        max(case when table_name is null then newest_at end) over (
            partition by source_system
        ) as source_newest_at
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
        gaps.source_system,
        gaps.table_name,
        max(gaps.newest_at) as newest_at,
        cast(
            {{ utc_to_local('max(gaps.newest_at)', 'run_parameters.timezone') }}
            as date
        ) as newest_day,
        {{ seconds_between('max(gaps.newest_at)', 'gaps.as_of') }} / 86400.0
            as days_old,
        {{ seconds_between('max(gaps.newest_at)', 'gaps.source_newest_at') }} / 86400.0
            as days_behind_source,
        count(gaps.recent_gap_days) as recent_gaps,
        {{ quantile('gaps.recent_gap_days', 0.5) }} as middle_gap_days,
        {{ quantile('gaps.recent_gap_days', rhythm['usual_share']) }} as usual_gap_days
    from gaps
    cross join run_parameters
    group by
        gaps.source_system,
        gaps.table_name,
        gaps.source_newest_at,
        gaps.as_of,
        run_parameters.timezone

)

select * from final
