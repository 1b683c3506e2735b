-- Past values of the contact property that the configuration names as the CRM's score.
with score_properties as (

    select
        source_system,
        property
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'column' and value = 'crm_score'

),

changes as (

    select * from {{ ref('int_hubspot__property_changes') }}
    where object_type = 'contacts'

),

final as (

    select
        changes.source_system,
        changes.contact_id as lead_id,
        {{ dbt.safe_cast('changes.value', 'double') }} as crm_score,
        changes.changed_at
    from changes
    inner join score_properties
        on
            changes.source_system = score_properties.source_system
            and changes.property = score_properties.property

)

select * from final
