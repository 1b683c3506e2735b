with cases as (

    select * from {{ ref('int_rule_cases') }}

),

run_policy as (

    select opportunity_grace_seconds from {{ ref('int_run_policy') }}

),

final as (

    select
        cases.rule,
        cases.source_system,
        cases.lead_id,
        cases.cycle_number,
        cases.visit_number,
        cases.owner_id,
        cases.is_broken,
        cases.occurred_at,
        -- Before it is due, nobody can say that an opportunity is missing.
        case
            when cases.rule = 'sales_qualified_without_opportunity'
                then
                    {{ add_seconds(
                        'cases.occurred_at', 'run_policy.opportunity_grace_seconds'
                    ) }}
            else cases.occurred_at
        end as judged_at
    from cases
    cross join run_policy

)

select * from final
