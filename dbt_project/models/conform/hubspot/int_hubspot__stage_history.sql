-- The changes of all properties that carry stages, as one history per contact.
with changes as (

    select * from {{ ref('int_hubspot__property_changes') }}

),

properties as (

    select
        source_system,
        object_type,
        property,
        min(property_rank) as property_rank
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'stage'
    group by source_system, object_type, property

),

stage_values as (

    select * from {{ ref('int_hubspot__stage_values') }}

),

named as (

    select
        changes.source_system,
        changes.load_id,
        changes.object_type,
        changes.object_id,
        changes.contact_id,
        changes.property,
        changes.value,
        concat_ws(
            ':',
            changes.object_type,
            changes.object_id,
            changes.property,
            changes.changed_at_text,
            coalesce(changes.value, '')
        ) as change_id,
        changes.changed_at_text,
        changes.changed_by,
        stage_values.stage,
        properties.property_rank,
        changes.changed_at
    from changes
    inner join properties
        on
            changes.source_system = properties.source_system
            and changes.object_type = properties.object_type
            and changes.property = properties.property
    left join stage_values
        on
            changes.source_system = stage_values.source_system
            and changes.object_type = stage_values.object_type
            and changes.property = stage_values.property
            and changes.value = stage_values.value
            and stage_values.stage != 'ignored'
    where changes.value is null or stage_values.stage is not null

),

{{ decisions('named', 'contact_id') }},

final as (

    select
        source_system,
        load_id,
        object_type,
        object_id,
        contact_id,
        property,
        value,
        change_id,
        stage,
        changed_by,
        changed_at_text,
        changed_at
    from held

)

select * from final
