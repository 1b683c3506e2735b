{{ config(materialized='view') }}

-- Every value that a property that carries stages has or had.
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

current_values as (

    select
        properties.source_system,
        properties.object_type,
        properties.property,
        {{ json_text('contacts.properties', 'properties.property') }} as value
    from {{ ref('stg_hubspot__contacts') }} as contacts
    inner join properties
        on
            contacts.source_system = properties.source_system
            and properties.object_type = 'contacts'
    union
    select
        properties.source_system,
        properties.object_type,
        properties.property,
        {{ json_text('leads.properties', 'properties.property') }} as value
    from {{ ref('stg_hubspot__lead_records') }} as leads
    inner join properties
        on
            leads.source_system = properties.source_system
            and properties.object_type = 'leads'

),

final as (

    select * from current_values
    where value is not null
    union
    select
        history.source_system,
        history.object_type,
        history.property,
        history.value
    from {{ ref('stg_hubspot__property_history') }} as history
    inner join properties
        on
            history.source_system = properties.source_system
            and history.object_type = properties.object_type
            and history.property = properties.property
    where history.value is not null

)

select * from final
