with source_rows as (

    select * from {{ source('salesforce', 'salesforce_opportunity_contact_roles') }}

),

final as (

    select
        source_system,
        {{ salesforce_id('opportunity_id') }} as opportunity_id,
        {{ salesforce_id('contact_id') }} as contact_id,
        {{ salesforce_flag('is_primary') }} as is_primary,
        {{ salesforce_flag('is_deleted') }} as is_deleted,
        created_date as created_at_text
    from source_rows

)

select * from final
