with {{ one_row_per_id(
    ref('int_contract__leads'),
    ['lead_id'],
    [
        'usable.load_id desc',
        'usable.updated_at desc nulls last',
        'usable.row_text desc'
    ]
) }},

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
