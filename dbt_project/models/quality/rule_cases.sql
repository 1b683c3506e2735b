with cases as (

    select * from {{ ref('int_rule_cases') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

final as (

    select
        cases.rule,
        cases.source_system,
        cases.lead_id,
        cases.cycle_number,
        cases.visit_number,
        cases.detail,
        cases.owner_id,
        cases.is_broken,
        cases.occurred_at,
        -- Before it is due, nobody can say that something is missing.
        {{ add_seconds('cases.occurred_at', "coalesce(
            case cases.rule
                when 'not_recycled' then run_policy.recycle_grace_seconds
                when 'sales_qualified_without_opportunity'
                    then run_policy.opportunity_grace_seconds
                when 'accepted_without_qualification'
                    then run_policy.qualification_grace_seconds
                when 'handoff_without_decision'
                    then run_policy.decision_grace_seconds
            end, 0
        )") }} as judged_at
    from cases
    cross join run_policy

)

select * from final
