with run_policy as (

    select * from {{ ref('int_run_policy') }}

),

bounds as (

    select
        least(
            min(fct_lead_stages.entered_at), max(run_policy.as_of)
        ) as first_moment,
        max(run_policy.as_of) as last_moment
    from run_policy
    left join {{ ref('fct_lead_stages') }} as fct_lead_stages
        on true

),

days as (

    {{ days_between(
        "(select date_trunc('year', first_moment) from bounds)",
        "(select date_trunc('year', last_moment) + interval 1 year - interval 1 day"
        ~ " from bounds)"
    ) }}

),

final as (

    select
        days.date_day,
        cast({{ dbt.date_trunc('week', 'days.date_day') }} as date) as week_start_date,
        cast({{ dbt.date_trunc('month', 'days.date_day') }} as date)
            as month_start_date,
        cast({{ dbt.date_trunc('quarter', 'days.date_day') }} as date)
            as quarter_start_date,
        cast({{ dbt.date_trunc('year', 'days.date_day') }} as date) as year_start_date,
        {{ weekday_name('days.date_day') }} as weekday,
        holidays.holiday_name,
        working_hours.weekday is not null and holidays.holiday_date is null
            as is_working_day
    from days
    left join {{ ref('working_hours') }} as working_hours
        on {{ weekday_name('days.date_day') }} = lower(trim(working_hours.weekday))
    left join {{ ref('holidays') }} as holidays
        on days.date_day = holidays.holiday_date

)

select * from final
