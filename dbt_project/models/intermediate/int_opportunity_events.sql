{{ config(materialized='view') }}

-- What opportunities prove about the stages of their leads.
with opportunities as (

    select * from {{ ref('fct_opportunities') }}

),

evidence as (

    select
        evidence,
        stage,
        path_order
    from {{ ref('int_policy_stages') }}
    where is_active and evidence is not null

),

-- A lost deal proves nothing while another one lives on, or won in its time.
outlived as (

    select distinct
        lost.lead_key,
        lost.source_system,
        lost.opportunity_id
    from opportunities as lost
    inner join opportunities as other
        on
            lost.lead_key = other.lead_key
            and lost.opportunity_id <> other.opportunity_id
            and lost.closed_at >= other.created_at
            and (
                other.closed_at is null
                or other.status = 'open'
                or lost.closed_at < other.closed_at
                or (
                    other.status = 'won'
                    and lost.created_at <= other.closed_at
                    and lost.closed_at >= other.closed_at
                )
            )
    where lost.status = 'lost'

),

opportunity_moments as (

    select
        opportunities.lead_key,
        opportunities.source_system as record_source_system,
        opportunities.lead_id as record_lead_id,
        '~opp:' || opportunities.opportunity_id as change_id,
        'opportunity' as evidence,
        cast(null as {{ dbt.type_string() }}) as reason,
        opportunities.owner_id,
        opportunities.created_at as occurred_at
    from opportunities
    union all
    select
        opportunities.lead_key,
        opportunities.source_system as record_source_system,
        opportunities.lead_id as record_lead_id,
        '~' || opportunities.status || ':' || opportunities.opportunity_id as change_id,
        opportunities.status as evidence,
        case
            when opportunities.status = 'lost' then opportunities.loss_reason
        end as reason,
        opportunities.owner_id,
        opportunities.closed_at as occurred_at
    from opportunities
    left join outlived
        on
            opportunities.lead_key = outlived.lead_key
            and opportunities.source_system = outlived.source_system
            and opportunities.opportunity_id = outlived.opportunity_id
    where
        opportunities.status in ('won', 'lost')
        and outlived.opportunity_id is null

),

final as (

    select
        opportunity_moments.lead_key,
        opportunity_moments.record_source_system,
        opportunity_moments.record_lead_id,
        opportunity_moments.change_id,
        evidence.stage,
        opportunity_moments.reason,
        opportunity_moments.owner_id as changed_by,
        'opportunity' as history_quality,
        evidence.path_order,
        opportunity_moments.occurred_at
    from opportunity_moments
    inner join evidence
        on opportunity_moments.evidence = evidence.evidence

)

select * from final
