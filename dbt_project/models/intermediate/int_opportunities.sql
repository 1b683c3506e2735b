-- Ordering whole rows is costly: only ids that stand more than once need it.
with repeated as (

    select
        source_system,
        opportunity_id
    from {{ ref('stg_contract__opportunities') }}
    where problem is null
    group by source_system, opportunity_id
    having count(*) > 1

),

ranked as (

    select
        usable.*,
        row_number() over (
            partition by usable.source_system, usable.opportunity_id
            order by usable.load_id desc, usable.row_text desc
        ) as version_rank
    from {{ ref('stg_contract__opportunities') }} as usable
    inner join repeated
        on
            usable.source_system = repeated.source_system
            and usable.opportunity_id = repeated.opportunity_id
    where usable.problem is null

),

chosen as (

    select
        usable.*,
        1 as version_rank
    from {{ ref('stg_contract__opportunities') }} as usable
    left join repeated
        on
            usable.source_system = repeated.source_system
            and usable.opportunity_id = repeated.opportunity_id
    where usable.problem is null and repeated.opportunity_id is null
    union all
    select * from ranked
    where version_rank = 1

),

records as (

    select * from {{ ref('int_lead_records') }}
    where is_in_marts

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

final as (

    select
        records.lead_key,
        chosen.source_system,
        chosen.lead_id,
        chosen.opportunity_id,
        chosen.loss_reason,
        chosen.owner_id,
        case
            when chosen.closed_at is null or chosen.closed_at > run_policy.as_of
                then 'open'
            when chosen.is_won then 'won'
            else 'lost'
        end as status,
        chosen.amount,
        chosen.created_at,
        case
            when chosen.closed_at <= run_policy.as_of then chosen.closed_at
        end as closed_at
    from chosen
    cross join run_policy
    inner join records
        on
            chosen.source_system = records.source_system
            and chosen.lead_id = records.lead_id
    where chosen.created_at <= run_policy.as_of

)

select * from final
