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

-- What the account's home currency is: that of the deals that are worth the same in it.
home_currencies as (

    select
        source_system,
        currency,
        row_number() over (
            partition by source_system
            order by count(*) desc, currency asc
        ) as currency_rank
    from deals
    where
        currency is not null
        and {{ parse_number('home_amount') }} = {{ parse_number('amount') }}
        and {{ parse_number('amount') }} != 0
    group by source_system, currency

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
        -- HubSpot's own amount in the home currency, else what the deal says.
        coalesce(deals.home_amount, deals.amount) as amount,
        case
            when deals.home_amount is null then deals.currency
            else home_currencies.currency
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
    left join home_currencies
        on
            deals.source_system = home_currencies.source_system
            and home_currencies.currency_rank = 1
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
