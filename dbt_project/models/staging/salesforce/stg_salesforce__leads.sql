with leads as (

    select * from {{ source('salesforce', 'salesforce_leads') }}

),

final as (

    select
        source_system,
        load_id,
        cast(source_row as bigint) as source_row,
        {{ salesforce_id('id') }} as lead_id,
        {{ salesforce_id('master_record_id') }} as merged_into_lead_id,
        {{ salesforce_id('converted_contact_id') }} as converted_contact_id,
        {{ salesforce_id('converted_opportunity_id') }} as converted_opportunity_id,
        case
            when owner_id like '005%' then {{ salesforce_id('owner_id') }}
        end as owner_id,
        email,
        company,
        title,
        industry,
        country,
        lead_source,
        status,
        custom_fields,
        number_of_employees,
        is_deleted,
        {{ salesforce_flag('is_converted') }} as is_converted,
        converted_date,
        created_date,
        coalesce(last_modified_date, system_modstamp) as updated_date,
        {{ parse_timestamp('created_date') }} as created_at
    from leads

)

select * from final
