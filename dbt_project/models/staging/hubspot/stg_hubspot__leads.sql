with contacts as (

    select * from {{ source('hubspot', 'hubspot_contacts') }}

),

merged_contacts as (

    select * from {{ ref('base_hubspot__merges') }}

),

current_stages as (

    select * from {{ ref('base_hubspot__current_stages') }}

),

-- The contact property behind each column of the contract, one row per source.
lead_columns as (

    select
        source_system,
        max(case when value = 'company' then property end) as company,
        max(case when value = 'title' then property end) as title,
        max(case when value = 'employee_count' then property end) as employee_count,
        max(case when value = 'industry' then property end) as industry,
        max(case when value = 'country' then property end) as country,
        max(case when value = 'lead_source' then property end) as lead_source,
        max(case when value = 'crm_score' then property end) as crm_score
    from {{ source('hubspot', 'hubspot_fields') }}
    where role = 'column'
    group by source_system

),

labels as (

    select
        source_system,
        property,
        value,
        min(label) as label
    from {{ source('hubspot', 'hubspot_property_options') }}
    where object_type = 'contacts'
    group by source_system, property, value

),

attributes as (

    select
        contacts.source_system,
        contacts.load_id,
        contacts.id,
        contacts.archived,
        contacts.created_at,
        contacts.updated_at,
        {{ json_text('contacts.properties', "'createdate'") }} as create_date,
        {{ json_text('contacts.properties', "'lastmodifieddate'") }} as modified_date,
        {{ json_text('contacts.properties', "'email'") }} as email,
        {{ json_text('contacts.properties', "'hubspot_owner_id'") }} as owner_id,
        {{ hubspot_column('company') }} as company,
        {{ hubspot_column('title') }} as title,
        {{ hubspot_column('employee_count') }} as employee_count,
        {{ hubspot_column('industry') }} as industry,
        {{ hubspot_column('country') }} as country,
        {{ hubspot_column('lead_source') }} as lead_source,
        {{ hubspot_column('crm_score') }} as crm_score,
        lead_columns.lead_source as source_property
    from contacts
    inner join lead_columns
        on contacts.source_system = lead_columns.source_system

),

known as (

    select
        attributes.source_system,
        attributes.load_id,
        attributes.id,
        coalesce(attributes.create_date, attributes.created_at) as created_at,
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
        attributes.archived as is_deleted,
        merged_contacts.survivor_id as merged_into_lead_id,
        coalesce(attributes.modified_date, attributes.updated_at) as updated_at
    from attributes
    left join merged_contacts
        on
            attributes.source_system = merged_contacts.source_system
            and attributes.id = merged_contacts.merged_id
    left join current_stages
        on
            attributes.source_system = current_stages.source_system
            and attributes.id = current_stages.contact_id
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
            and merged_contacts.merged_id = contacts.id
    where contacts.id is null

),

all_contacts as (

    select * from known
    union all
    select
        source_system,
        load_id,
        merged_id as id,
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
        {{ dbt.safe_cast('id', 'bigint') }} as source_row,
        id as lead_id,
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
