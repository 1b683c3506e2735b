with handoffs as (

    select * from {{ ref('fct_lead_cycles') }}
    where handed_off_basis = 'explicit'

),

leads as (

    select * from {{ ref('int_leads') }}

),

interest as (

    select
        lead_key,
        cycle_number,
        count(*) as engagements,
        min(tier_rank) as tier_rank
    from {{ ref('int_cycle_engagements') }}
    where counts_for_score and interest_points > 0
    group by lead_key, cycle_number

),

sources as (

    select * from {{ ref('int_source_coverage') }}

),

attributes as (

    select * from {{ ref('int_attribute_coverage') }}

),

fit_sources as (

    select distinct attributes.source_system
    from attributes
    inner join {{ ref('fit_rules') }} as fit_rules
        on attributes.attribute = fit_rules.attribute

),

requirements as (

    select
        rules.requirement,
        rules.kind,
        rules.attribute,
        rules.min_value,
        tiers.tier_rank
    from {{ ref('qualification_rules') }} as rules
    left join {{ ref('sla_policies') }} as tiers
        on rules.intent_tier = tiers.intent_tier
    where rules.is_active

),

-- What a source never fills is no finding about its leads.
asked as (

    select
        sources.source_system,
        requirements.*,
        case
            when requirements.kind = 'attribute'
                then attributes.attribute is not null
            when requirements.attribute = 'fit_score'
                then fit_sources.source_system is not null
            when requirements.attribute = 'score'
                then
                    sources.has_engagements and fit_sources.source_system is not null
            else sources.has_engagements
        end as is_judged
    from sources
    cross join requirements
    left join fit_sources
        on sources.source_system = fit_sources.source_system
    left join attributes
        on
            sources.source_system = attributes.source_system
            and requirements.attribute = attributes.attribute

),

final as (

    select
        handoffs.source_system,
        handoffs.lead_id,
        handoffs.cycle_number,
        coalesce(handoffs.lead_source, '(none)') as lead_source,
        handoffs.owner_id,
        asked.requirement,
        case
            when not asked.is_judged then null
            when asked.kind = 'score'
                then
                    case asked.attribute
                        when 'fit_score' then handoffs.fit_score
                        when 'interest_score' then handoffs.interest_score
                        when 'score' then handoffs.score
                    end >= asked.min_value
            when asked.kind = 'engagements'
                then
                    coalesce(interest.engagements >= asked.min_value, false)
                    or coalesce(interest.tier_rank <= asked.tier_rank, false)
            when asked.min_value is null
                then {{ lead_attribute('leads', 'asked.attribute') }} is not null
            else
                coalesce(
                    case asked.attribute
                        when 'employee_count' then leads.employee_count
                        when 'crm_score' then leads.crm_score
                    end >= asked.min_value,
                    false
                )
        end as is_met,
        handoffs.handed_off_at
    from handoffs
    inner join leads
        on
            handoffs.source_system = leads.source_system
            and handoffs.lead_id = leads.lead_id
    inner join asked
        on handoffs.source_system = asked.source_system
    left join interest
        on
            leads.lead_key = interest.lead_key
            and handoffs.cycle_number = interest.cycle_number

)

select * from final
