-- Deals as they stand: closed or not, won or not, and what they are worth.
with deals as (

    select * from {{ ref('stg_hubspot__deals') }}

),

stages as (

    select
        source_system,
        pipeline_id,
        stage_id,
        min(is_closed) as is_closed,
        min(probability) as probability,
        row_number() over (
            partition by source_system, stage_id
            order by pipeline_id
        ) as pipeline_number
    from {{ ref('stg_hubspot__pipeline_stages') }}
    where object_type = 'deals'
    group by source_system, pipeline_id, stage_id

),

entered as (

    select
        source_system,
        object_id,
        value as stage_id,
        max(changed_at_text) as entered_at
    from {{ ref('stg_hubspot__property_history') }}
    where object_type = 'deals' and property = 'dealstage'
    group by source_system, object_id, value

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
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'loss_reason'
    group by source_system

),

labels as (

    select
        source_system,
        property,
        value,
        min(label) as label
    from {{ ref('stg_hubspot__property_options') }}
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
        case
            when deals.home_amount is null and rates.rate is null then deals.currency
        end as currency,
        -- The pipeline says it first: HubSpot takes the flags from there, and some
        -- tools land them wrong.
        coalesce(
            stages.is_closed or stages.probability in (0, 1),
            stages.is_closed,
            deals.is_closed,
            deals.stage_id in ('closedwon', 'closedlost')
        ) as is_closed,
        coalesce(
            stages.probability = 1,
            deals.is_won,
            deals.stage_id = 'closedwon'
        ) as is_won,
        deals.is_archived,
        deals.created_at_text as created_at,
        -- When it came into the stage it is in; the closing date is what people typed.
        coalesce(entered.entered_at, deals.close_date_text) as stage_entered_at
    from deals
    left join stages
        on
            deals.source_system = stages.source_system
            and deals.stage_id = stages.stage_id
            and (
                deals.pipeline_id = stages.pipeline_id
                or (deals.pipeline_id is null and stages.pipeline_number = 1)
            )
    left join entered
        on
            deals.source_system = entered.source_system
            and deals.deal_id = entered.object_id
            and deals.stage_id = entered.stage_id
    left join rates
        on
            {{ normalised('deals.currency') }} = rates.currency_key
            and (
                {{ parse_timestamp('deals.created_at_text') }} >= rates.valid_from
                or rates.rate_number = 1
            )
            and (
                {{ parse_timestamp('deals.created_at_text') }} < rates.valid_until
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
