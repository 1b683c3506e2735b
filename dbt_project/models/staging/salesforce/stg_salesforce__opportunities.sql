with source_rows as (

    select * from {{ source('salesforce', 'salesforce_opportunities') }}

),

final as (

    select
        source_system,
        load_id,
        cast(source_row as bigint) as source_row,
        {{ salesforce_id('id') }} as opportunity_id,
        case
            when owner_id like '005%' then {{ salesforce_id('owner_id') }}
        end as owner_id,
        stage_name,
        amount,
        currency_iso_code as currency,
        -- A deal that was won is closed.
        {{ salesforce_flag('coalesce(is_closed, is_won)') }} as is_closed,
        {{ salesforce_flag('is_won') }} as is_won,
        is_deleted,
        custom_fields,
        close_date as close_date_text,
        last_stage_change_date as stage_changed_at_text,
        created_date as created_at_text,
        {{ parse_timestamp('created_date') }} as created_at
    from source_rows

)

select * from final
