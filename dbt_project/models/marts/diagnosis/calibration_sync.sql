with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

moments as (

    select
        cycles.lead_id,
        'passed' as section,
        cycles.lead_source as item,
        1 as section_order,
        cycles.handed_off_at as happened_at
    from cycles
    where cycles.handed_off_at is not null
    union all
    select
        cycles.lead_id,
        'rejected' as section,
        coalesce(cycles.reason_code, '(no reason)') as item,
        2 as section_order,
        cycles.exited_at as happened_at
    from cycles
    where cycles.outcome in ('rejected', 'disqualified')
    union all
    select
        cycles.lead_id,
        'late_rejection' as section,
        coalesce(cycles.reason_code, '(no reason)') as item,
        3 as section_order,
        cycles.exited_at as happened_at
    from cycles
    where cycles.is_late_rejection
    union all
    select
        cycles.lead_id,
        'converted' as section,
        cycles.lead_source as item,
        4 as section_order,
        cycles.sales_qualified_at as happened_at
    from cycles
    where cycles.sales_qualified_at is not null
    union all
    select
        cycles.lead_id,
        'untouched' as section,
        cycles.owner_id as item,
        5 as section_order,
        cycles.handed_off_at as happened_at
    from cycles
    where cycles.sla_status = 'breached' and cycles.first_touch_at is null

),

dated as (

    select
        moments.lead_id,
        moments.section,
        moments.item,
        moments.section_order,
        greatest(1, cast(floor(run_policy.sync_period_seconds / 604800) as integer))
            as sync_weeks,
        {{ period_start('week', local_date(
            'moments.happened_at', 'run_policy.timezone'
        )) }} as happened_week
    from moments
    cross join run_policy
    where
        moments.happened_at
        > {{ dbt.dateadd('day', -91, 'run_policy.as_of') }}

),

-- Meetings of several weeks are counted from the first Monday of 1970.
recent as (

    select
        lead_id,
        section,
        item,
        section_order,
        cast({{ dbt.dateadd(
            'day',
            "-7 * (" ~ dbt.datediff(
                "cast('1970-01-05' as date)", 'happened_week', 'week'
            ) ~ " % sync_weeks)",
            'happened_week'
        ) }} as date) as period_start
    from dated

),

numbered as (

    select
        *,
        row_number() over (
            partition by period_start, section, item order by lead_id
        ) as lead_number
    from recent

),

final as (

    select
        section,
        item,
        section_order,
        count(*) as leads,
        {{ dbt.listagg(
            "case when lead_number <= 50 then lead_id end", "', '",
            "order by lead_number"
        ) }} as lead_ids,
        period_start
    from numbered
    group by section, item, section_order, period_start

)

select * from final
