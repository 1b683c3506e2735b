{{ config(materialized='view') }}

-- Every reason that was given, as its label reads unless the policy knows its value.
with reason_properties as (

    select distinct
        source_system,
        object_type,
        property
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'reason'

),

labels as (

    select
        source_system,
        object_type,
        property,
        value,
        min(label) as label
    from {{ ref('stg_hubspot__property_options') }}
    group by source_system, object_type, property, value

),

known_reasons as (

    select {{ normalised('reason_code') }} as reason_key from {{ ref('reason_codes') }}
    union
    select {{ normalised('reason_raw') }} as reason_key
    from {{ ref('reason_aliases') }}

),

final as (

    select
        changes.source_system,
        changes.load_id,
        changes.object_type,
        changes.object_id,
        changes.contact_id,
        changes.property,
        case
            when known_reasons.reason_key is not null then changes.value
            else coalesce(labels.label, changes.value)
        end as reason,
        changes.changed_by,
        changes.changed_at_text,
        changes.changed_at
    from {{ ref('int_hubspot__property_changes') }} as changes
    inner join reason_properties
        on
            changes.source_system = reason_properties.source_system
            and changes.object_type = reason_properties.object_type
            and changes.property = reason_properties.property
    left join labels
        on
            changes.source_system = labels.source_system
            and changes.object_type = labels.object_type
            and changes.property = labels.property
            and changes.value = labels.value
    left join known_reasons
        on {{ normalised('changes.value') }} = known_reasons.reason_key
    where changes.value is not null

)

select * from final
