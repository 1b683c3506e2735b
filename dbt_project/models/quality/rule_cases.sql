with final as (

    select
        rule,
        source_system,
        lead_id,
        cycle_number,
        visit_number,
        owner_id,
        is_broken,
        occurred_at
    from {{ ref('int_rule_cases') }}

)

select * from final
