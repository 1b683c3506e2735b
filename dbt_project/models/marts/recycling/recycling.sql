with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

reasons as (

    select * from {{ ref('dim_reasons') }}

),

passes as (

    select
        *,
        {% for milestone in [
            'handed_off', 'accepted', 'sales_qualified', 'opportunity', 'won'
        ] -%}
            lead({{ milestone }}_at) over (
                partition by source_system, lead_id order by cycle_number
            ) as next_{{ milestone }}_at,
        {% endfor -%}
        lead(won_amount) over (
            partition by source_system, lead_id order by cycle_number
        ) as next_won_amount
    from cycles

),

exits as (

    select
        passes.*,
        case
            when passes.is_recycled
                then
                    {{ seconds_between(
                        'coalesce(passes.recycled_at, passes.exited_at)',
                        'coalesce(passes.requalified_at, run_policy.as_of)'
                    ) }} / 86400
        end as days_in_nurture,
        {{ seconds_between('passes.exited_at', 'passes.requalified_at') }} / 86400
            as days_to_requalify,
        {{ period_start(
            'month', local_date('passes.exited_at', 'run_policy.timezone')
        ) }} as period_start
    from passes
    cross join run_policy
    where passes.exited_at is not null

),

counted as (

    select
        reason_code,
        count(*) as exited,
        count(*) filter (where accepted_at is not null) as exited_accepted,
        count(*) filter (where sales_qualified_at is not null)
            as exited_sales_qualified,
        count(*) filter (where opportunity_at is not null) as exited_opportunity,
        count(*) filter (where is_recycled) as recycled,
        count(*) filter (where requalified_at is not null) as requalified,
        {% for milestone in [
            'handed_off', 'accepted', 'sales_qualified', 'opportunity', 'won'
        ] -%}
            count(*) filter (
                where requalified_at is not null and next_{{ milestone }}_at is not null
            ) as second_pass_{{ milestone }},
        {% endfor -%}
        {{ quantile('days_in_nurture', 0.5) }} as median_days_in_nurture,
        {{ quantile('days_to_requalify', 0.5) }} as median_days_to_requalify,
        cast(
            {{ known_amount('next_won_amount', 'requalified_at is not null') }}
            as decimal(18, 2)
        ) as revenue_recovered,
        period_start
    from exits
    group by period_start, reason_code

),

final as (

    select
        coalesce(counted.reason_code, '(none)') as reason_code,
        coalesce(reasons.reason_label, 'No reason given') as reason_label,
        coalesce(reasons.leak, 'unknown') as leak,
        counted.exited,
        counted.exited_accepted,
        counted.exited_sales_qualified,
        counted.exited_opportunity,
        counted.recycled,
        counted.requalified,
        {{ rate('counted.recycled', 'counted.exited') }} as recycled_rate,
        {{ rate('counted.requalified', 'counted.exited') }} as requalified_rate,
        {% for milestone in [
            'handed_off', 'accepted', 'sales_qualified', 'opportunity', 'won'
        ] -%}
            counted.second_pass_{{ milestone }},
            {{ rate('counted.second_pass_' ~ milestone, 'counted.requalified') }}
                as second_pass_{{ milestone }}_rate,
        {% endfor -%}
        counted.median_days_in_nurture,
        counted.median_days_to_requalify,
        counted.revenue_recovered,
        counted.period_start
    from counted
    left join reasons
        on counted.reason_code = reasons.reason_code

)

select * from final
