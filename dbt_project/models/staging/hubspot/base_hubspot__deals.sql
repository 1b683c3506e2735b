-- Deals as they stand: closed or not, won or not, and what they are worth.
with deals as (

    select
        source_system,
        load_id,
        id as deal_id,
        properties,
        {{ json_text('properties', "'dealstage'") }} as deal_stage,
        {{ json_text('properties', "'pipeline'") }} as pipeline,
        {{ json_text('properties', "'hubspot_owner_id'") }} as owner_id,
        {{ json_text('properties', "'hs_is_closed'") }} as is_closed_text,
        {{ json_text('properties', "'hs_is_closed_won'") }} as is_won_text,
        {{ json_text('properties', "'amount'") }} as amount,
        {{ json_text('properties', "'amount_in_home_currency'") }} as home_amount,
        {{ json_text('properties', "'deal_currency_code'") }} as currency,
        {{ json_text('properties', "'closedate'") }} as close_date,
        coalesce(
            {{ json_text('properties', "'createdate'") }}, created_at
        ) as created_at
    from {{ source('hubspot', 'hubspot_deals') }}
    where archived = 'false'

),

stages as (

    select
        source_system,
        pipeline_id,
        stage_id,
        {{ parse_boolean('min(is_closed)') }} as is_closed,
        {{ parse_number('min(probability)') }} as probability
    from {{ source('hubspot', 'hubspot_pipelines') }}
    where object_type = 'deals'
    group by source_system, pipeline_id, stage_id

),

entered as (

    select
        source_system,
        object_id,
        nullif(trim(value), '') as deal_stage,
        max(changed_at) as entered_at
    from {{ source('hubspot', 'hubspot_property_history') }}
    where object_type = 'deals' and property = 'dealstage'
    group by source_system, object_id, nullif(trim(value), '')

),

rates as (

    select
        {{ normalised('currency') }} as currency_key,
        rate,
        row_number() over (
            partition by {{ normalised('currency') }}
            order by valid_from
        ) as rate_number,
        valid_from,
        lead(valid_from) over (
            partition by {{ normalised('currency') }}
            order by valid_from
        ) as valid_until
    from {{ ref('currency_rates') }}

),

loss_reasons as (

    select
        source_system,
        min(property) as property
    from {{ source('hubspot', 'hubspot_fields') }}
    where role = 'loss_reason'
    group by source_system

),

labels as (

    select
        source_system,
        property,
        value,
        min(label) as label
    from {{ source('hubspot', 'hubspot_property_options') }}
    where object_type = 'deals'
    group by source_system, property, value

),

final as (

    select
        deals.source_system,
        deals.load_id,
        deals.deal_id,
        deals.owner_id,
        coalesce(
            labels.label,
            {{ json_text('deals.properties', 'loss_reasons.property') }}
        ) as loss_reason,
        -- HubSpot's own amount in the home currency, else at the rate of the first day.
        coalesce(
            deals.home_amount,
            cast(
                round({{ parse_number('deals.amount') }} * rates.rate, 2)
                as {{ dbt.type_string() }}
            ),
            deals.amount
        ) as amount,
        coalesce(
            {{ parse_boolean('deals.is_closed_text') }},
            stages.is_closed,
            stages.probability in (0, 1),
            deals.deal_stage in ('closedwon', 'closedlost')
        ) as is_closed,
        coalesce(
            {{ parse_boolean('deals.is_won_text') }},
            stages.probability = 1,
            deals.deal_stage = 'closedwon'
        ) as is_won,
        deals.created_at,
        -- When it came into the stage it is in; the closing date is what people typed.
        coalesce(entered.entered_at, deals.close_date) as stage_entered_at
    from deals
    left join stages
        on
            deals.source_system = stages.source_system
            and deals.pipeline = stages.pipeline_id
            and deals.deal_stage = stages.stage_id
    left join entered
        on
            deals.source_system = entered.source_system
            and deals.deal_id = entered.object_id
            and deals.deal_stage = entered.deal_stage
    left join rates
        on
            {{ normalised('deals.currency') }} = rates.currency_key
            and (
                {{ parse_timestamp('deals.created_at') }} >= rates.valid_from
                or rates.rate_number = 1
            )
            and (
                {{ parse_timestamp('deals.created_at') }} < rates.valid_until
                or rates.valid_until is null
            )
    left join loss_reasons
        on deals.source_system = loss_reasons.source_system
    left join labels
        on
            deals.source_system = labels.source_system
            and loss_reasons.property = labels.property
            and {{ json_text('deals.properties', 'loss_reasons.property') }}
            = labels.value

)

select * from final
