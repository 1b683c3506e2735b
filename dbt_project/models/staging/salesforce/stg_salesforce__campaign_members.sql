with source_rows as (

    select * from {{ source('salesforce', 'salesforce_campaign_members') }}

),

final as (

    select
        source_system,
        load_id,
        cast(source_row as bigint) as source_row,
        {{ salesforce_id('id') }} as member_id,
        {{ salesforce_id('campaign_id') }} as campaign_id,
        {{ salesforce_id('lead_id') }} as lead_id,
        {{ salesforce_id('contact_id') }} as contact_id,
        {{ salesforce_flag('has_responded') }} as has_responded,
        {{ salesforce_flag('is_deleted') }} as is_deleted,
        first_responded_date as responded_date_text,
        created_date as created_at_text
    from source_rows

)

select * from final
