with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

pairs as (

    select * from {{ ref('int_milestone_pairs') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

reached as (

    select
        pairs.metric,
        cycles.all_cycles,
        {%- for dimension in funnel_dimensions() %}
            cycles.{{ dimension }},
        {%- endfor %}
        {{ milestone_is_counted('pairs.counted_milestone') }} as is_counted,
        {{ milestone_reached_at('pairs.from_milestone') }} as entered_at,
        {{ milestone_reached_at('pairs.to_milestone') }} as converted_at,
        cycles.exited_at
    from cycles
    cross join pairs

),

timed as (

    select
        reached.*,
        {{ seconds_between('reached.entered_at', 'reached.converted_at') }}
            as seconds_to_convert,
        run_policy.timezone,
        run_policy.conversion_window_seconds
    from reached
    cross join run_policy
    where reached.entered_at is not null

),

final as (

    select
        metric,
        all_cycles,
        {%- for dimension in funnel_dimensions() %}
            {{ dimension }},
        {%- endfor %}
        seconds_to_convert / 86400 as days_to_convert,
        coalesce(is_counted, false) as is_counted,
        converted_at is not null as is_converted,
        coalesce(seconds_to_convert <= conversion_window_seconds, false)
            as is_converted_in_window,
        converted_at is null and exited_at is null as is_open,
        {{ local_date('entered_at', 'timezone') }} as entered_date,
        {{ local_date('converted_at', 'timezone') }} as converted_date
    from timed

)

select * from final
