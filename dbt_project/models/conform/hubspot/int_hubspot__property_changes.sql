-- Past values of properties, each with the contact that it is about.
with history as (

    select * from {{ ref('stg_hubspot__property_history') }}
    where object_type in ('contacts', 'leads')

),

lead_contacts as (

    select * from {{ ref('int_hubspot__lead_contacts') }}

),

merged_contacts as (

    select * from {{ ref('int_hubspot__merges') }}
    where object_type = 'contacts'

),

owners as (

    select
        source_system,
        user_id,
        min(owner_id) as owner_id
    from {{ ref('stg_hubspot__owners') }}
    where user_id is not null
    group by source_system, user_id

),

-- After a merge the contact that is left repeats the history of those it swallowed.
repeated as (

    select
        history.source_system,
        history.object_id,
        history.property,
        history.changed_at_text,
        history.value
    from history
    inner join merged_contacts
        on
            history.source_system = merged_contacts.source_system
            and history.object_id = merged_contacts.merged_id
    inner join history as kept
        on
            merged_contacts.source_system = kept.source_system
            and merged_contacts.survivor_id = kept.object_id
            and history.property = kept.property
            and history.changed_at_text = kept.changed_at_text
            and coalesce(history.value, '') = coalesce(kept.value, '')
    where history.object_type = 'contacts' and kept.object_type = 'contacts'

),

final as (

    select
        history.source_system,
        history.load_id,
        history.object_type,
        history.object_id,
        case
            when history.object_type = 'contacts' then history.object_id
            else lead_contacts.contact_id
        end as contact_id,
        history.property,
        history.value,
        history.changed_at_text,
        coalesce(
            owners.owner_id,
            'user ' || history.user_id,
            history.source_type
        ) as changed_by,
        history.changed_at
    from history
    left join lead_contacts
        on
            history.source_system = lead_contacts.source_system
            and history.object_type = 'leads'
            and history.object_id = lead_contacts.lead_record_id
    left join owners
        on
            history.source_system = owners.source_system
            and history.user_id = owners.user_id
    left join repeated
        on
            history.source_system = repeated.source_system
            and history.object_type = 'contacts'
            and history.object_id = repeated.object_id
            and history.property = repeated.property
            and history.changed_at_text = repeated.changed_at_text
            and coalesce(history.value, '') = coalesce(repeated.value, '')
    where repeated.object_id is null

)

select * from final
where contact_id is not null
