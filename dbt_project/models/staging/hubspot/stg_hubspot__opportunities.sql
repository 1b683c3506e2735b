with deals as (

    select
        source_system,
        load_id,
        id,
        created_at,
        {{ json_text('properties', "'dealstage'") }} as deal_stage,
        {{ json_text('properties', "'pipeline'") }} as pipeline,
        {{ json_text('properties', "'createdate'") }} as create_date,
        {{ json_text('properties', "'closedate'") }} as close_date,
        {{ json_text('properties', "'hubspot_owner_id'") }} as owner_id,
        {{ json_text('properties', "'hs_is_closed'") }} as is_closed_text,
        {{ json_text('properties', "'hs_is_closed_won'") }} as is_won_text,
        coalesce(
            {{ json_text('properties', "'amount_in_home_currency'") }},
            {{ json_text('properties', "'amount'") }}
        ) as amount,
        properties
    from {{ source('hubspot', 'hubspot_deals') }}
    where archived = 'false'

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

states as (

    select
        deals.source_system,
        deals.load_id,
        deals.id,
        coalesce(deals.create_date, deals.created_at) as created_at,
        deals.amount,
        deals.owner_id,
        {{ json_text('deals.properties', 'loss_reasons.property') }} as loss_reason,
        loss_reasons.property as loss_property,
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
        -- When it came into the stage it is in; the closing date is what people typed.
        coalesce(entered.entered_at, deals.close_date) as stage_entered_at
    from deals
    left join loss_reasons
        on deals.source_system = loss_reasons.source_system
    left join stages
        on
            deals.source_system = stages.source_system
            and deals.pipeline = stages.pipeline_id
            and deals.deal_stage = stages.stage_id
    left join entered
        on
            deals.source_system = entered.source_system
            and deals.id = entered.object_id
            and deals.deal_stage = entered.deal_stage

),

-- The primary contact comes first, else the one that was associated first.
contacts as (

    select
        source_system,
        from_id,
        to_id as contact_id,
        row_number() over (
            partition by source_system, from_id
            order by is_primary desc, position asc, length(to_id) asc, to_id asc
        ) as contact_rank
    from {{ source('hubspot', 'hubspot_associations') }}
    where from_type = 'deals' and to_type = 'contacts'

),

final as (

    select
        states.source_system,
        states.load_id,
        'deals' as source_file,
        {{ dbt.safe_cast('states.id', 'bigint') }} as source_row,
        case
            when contacts.contact_rank > 1
                then states.id || ':' || contacts.contact_id
            else states.id
        end as opportunity_id,
        contacts.contact_id as lead_id,
        states.created_at,
        -- An amount counts once, however many contacts the deal proves a stage for.
        case
            when coalesce(contacts.contact_rank, 1) = 1 then states.amount
        end as amount,
        case when states.is_closed and states.is_won then 'true' else 'false' end
            as is_won,
        case when states.is_closed then states.stage_entered_at end as closed_at,
        case
            when states.is_closed and not states.is_won
                then coalesce(labels.label, states.loss_reason)
        end as loss_reason,
        states.owner_id,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from states
    left join contacts
        on
            states.source_system = contacts.source_system
            and states.id = contacts.from_id
    left join labels
        on
            states.source_system = labels.source_system
            and states.loss_property = labels.property
            and states.loss_reason = labels.value

)

select * from final
