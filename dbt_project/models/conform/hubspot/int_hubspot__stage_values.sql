-- What each value of a property that carries stages means: the source's own map comes
-- first, then the policy's, then the value's label, which may be a stage as it stands.
with properties as (

    select
        source_system,
        object_type,
        property,
        {{ hubspot_property_key('object_type', 'property') }} as property_key,
        min(property_rank) as property_rank
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'stage'
    group by all

),

seen as (

    select * from {{ ref('int_hubspot__property_values') }}

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

stage_labels as (

    select
        source_system,
        object_type,
        stage_id,
        min(stage_label) as label
    from {{ ref('stg_hubspot__pipeline_stages') }}
    group by source_system, object_type, stage_id

),

own_map as (

    select
        source_system,
        object_type,
        property,
        {{ normalised('value') }} as value_key,
        min({{ normalised('stage') }}) as stage
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'stage_value'
    group by all

),

policy_map as (

    select
        lower(property) as property_key,
        {{ normalised('raw_stage') }} as value_key,
        min({{ normalised('stage') }}) as stage
    from {{ ref('stage_maps') }}
    where crm = 'hubspot'
    group by all

),

labelled as (

    select
        seen.source_system,
        seen.object_type,
        seen.property,
        properties.property_key,
        seen.value,
        coalesce(labels.label, stage_labels.label, seen.value) as label,
        properties.property_rank
    from seen
    inner join properties
        on
            seen.source_system = properties.source_system
            and seen.object_type = properties.object_type
            and seen.property = properties.property
    left join labels
        on
            seen.source_system = labels.source_system
            and seen.object_type = labels.object_type
            and seen.property = labels.property
            and seen.value = labels.value
    left join stage_labels
        on
            seen.source_system = stage_labels.source_system
            and seen.object_type = stage_labels.object_type
            and seen.value = stage_labels.stage_id

),

final as (

    select
        labelled.source_system,
        labelled.object_type,
        labelled.property,
        labelled.value,
        coalesce(
            own_values.stage,
            own_labels.stage,
            policy_values.stage,
            labelled.label
        ) as stage,
        labelled.property_rank
    from labelled
    left join own_map as own_values
        on
            labelled.source_system = own_values.source_system
            and labelled.object_type = own_values.object_type
            and labelled.property = own_values.property
            and {{ normalised('labelled.value') }} = own_values.value_key
    left join own_map as own_labels
        on
            labelled.source_system = own_labels.source_system
            and labelled.object_type = own_labels.object_type
            and labelled.property = own_labels.property
            and {{ normalised('labelled.label') }} = own_labels.value_key
    left join policy_map as policy_values
        on
            labelled.property_key = policy_values.property_key
            and {{ normalised('labelled.value') }} = policy_values.value_key

)

select * from final
