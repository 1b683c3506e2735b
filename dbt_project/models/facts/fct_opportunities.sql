with opportunities as (

    select * from {{ ref('int_opportunities') }}

),

records as (

    select * from {{ ref('int_lead_records') }}
    where is_in_marts

),

final as (

    select
        records.lead_key,
        opportunities.source_system,
        opportunities.lead_id,
        records.survivor_source_system,
        records.survivor_lead_id,
        opportunities.opportunity_id,
        opportunities.loss_reason,
        opportunities.owner_id,
        opportunities.status,
        opportunities.is_primary_lead,
        opportunities.is_closing_date_missing,
        case when opportunities.is_primary_lead then opportunities.amount end as amount,
        opportunities.created_at,
        opportunities.closed_at
    from opportunities
    inner join records
        on
            opportunities.source_system = records.source_system
            and opportunities.lead_id = records.lead_id

)

select * from final
