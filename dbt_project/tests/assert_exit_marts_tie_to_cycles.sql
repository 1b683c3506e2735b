-- Fails if rejection_reasons, recycling or nurture_queue hold other exits than the
-- facts, if shares do not sum to 1, or if more came back than left.
with facts as (

    select
        count(*) filter (
            where outcome in ('rejected', 'disqualified', 'lost', 'screened_out')
        ) as lost_cycles,
        count(exited_at) as exited,
        count(*) filter (where exited_at is not null and is_recycled) as recycled,
        count(requalified_at) as requalified,
        count(*) filter (where exited_at is not null and requalified_at is null)
            as still_out
    from {{ ref('fct_lead_cycles') }}

),

reasons as (

    select coalesce(sum(exited), 0) as exited
    from {{ ref('rejection_reasons') }}

),

wrong_shares as (

    select count(*) as share_count
    from (
        select
            period_start,
            outcome
        from {{ ref('rejection_reasons') }}
        group by period_start, outcome
        having abs(sum(share) - 1) > 0.000001
    ) as outcomes

),

recycled as (

    select
        coalesce(sum(exited), 0) as exited,
        coalesce(sum(recycled), 0) as recycled,
        coalesce(sum(requalified), 0) as requalified,
        count(*) filter (
            where
            requalified > recycled
            or recycled > exited
            or second_pass_won > second_pass_opportunity
            or second_pass_opportunity > second_pass_sales_qualified
            or second_pass_sales_qualified > second_pass_accepted
            or second_pass_accepted > second_pass_handed_off
            or second_pass_handed_off > requalified
        ) as wrong_rows
    from {{ ref('recycling') }}

),

queue as (

    select
        count(*) as queued,
        count(*) filter (where days_overdue < 0) as not_due
    from {{ ref('nurture_queue') }}

)

select
    facts.lost_cycles,
    reasons.exited as reasons_exited,
    facts.exited,
    recycled.exited as recycling_exited
from facts
cross join reasons
cross join wrong_shares
cross join recycled
cross join queue
where
    facts.lost_cycles <> reasons.exited
    or wrong_shares.share_count > 0
    or facts.exited <> recycled.exited
    or facts.recycled <> recycled.recycled
    or facts.requalified <> recycled.requalified
    or recycled.wrong_rows > 0
    or queue.queued > facts.still_out
    or queue.not_due > 0
