with contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

merged_contacts as (

    select * from {{ ref('int_hubspot__merges') }}
    where object_type = 'contacts'

),

current_stages as (

    select * from {{ ref('int_hubspot__current_stages') }}

),

labels as (

    select
        source_system,
        property,
        value,
        min(label) as label
    from {{ ref('stg_hubspot__property_options') }}
    where object_type = 'contacts'
    group by source_system, property, value

),

attributes as (

    select * from {{ ref('int_hubspot__contact_attributes') }}

),

known as (

    select
        attributes.source_system,
        attributes.load_id,
        attributes.contact_id,
        attributes.created_at_text as created_at,
        attributes.email,
        attributes.company,
        attributes.title,
        -- A range (25-50, 1,000+) counts from its lower end.
        coalesce(
            replace(
                nullif(
                    regexp_extract(
                        attributes.employee_count,
                        '^\s*([0-9][0-9,]*)\s*(\+|(-|to)\s*[0-9,]+)\s*$', 1
                    ),
                    ''
                ),
                ',', ''
            ),
            attributes.employee_count
        ) as employee_count,
        attributes.industry,
        attributes.country,
        coalesce(
            labels.label, {{ hubspot_words('attributes.lead_source') }}
        ) as lead_source,
        attributes.owner_id,
        current_stages.stage as current_stage,
        attributes.crm_score,
        attributes.is_archived as is_deleted,
        merged_contacts.survivor_id as merged_into_lead_id,
        attributes.updated_at_text as updated_at
    from attributes
    left join merged_contacts
        on
            attributes.source_system = merged_contacts.source_system
            and attributes.contact_id = merged_contacts.merged_id
    left join current_stages
        on
            attributes.source_system = current_stages.source_system
            and attributes.contact_id = current_stages.contact_id
    left join labels
        on
            attributes.source_system = labels.source_system
            and attributes.source_property = labels.property
            and attributes.lead_source = labels.value

),

-- Merged before they were ever read: of these only the ids are known.
swallowed as (

    select merged_contacts.*
    from merged_contacts
    left join contacts
        on
            merged_contacts.source_system = contacts.source_system
            and merged_contacts.merged_id = contacts.contact_id
    where contacts.contact_id is null

),

all_contacts as (

    select * from known
    union all
    select
        source_system,
        load_id,
        merged_id as contact_id,
        survivor_created_at as created_at,
        null as email,
        null as company,
        null as title,
        null as employee_count,
        null as industry,
        null as country,
        null as lead_source,
        null as owner_id,
        null as current_stage,
        null as crm_score,
        null as is_deleted,
        survivor_id as merged_into_lead_id,
        null as updated_at
    from swallowed

),

final as (

    select
        source_system,
        load_id,
        'contacts' as source_file,
        {{ dbt.safe_cast('contact_id', 'bigint') }} as source_row,
        contact_id as lead_id,
        created_at,
        email,
        company,
        title,
        employee_count,
        industry,
        country,
        lead_source,
        owner_id,
        current_stage,
        crm_score,
        is_deleted,
        merged_into_lead_id,
        updated_at,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from all_contacts

)

select * from final
