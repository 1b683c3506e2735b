with broken as (

    select * from {{ ref('int_rule_cases') }}
    where is_broken

),

rules as (

    select * from {{ ref('int_rules') }}

),

-- Two rules about a lead have a finding for each raw stage and each opportunity.
placed as (

    select
        *,
        case
            when rule in ('unmapped_stage', 'won_without_closing_date')
                then detail
            else ''
        end as place
    from broken

),

-- An unmapped raw stage is one finding, however often the lead was in it.
ranked as (

    select
        *,
        row_number() over (
            partition by
                rule, source_system, lead_id, cycle_number, visit_number, place
            order by occurred_at, detail
        ) as finding_rank
    from placed

),

final as (

    select
        {{ surrogate_key([
            'ranked.source_system',
            'ranked.lead_id',
            'ranked.rule',
            "coalesce(ranked.cycle_number, 0)",
            "coalesce(ranked.visit_number, 0)",
            'ranked.place'
        ]) }} as violation_id,
        ranked.lead_id,
        ranked.source_system,
        ranked.cycle_number,
        ranked.visit_number,
        ranked.rule,
        rules.severity,
        -- An opportunity's id is not text that people typed, and may look like a phone number.
        case
            when ranked.rule = 'won_without_closing_date' then ranked.detail
            else {{ masked('ranked.detail') }}
        end as detail,
        ranked.occurred_at,
        ranked.owner_id
    from ranked
    inner join rules
        on ranked.rule = rules.rule
    where ranked.finding_rank = 1

)

select * from final
