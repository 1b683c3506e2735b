-- How old the newest row of each table is, and how often the table fills.
with source_days as (

    select * from {{ ref('source_days') }}

),

last_days as (

    select
        source_system,
        table_name,
        as_of,
        max(newest_at) as newest_at,
        max(source_date) as last_date
    from source_days
    group by source_system, table_name, as_of

),

rhythm as (

    select
        source_days.source_system,
        source_days.table_name,
        sum(source_days.row_count) as recent_rows
    from source_days
    inner join last_days
        on
            source_days.source_system = last_days.source_system
            and source_days.table_name = last_days.table_name
    where
        {{ dbt.datediff(
            'source_days.source_date', 'last_days.last_date', 'day'
        ) }} < 90
    group by source_days.source_system, source_days.table_name

),

final as (

    select
        last_days.source_system,
        last_days.table_name,
        last_days.newest_at,
        {{ seconds_between('last_days.newest_at', 'last_days.as_of') }}
        / 86400.0 as days_old,
        rhythm.recent_rows
    from last_days
    inner join rhythm
        on
            last_days.source_system = rhythm.source_system
            and last_days.table_name = rhythm.table_name

)

select * from final
