with source_rows as (

    select * from {{ source('hubspot', 'hubspot_engagements') }}

),

final as (

    select
        source_system,
        load_id,
        object_type,
        id as activity_id,
        {{ json_text('properties', "'hubspot_owner_id'") }} as owner_id,
        lower({{ json_text('properties', "'hs_meeting_outcome'") }}) as meeting_outcome,
        upper({{ json_text('properties', "'hs_call_direction'") }}) as call_direction,
        upper({{ json_text('properties', "'hs_email_direction'") }}) as email_direction,
        upper({{ json_text('properties', "'hs_email_status'") }}) as email_status,
        archived as is_archived,
        {{ json_text('properties', "'hs_meeting_start_time'") }} as meeting_start_text,
        {{ json_text('properties', "'hs_timestamp'") }} as occurred_at_text,
        created_at as created_at_text
    from source_rows

)

select * from final
