with engagements as (

    select
        source_system,
        load_id,
        object_type,
        id,
        created_at,
        {{ json_text('properties', "'hubspot_owner_id'") }} as owner_id,
        {{ json_text('properties', "'hs_timestamp'") }} as hs_timestamp,
        {{ json_text('properties', "'hs_meeting_start_time'") }} as start_time,
        lower({{ json_text('properties', "'hs_meeting_outcome'") }}) as outcome,
        upper({{ json_text('properties', "'hs_call_direction'") }}) as call_direction,
        upper({{ json_text('properties', "'hs_email_direction'") }}) as email_direction,
        upper({{ json_text('properties', "'hs_email_status'") }}) as email_status
    from {{ source('hubspot', 'hubspot_engagements') }}
    where archived = 'false'

),

contacts as (

    select
        source_system,
        from_type,
        from_id,
        to_id as contact_id
    from {{ source('hubspot', 'hubspot_associations') }}
    where to_type = 'contacts'

),

final as (

    select
        engagements.source_system,
        engagements.load_id,
        engagements.object_type as source_file,
        {{ dbt.safe_cast('engagements.id', 'bigint') }} as source_row,
        concat_ws(
            ':', engagements.object_type, engagements.id, contacts.contact_id
        ) as activity_id,
        contacts.contact_id as lead_id,
        engagements.owner_id as rep_id,
        case
            when engagements.object_type = 'calls' then 'call'
            -- What did not take place is no touch.
            when
                engagements.object_type = 'meetings'
                and engagements.outcome in ('canceled', 'no_show', 'rescheduled')
                then 'meeting_' || engagements.outcome
            when engagements.object_type = 'meetings' then 'meeting'
            when engagements.email_status in ('BOUNCED', 'FAILED')
                then 'email_' || lower(engagements.email_status)
            else 'email'
        end as kind,
        coalesce(
            case
                when engagements.object_type = 'meetings' then engagements.start_time
            end,
            engagements.hs_timestamp,
            engagements.created_at
        ) as occurred_at,
        case
            when engagements.call_direction = 'INBOUND' then 'inbound'
            when engagements.call_direction = 'OUTBOUND' then 'outbound'
            when engagements.email_direction = 'EMAIL' then 'outbound'
            when engagements.email_direction is not null then 'inbound'
        end as direction,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from engagements
    inner join contacts
        on
            engagements.source_system = contacts.source_system
            and engagements.object_type = contacts.from_type
            and engagements.id = contacts.from_id

)

select * from final
