{%- set milestones = [
    (2, 'marketing_qualified'), (3, 'handed_off'), (5, 'sales_qualified'),
    (6, 'opportunity'), (7, 'won')
] -%}
with visits as (

    select * from {{ ref('int_stage_visits') }}

),

leads as (

    select * from {{ ref('int_leads') }}

),

cycles as (

    select
        lead_key,
        cycle_number,
        coalesce(max(cycle_start_kind), 'new') as start_kind,
        min(entered_at) as first_entered_at,
        {% for rank, milestone in milestones -%}
            min(entered_at) filter (
                where milestone_rank >= {{ rank }}
            ) as {{ milestone }}_at,
            {{ first_by(
                "case when milestone_rank > " ~ rank ~ " then 'implied'"
                ~ " when history_quality = 'inferred' then 'inferred'"
                ~ " else 'explicit' end",
                'visit_number', 'milestone_rank >= ' ~ rank
            ) }} as {{ milestone }}_basis,
        {% endfor -%}
        min(entered_at) filter (where milestone_rank = 4) as accepted_visit_at,
        {{ first_by('history_quality', 'visit_number', 'milestone_rank = 4') }}
            as accepted_visit_quality,
        min(entered_at) filter (where exit_kind is not null) as exited_at,
        {{ first_by('stage', 'visit_number', 'exit_kind is not null') }} as exit_stage,
        {{ first_by('exit_kind', 'visit_number', 'exit_kind is not null') }}
            as exit_kind,
        {{ first_by(
            'reason_code', 'visit_number',
            'exit_kind is not null and reason_code is not null'
        ) }} as reason_code,
        min(entered_at) filter (where exit_kind = 'recycled') as recycled_visit_at,
        min(entered_at) filter (where is_captured_after_exit) as captured_again_at
    from visits
    group by lead_key, cycle_number

),

started as (

    select
        cycles.*,
        case
            when cycles.cycle_number = 1
                then least(leads.created_at, cycles.first_entered_at)
            else cycles.first_entered_at
        end as cycle_started_at
    from cycles
    inner join leads
        on cycles.lead_key = leads.lead_key

),

final as (

    select
        *,
        lead(cycle_started_at) over (
            partition by lead_key order by cycle_number
        ) as cycle_ended_at
    from started

)

select * from final
