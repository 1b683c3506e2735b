with leads as (

    select * from {{ ref('stg_salesforce__leads') }}
    where converted_contact_id is not null

),

final as (

    select
        source_system,
        converted_contact_id as contact_id,
        lead_id,
        created_at as known_since,
        lead(created_at) over (
            partition by source_system, converted_contact_id
            order by created_at, lead_id
        ) as known_until,
        row_number() over (
            partition by source_system, converted_contact_id
            order by created_at, lead_id
        ) as lead_number
    from leads

)

select * from final
