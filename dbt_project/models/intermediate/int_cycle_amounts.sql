with opportunities as (

    select * from {{ ref('fct_opportunities') }}
    where is_primary_lead

),

cycles as (

    select
        lead_key,
        cycle_number,
        cycle_started_at,
        cycle_ended_at
    from {{ ref('int_cycle_outcomes') }}

),

final as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        sum(opportunities.amount) as opportunity_amount,
        {{ known_amount('opportunities.amount', "opportunities.status = 'won'") }}
            as won_amount
    from opportunities
    inner join cycles
        on
            opportunities.lead_key = cycles.lead_key
            and (
                cycles.cycle_number = 1
                or opportunities.created_at >= cycles.cycle_started_at
            )
            and (
                cycles.cycle_ended_at is null
                or opportunities.created_at < cycles.cycle_ended_at
            )
    group by cycles.lead_key, cycles.cycle_number

)

select * from final
