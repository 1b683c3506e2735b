with broken as (

    select * from {{ ref('int_rule_cases') }}
    where is_broken

),

rules as (

    select * from {{ ref('int_rules') }}

),

-- An unmapped raw stage is one finding, however often the lead was in it.
ranked as (

    select
        *,
        row_number() over (
            partition by
                rule,
                source_system,
                lead_id,
                cycle_number,
                visit_number,
                case when rule = 'unmapped_stage' then detail end
            order by occurred_at, detail
        ) as finding_rank
    from broken

),

final as (

    select
        {{ surrogate_key([
            'ranked.source_system',
            'ranked.lead_id',
            'ranked.rule',
            "coalesce(ranked.cycle_number, 0)",
            "coalesce(ranked.visit_number, 0)",
            "case when ranked.rule = 'unmapped_stage' then ranked.detail else '' end"
        ]) }} as violation_id,
        ranked.lead_id,
        ranked.source_system,
        ranked.cycle_number,
        ranked.visit_number,
        ranked.rule,
        rules.severity,
        {{ masked('ranked.detail') }} as detail,
        ranked.occurred_at,
        ranked.owner_id
    from ranked
    inner join rules
        on ranked.rule = rules.rule
    where ranked.finding_rank = 1

)

select * from final
