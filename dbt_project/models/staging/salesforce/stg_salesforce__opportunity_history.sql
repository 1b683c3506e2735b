with source_rows as (

    select * from {{ source('salesforce', 'salesforce_opportunity_history') }}

),

final as (

    select
        source_system,
        {{ salesforce_id('opportunity_id') }} as opportunity_id,
        stage_name,
        created_date as changed_at_text,
        {{ parse_timestamp('created_date') }} as changed_at
    from source_rows

)

select * from final
