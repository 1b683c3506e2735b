-- Fails if handoff_sla or rep_acceptance does not hold every handed-off cycle of the
-- facts once, or if the parts of a row do not add up to it.
with facts as (

    select
        count(*) filter (where handed_off_basis = 'explicit') as handed_off,
        count(*) filter (where handed_off_basis <> 'explicit') as handed_off_implied,
        count(*) filter (where handed_off_basis = 'explicit' and sla_status = 'met')
            as met,
        count(*) filter (
            where handed_off_basis = 'explicit' and acceptance_status = 'accepted'
        ) as accepted
    from {{ ref('fct_lead_cycles') }}

),

sla as (

    select
        coalesce(sum(handed_off), 0) as handed_off,
        coalesce(sum(handed_off_implied), 0) as handed_off_implied,
        coalesce(sum(met), 0) as met,
        coalesce(sum(met + breached + open + not_applicable + unknown), 0) as judged,
        coalesce(
            sum(handed_off_new + handed_off_requalified + handed_off_expansion), 0
        ) as passes
    from {{ ref('handoff_sla') }}

),

acceptance as (

    select
        coalesce(sum(handed_off), 0) as handed_off,
        coalesce(sum(handed_off_implied), 0) as handed_off_implied,
        coalesce(sum(accepted), 0) as accepted,
        coalesce(sum(accepted + rejected + pending), 0) as judged,
        coalesce(
            sum(
                accepted_explicit
                + accepted_implied
                + accepted_inferred
                + accepted_default
            ),
            0
        ) as kinds,
        coalesce(
            sum(handed_off_new + handed_off_requalified + handed_off_expansion), 0
        ) as passes
    from {{ ref('rep_acceptance') }}

)

select
    facts.handed_off,
    sla.handed_off as sla_handed_off,
    acceptance.handed_off as acceptance_handed_off
from facts
cross join sla
cross join acceptance
where
    facts.handed_off <> sla.handed_off
    or facts.handed_off_implied <> sla.handed_off_implied
    or facts.met <> sla.met
    or facts.handed_off <> sla.judged
    or facts.handed_off <> sla.passes
    or facts.handed_off <> acceptance.handed_off
    or facts.handed_off_implied <> acceptance.handed_off_implied
    or facts.accepted <> acceptance.accepted
    or facts.handed_off <> acceptance.judged
    or facts.accepted <> acceptance.kinds
    or facts.handed_off <> acceptance.passes
