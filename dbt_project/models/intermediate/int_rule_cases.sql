-- What each rule of the lifecycle is asked about, and where it is broken.
with final as (

    select * from {{ ref('int_visit_rule_cases') }}
    union all
    select * from {{ ref('int_cycle_rule_cases') }}
    union all
    select * from {{ ref('int_lead_rule_cases') }}

)

select * from final
