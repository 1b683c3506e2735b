with {{ one_row_per_id(
    ref('int_contract__opportunities'),
    ['opportunity_id'],
    [
        'usable.load_id desc',
        'usable.row_text desc'
    ]
) }},

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
        records.survivor_source_system,
        records.survivor_lead_id,
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
