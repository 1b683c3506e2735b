-- The last whole day of each table against the same weekday of the eight weeks before.
with source_days as (

    select
        *,
        {{ dbt.datediff(
            'source_date', 'as_of_date', 'day'
        ) }} - 1 as days_ago
    from {{ ref('source_days') }}

),

same_weekday as (

    select
        source_system,
        table_name,
        row_count,
        {{ dbt.dateadd('day', -1, 'as_of_date') }} as last_date,
        cast(days_ago / 7 as integer) as weeks_ago
    from source_days
    where days_ago between 0 and 56 and days_ago % 7 = 0

),

final as (

    select
        source_system,
        table_name,
        cast(last_date as date) as last_day,
        coalesce(max(case when weeks_ago = 0 then row_count end), 0)
            as rows_of_last_day,
        {{ quantile('case when weeks_ago >= 1 then row_count end', 0.5) }}
            as usual_rows,
        max(weeks_ago) as weeks,
        -- A table that was silent a week ago as well is for freshness to report.
        max(case when weeks_ago = 1 then 1 else 0 end) = 1 as was_alive
    from same_weekday
    group by source_system, table_name, last_date

)

select * from final
