-- The stage that a contact's properties say it is in: the one that changed last, of one
-- decision the exit.
with properties as (

    select
        source_system,
        object_type,
        property
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'stage'

),

present as (

    select
        contacts.source_system,
        contacts.contact_id,
        properties.object_type,
        contacts.contact_id as object_id,
        properties.property,
        {{ json_text('contacts.properties', 'properties.property') }} as value
    from {{ ref('stg_hubspot__contacts') }} as contacts
    inner join properties
        on
            contacts.source_system = properties.source_system
            and properties.object_type = 'contacts'
    union all
    select
        leads.source_system,
        lead_contacts.contact_id,
        properties.object_type,
        leads.lead_record_id as object_id,
        properties.property,
        {{ json_text('leads.properties', 'properties.property') }} as value
    from {{ ref('stg_hubspot__lead_records') }} as leads
    inner join {{ ref('int_hubspot__lead_contacts') }} as lead_contacts
        on
            leads.source_system = lead_contacts.source_system
            and leads.lead_record_id = lead_contacts.lead_record_id
    inner join properties
        on
            leads.source_system = properties.source_system
            and properties.object_type = 'leads'

),

last_changes as (

    select
        source_system,
        object_type,
        object_id,
        property,
        value,
        max(changed_at) as changed_at
    from {{ ref('int_hubspot__stage_history') }}
    group by source_system, object_type, object_id, property, value

),

ranked as (

    select
        present.source_system,
        present.contact_id,
        stage_values.stage,
        row_number() over (
            partition by present.source_system, present.contact_id
            order by
                last_changes.changed_at desc nulls last,
                coalesce(meanings.exit_rank, 0) desc,
                stage_values.property_rank asc,
                length(present.object_id) desc,
                present.object_id desc
        ) as stage_rank
    from present
    inner join {{ ref('int_hubspot__stage_values') }} as stage_values
        on
            present.source_system = stage_values.source_system
            and present.object_type = stage_values.object_type
            and present.property = stage_values.property
            and present.value = stage_values.value
            and stage_values.stage != 'ignored'
    left join {{ ref('int_contract__stage_meanings') }} as meanings
        on {{ normalised('stage_values.stage') }} = meanings.stage_key
    left join last_changes
        on
            present.source_system = last_changes.source_system
            and present.object_type = last_changes.object_type
            and present.object_id = last_changes.object_id
            and present.property = last_changes.property
            and present.value = last_changes.value

),

final as (

    select
        source_system,
        contact_id,
        stage
    from ranked
    where stage_rank = 1

)

select * from final
