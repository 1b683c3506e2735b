{{ config(materialized='view') }}

-- Contacts with the properties that the configuration names for the columns of a lead.
with contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

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
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'column'
    group by source_system

),

final as (

    select
        contacts.source_system,
        contacts.load_id,
        contacts.contact_id,
        contacts.is_archived,
        contacts.created_at_text,
        contacts.updated_at_text,
        contacts.email,
        contacts.owner_id,
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

)

select * from final
