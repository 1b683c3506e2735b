with {{ one_row_per_id(
    ref('int_contract__activities'),
    ['activity_id'],
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

kinds as (

    select
        {{ normalised('kind') }} as kind_key,
        is_touch
    from {{ ref('activity_kinds') }}

),

final as (

    select
        records.lead_key,
        chosen.source_system,
        chosen.activity_id,
        chosen.rep_id,
        chosen.kind,
        chosen.direction,
        coalesce(kinds.is_touch, false)
        and coalesce({{ normalised('chosen.direction') }}, '') <> 'inbound'
            as is_touch,
        chosen.occurred_at
    from chosen
    cross join run_policy
    left join records
        on
            chosen.source_system = records.source_system
            and chosen.lead_id = records.lead_id
    left join kinds
        on {{ normalised('chosen.kind') }} = kinds.kind_key
    where chosen.occurred_at <= run_policy.as_of

)

select * from final
