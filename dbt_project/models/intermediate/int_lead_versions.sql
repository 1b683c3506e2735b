-- Ordering whole rows is costly: only ids that stand more than once need it.
with repeated as (

    select
        source_system,
        lead_id
    from {{ ref('stg_contract__leads') }}
    where problem is null
    group by source_system, lead_id
    having count(*) > 1

),

ranked as (

    select
        usable.*,
        row_number() over (
            partition by usable.source_system, usable.lead_id
            order by
                usable.load_id desc,
                usable.updated_at desc nulls last,
                usable.row_text desc
        ) as version_rank
    from {{ ref('stg_contract__leads') }} as usable
    inner join repeated
        on
            usable.source_system = repeated.source_system
            and usable.lead_id = repeated.lead_id
    where usable.problem is null

),

chosen as (

    select
        usable.*,
        1 as version_rank
    from {{ ref('stg_contract__leads') }} as usable
    left join repeated
        on
            usable.source_system = repeated.source_system
            and usable.lead_id = repeated.lead_id
    where usable.problem is null and repeated.lead_id is null
    union all
    select * from ranked
    where version_rank = 1

),

final as (

    select
        source_system,
        lead_id,
        merged_into_lead_id,
        company,
        title,
        industry,
        country,
        lead_source,
        owner_id,
        current_stage,
        email_hash,
        email_domain,
        employee_count,
        crm_score,
        coalesce(is_deleted, false) as is_deleted,
        created_at,
        updated_at
    from chosen

)

select * from final
