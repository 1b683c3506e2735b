with source_rows as (

    select * from {{ source('salesforce', 'salesforce_campaigns') }}

),

final as (

    select
        source_system,
        {{ salesforce_id('id') }} as campaign_id,
        name as campaign_name,
        type as campaign_type
    from source_rows

)

select * from final
