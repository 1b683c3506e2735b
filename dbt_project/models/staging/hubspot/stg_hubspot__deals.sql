with source_rows as (

    select * from {{ source('hubspot', 'hubspot_deals') }}

),

final as (

    select
        source_system,
        load_id,
        id as deal_id,
        {{ json_text('properties', "'pipeline'") }} as pipeline_id,
        {{ json_text('properties', "'dealstage'") }} as stage_id,
        {{ json_text('properties', "'hubspot_owner_id'") }} as owner_id,
        {{ json_text('properties', "'amount'") }} as amount,
        {{ json_text('properties', "'amount_in_home_currency'") }} as home_amount,
        {{ json_text('properties', "'deal_currency_code'") }} as currency,
        archived as is_archived,
        {{ json_text('properties', "'hs_merged_object_ids'") }} as merged_ids,
        {{ parse_boolean(json_text('properties', "'hs_is_closed'")) }} as is_closed,
        {{ parse_boolean(json_text('properties', "'hs_is_closed_won'")) }} as is_won,
        properties,
        coalesce(
            {{ json_text('properties', "'createdate'") }}, created_at
        ) as created_at_text,
        {{ date_or_time(json_text('properties', "'closedate'")) }} as close_date_text
    from source_rows

)

select * from final
