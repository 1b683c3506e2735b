with leads as (

    select * from {{ ref('int_leads') }}

),

final as (

    select
        {{ surrogate_key(['source_system', 'lead_id']) }} as lead_sk,
        lead_id,
        source_system,
        owner_id,
        {{ masked('company') }} as company,
        {{ masked('title') }} as title,
        industry,
        country,
        lead_source,
        segment,
        known_current_stage as current_stage,
        email_hash,
        email_domain,
        employee_count,
        crm_score,
        record_count,
        created_at,
        updated_at
    from leads

)

select * from final
