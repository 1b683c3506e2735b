with moments as (

    select * from {{ ref('int_sync_moments') }}

),

periods as (

    select * from {{ ref('int_sync_periods') }}

),

owners as (

    select * from {{ ref('int_owner_capacity') }}

),

reasons as (

    select * from {{ ref('dim_reasons') }}

),

sections as (

    select
        sections.section,
        sections.section_order
    from (
        values
        ('passed', 1),
        ('rejected', 2),
        ('overdue', 3),
        ('untouched', 4),
        ('converted', 5),
        ('late_rejection', 6),
        ('unmapped_stage', 7),
        ('unknown_reason', 8)
    ) as sections (section, section_order)

),

numbered as (

    select
        *,
        row_number() over (
            partition by period_start, section, item order by happened_at, lead_id
        ) as lead_number
    from moments

),

-- Fifty ids are what a person may go through in a meeting; fct_lead_cycles has all.
counted as (

    select
        section,
        item,
        count(*) as leads,
        {{ dbt.listagg(
            "case when lead_number <= 50 then lead_id end", "', '",
            "order by lead_number"
        ) }} as lead_ids,
        min(happened_at) as first_at,
        period_start
    from numbered
    group by section, item, period_start

),

compared as (

    select
        counted.*,
        periods.period_number,
        periods.observed_days,
        periods.period_days,
        periods.is_running,
        periods.period_end,
        periods.period_number - min(periods.period_number) over () as periods_before,
        coalesce(sum(counted.leads) over (
            partition by counted.section, counted.item
            order by periods.period_number
            rows between unbounded preceding and 1 preceding
        ), 0) as leads_before,
        coalesce(sum(counted.leads) over (
            partition by counted.section, counted.item
            order by periods.period_number
            range between 1 preceding and 1 preceding
        ), 0) as leads_in_period_before
    from counted
    inner join periods
        on counted.period_start = periods.period_start

),

-- As much of each earlier period as has passed of this one.
tested as (

    select
        *,
        {{ two_count_z(
            'leads', 'leads_before',
            '(periods_before * period_days / nullif(observed_days, 0))'
        ) }} as growth_z
    from compared

),

final as (

    select
        tested.section,
        tested.item,
        sections.section_order,
        tested.leads,
        tested.lead_ids,
        tested.period_start,
        case
            when tested.section in ('rejected', 'late_rejection')
                then coalesce(reasons.reason_label, 'No reason given')
            else coalesce(owners.owner_name, tested.item)
        end as item_label,
        case
            when tested.periods_before > 0
                then
                    cast(
                        tested.leads_in_period_before as {{ dbt.type_bigint() }}
                    )
        end as previous_leads,
        {{ rate('tested.leads_before', 'tested.periods_before') }} as usual_leads,
        -- Fewer than five are chance too often. What is overdue is so for longer than
        -- one period.
        case
            when tested.section <> 'overdue'
                then
                    coalesce(
                        tested.leads >= 5
                        and tested.growth_z > {{ normal_quantile_995() }},
                        false
                    )
        end as has_grown,
        tested.first_at,
        tested.is_running,
        tested.period_end
    from tested
    inner join sections
        on tested.section = sections.section
    left join reasons
        on
            tested.item = reasons.reason_code
            and tested.section in ('rejected', 'late_rejection')
    left join owners
        on
            tested.item = owners.owner_id
            and tested.section in ('overdue', 'untouched')

)

select * from final
