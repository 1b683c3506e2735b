with cycles as (

    select
        lead_key,
        cycle_number,
        handed_off_at
    from {{ ref('int_cycle_outcomes') }}

),

leads as (

    select
        lead_key,
        source_system,
        lead_id
    from {{ ref('int_leads') }}

),

scores as (

    select * from {{ ref('int_cycle_scores') }}

),

crm_scores as (

    select * from {{ ref('int_crm_scores') }}

),

final as (

    select
        {{ surrogate_key([
            'leads.source_system', 'leads.lead_id', 'scores.cycle_number'
        ]) }} as lead_cycle_id,
        scores.qualification_score_band,
        scores.qualification_score,
        crm_scores.crm_score as crm_score_at_handoff,
        crm_scores.lead_key is not null as is_crm_score_known
    from scores
    inner join cycles
        on
            scores.lead_key = cycles.lead_key
            and scores.cycle_number = cycles.cycle_number
    inner join leads
        on scores.lead_key = leads.lead_key
    left join crm_scores
        on
            scores.lead_key = crm_scores.lead_key
            and cycles.handed_off_at >= crm_scores.scored_from
            and cycles.handed_off_at < crm_scores.scored_until

)

select * from final
