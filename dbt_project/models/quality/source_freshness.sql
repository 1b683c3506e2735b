-- How old the newest row of each table is, and how far apart its rows usually are.
with source_days as (

    select * from {{ ref('source_days') }}

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
        ) as last_date
    from source_days

),

-- A rhythm is that of the last year: companies change, and years have seasons.
gaps as (

    select
        *,
        case
            when
                {{ dbt.datediff(
                    'source_date', 'last_date', 'day'
                ) }} < 365
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
        count(recent_gap_days) as recent_gaps,
        {{ quantile('recent_gap_days', 0.95) }} as usual_gap_days
    from gaps
    group by source_system, table_name, as_of

)

select * from final
