with {{ one_row_per_id(
    ref('int_contract__leads'),
    ['lead_id'],
    [
        'usable.load_id desc',
        'usable.updated_at desc nulls last',
        'usable.row_text desc'
    ]
) }},

listed as (

    select * from {{ ref('int_contract__merges') }}
    where table_name = 'leads'

),

-- A merged record without a row of its own is known by the one that lists it.
final as (

    select
        coalesce(chosen.source_system, listed.source_system) as source_system,
        coalesce(chosen.lead_id, listed.merged_id) as lead_id,
        coalesce(chosen.merged_into_lead_id, listed.survivor_id) as merged_into_lead_id,
        chosen.company,
        chosen.title,
        chosen.industry,
        chosen.country,
        chosen.lead_source,
        chosen.owner_id,
        chosen.current_stage,
        chosen.email_hash,
        chosen.email_domain,
        chosen.employee_count,
        chosen.crm_score,
        coalesce(chosen.is_deleted, false) as is_deleted,
        coalesce(chosen.created_at, listed.created_at) as created_at,
        chosen.updated_at
    from chosen
    full outer join listed
        on
            chosen.source_system = listed.source_system
            and chosen.lead_id = listed.merged_id

)

select * from final
