with cases as (

    select * from {{ ref('int_qualification_cases') }}

),

requirements as (

    select * from {{ ref('qualification_rules') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- The whole definition: every requirement that is judged must be met.
judged as (

    select
        requirement,
        lead_source,
        is_met,
        handed_off_at
    from cases
    union all
    select
        'all' as requirement,
        min(lead_source) as lead_source,
        not {{ dbt.bool_or('not is_met') }} as is_met,
        min(handed_off_at) as handed_off_at
    from cases
    group by source_system, lead_id, cycle_number

),

dated as (

    select
        judged.requirement,
        judged.lead_source,
        judged.is_met,
        {{ period_start('month', local_date(
            'judged.handed_off_at', 'run_policy.timezone'
        )) }} as period_start
    from judged
    cross join run_policy

),

counts as (

    select
        requirement,
        lead_source,
        count(*) as handed_off,
        count(is_met) as judged,
        count(*) filter (where not is_met) as below,
        period_start
    from dated
    group by period_start, lead_source, requirement

),

final as (

    select
        counts.requirement,
        coalesce(requirements.label, 'The whole definition') as requirement_label,
        counts.lead_source,
        counts.handed_off,
        counts.judged,
        counts.below,
        {{ rate('counts.below', 'counts.judged') }} as below_share,
        counts.period_start
    from counts
    left join requirements
        on counts.requirement = requirements.requirement

)

select * from final
