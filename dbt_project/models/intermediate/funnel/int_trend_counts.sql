{%- set dimensions = trend_dimensions() -%}
with conversions as (

    select
        *,
        'all' as all_cycles
    from {{ ref('fct_conversions') }}
    where entered = 1

),

run_days as (

    select
        window_days,
        {{ local_date('as_of', 'timezone') }} as last_day
    from {{ ref('int_run_policy') }}

),

windowed as (

    select
        conversions.*,
        run_days.window_days,
        conversions.converted_date
        < {{ dbt.dateadd('day', 'run_days.window_days', 'conversions.entered_date') }}
            as is_converted_in_view
    from conversions
    cross join run_days

),

entries as (

    {% for dimension in dimensions -%}
        select
            metric,
            '{{ dimension }}' as dimension,
            {{ dimension_column(dimension) }} as value,
            window_days,
            count(*) as entered,
            count(*) filter (where is_converted_in_view) as converted,
            count(*) filter (where converted_in_window = 1) as converted_in_window,
            entered_date
        from windowed
        group by metric, window_days, entered_date, {{ dimension_column(dimension) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

arrivals as (

    {% for dimension in dimensions -%}
        select
            metric,
            '{{ dimension }}' as dimension,
            {{ dimension_column(dimension) }} as value,
            count(*) as converted,
            converted_date
        from windowed
        where is_converted_in_view
        group by metric, converted_date, {{ dimension_column(dimension) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

-- What a day's entries change, and when: they come into view at once, leave it after
-- the window, are the mature sample from the day after that for one window, and the
-- earlier sample for another.
steps as (

    select
        steps.windows,
        steps.days,
        steps.entered_sign,
        steps.converted_sign,
        steps.mature_sign,
        steps.earlier_sign
    from (
        values
        (0, 0, 1, 0, 0, 0),
        (1, 0, -1, -1, 0, 0),
        (1, 1, 0, 0, 1, 0),
        (2, 1, 0, 0, -1, 1),
        (3, 1, 0, 0, 0, -1)
    ) as steps (
        windows, days, entered_sign, converted_sign, mature_sign, earlier_sign
    )

),

changes as (

    select
        entries.metric,
        entries.dimension,
        entries.value,
        entries.entered * steps.entered_sign as entered,
        entries.converted * steps.converted_sign as converted,
        entries.entered * steps.mature_sign as mature_entered,
        entries.converted_in_window * steps.mature_sign as mature_converted,
        entries.entered * steps.earlier_sign as earlier_entered,
        entries.converted_in_window * steps.earlier_sign as earlier_converted,
        cast({{ dbt.dateadd(
            'day',
            'steps.windows * entries.window_days + steps.days',
            'entries.entered_date'
        ) }} as date) as change_date
    from entries
    cross join steps
    union all
    select
        metric,
        dimension,
        value,
        0 as entered,
        converted,
        0 as mature_entered,
        0 as mature_converted,
        0 as earlier_entered,
        0 as earlier_converted,
        converted_date as change_date
    from arrivals

),

-- Two years of days at the most; what changed before is there on the first of them.
bounds as (

    select
        greatest(
            min(entries.entered_date),
            cast({{ dbt.dateadd('day', -730, 'max(run_days.last_day)') }} as date)
        ) as first_day,
        max(run_days.last_day) as last_day
    from entries
    cross join run_days

),

days as (

    {{ days_between(
        '(select first_day from bounds)', '(select last_day from bounds)'
    ) }}

),

series as (

    select distinct
        metric,
        dimension,
        value
    from entries

),

daily_changes as (

    select
        changes.metric,
        changes.dimension,
        changes.value,
        sum(changes.entered) as entered,
        sum(changes.converted) as converted,
        sum(changes.mature_entered) as mature_entered,
        sum(changes.mature_converted) as mature_converted,
        sum(changes.earlier_entered) as earlier_entered,
        sum(changes.earlier_converted) as earlier_converted,
        greatest(changes.change_date, bounds.first_day) as change_date
    from changes
    inner join bounds
        on changes.change_date <= bounds.last_day
    group by
        changes.metric,
        changes.dimension,
        changes.value,
        greatest(changes.change_date, bounds.first_day)

),

counts as (

    select
        series.metric,
        series.dimension,
        series.value,
        {% for count in [
            'entered', 'converted', 'mature_entered', 'mature_converted',
            'earlier_entered', 'earlier_converted'
        ] -%}
            cast(coalesce(sum(daily_changes.{{ count }}) over (
                partition by series.metric, series.dimension, series.value
                order by days.date_day
            ), 0) as {{ dbt.type_bigint() }}) as {{ count }},
        {% endfor -%}
        days.date_day
    from series
    cross join days
    left join daily_changes
        on
            series.metric = daily_changes.metric
            and series.dimension = daily_changes.dimension
            and series.value = daily_changes.value
            and days.date_day = daily_changes.change_date

),

final as (

    select * from counts
    where
        dimension = 'all'
        or entered + mature_entered + earlier_entered > 0

)

select * from final
