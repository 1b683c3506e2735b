{{ config(materialized='view') }}

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
        cycles.*,
        pairs.metric,
        {{ milestone_is_counted('pairs.counted_milestone') }} as is_entry_counted,
        {{ milestone_reached_at('pairs.from_milestone') }} as entered_at,
        {{ milestone_reached_at('pairs.to_milestone') }} as converted_at
    from cycles
    cross join pairs

),

timed as (

    select
        reached.*,
        {{ seconds_between('reached.entered_at', 'reached.converted_at') }}
            as seconds_to_convert,
        run_policy.timezone,
        run_policy.conversion_window_seconds,
        run_policy.as_of
    from reached
    cross join run_policy
    where reached.entered_at is not null

),

final as (

    select
        lead_cycle_id,
        lead_id,
        source_system,
        cycle_number,
        metric,
        all_cycles,
        {%- for dimension in funnel_dimensions() %}
            {{ dimension }},
        {%- endfor %}
        intent_tier,
        seconds_to_convert / 86400 as days_to_convert,
        coalesce(is_entry_counted, false) as is_counted,
        converted_at is not null as is_converted,
        coalesce(seconds_to_convert <= conversion_window_seconds, false)
            as is_converted_in_window,
        converted_at is null and exited_at is null as is_open,
        {{ add_seconds('entered_at', 'conversion_window_seconds') }} <= as_of
            as is_mature,
        {{ local_date('entered_at', 'timezone') }} as entered_date,
        {{ local_date('converted_at', 'timezone') }} as converted_date,
        entered_at,
        converted_at
    from timed

)

select * from final
