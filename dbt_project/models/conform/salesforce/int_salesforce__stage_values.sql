with stage_fields as (

    select
        source_system,
        field_key,
        min(field_rank) as field_rank
    from {{ ref('stg_salesforce__field_roles') }}
    where role = 'stage'
    group by source_system, field_key

),

configured as (

    select
        source_system,
        field_key,
        {{ normalised('value') }} as value_key,
        {{ normalised('stage') }} as stage,
        1 as precedence
    from {{ ref('stg_salesforce__field_roles') }}
    where role = 'stage_value'

),

defaults as (

    select
        stage_fields.source_system,
        stage_fields.field_key,
        {{ normalised('stage_maps.raw_stage') }} as value_key,
        {{ normalised('stage_maps.stage') }} as stage,
        2 as precedence
    from stage_fields
    inner join {{ ref('stage_maps') }} as stage_maps
        on stage_fields.field_key = lower(stage_maps.property)
    where stage_maps.crm = 'salesforce'

),

known as (

    select * from configured
    union all
    select * from defaults

),

ranked as (

    select
        *,
        min(precedence) over (
            partition by source_system, field_key, value_key
        ) as best_precedence
    from known

),

final as (

    select
        source_system,
        field_key,
        value_key,
        min(stage) as stage
    from ranked
    where precedence = best_precedence
    group by source_system, field_key, value_key

)

select * from final
