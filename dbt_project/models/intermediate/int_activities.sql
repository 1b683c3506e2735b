-- Ordering whole rows is costly: only ids that stand more than once need it.
with repeated as (

    select
        source_system,
        activity_id
    from {{ ref('stg_contract__activities') }}
    where problem is null
    group by source_system, activity_id
    having count(*) > 1

),

ranked as (

    select
        usable.*,
        row_number() over (
            partition by usable.source_system, usable.activity_id
            order by usable.load_id desc, usable.row_text desc
        ) as version_rank
    from {{ ref('stg_contract__activities') }} as usable
    inner join repeated
        on
            usable.source_system = repeated.source_system
            and usable.activity_id = repeated.activity_id
    where usable.problem is null

),

chosen as (

    select
        usable.*,
        1 as version_rank
    from {{ ref('stg_contract__activities') }} as usable
    left join repeated
        on
            usable.source_system = repeated.source_system
            and usable.activity_id = repeated.activity_id
    where usable.problem is null and repeated.activity_id is null
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
