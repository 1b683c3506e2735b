with seen as (

    select
        source_system,
        {{ normalised('to_stage') }} as raw_key
    from {{ ref('int_contract__stage_changes') }}
    union
    select
        source_system,
        {{ normalised('from_stage') }} as raw_key
    from {{ ref('int_contract__stage_changes') }}
    union
    select
        source_system,
        {{ normalised('current_stage') }} as raw_key
    from {{ ref('int_lead_versions') }}

),

stage_map as (

    select
        source_system,
        {{ normalised('raw_stage') }} as raw_key,
        min({{ normalised('stage') }}) as stage
    from {{ ref('stg_handoff__stage_map') }}
    group by source_system, {{ normalised('raw_stage') }}

),

aliases as (

    select
        {{ normalised('raw_stage') }} as raw_key,
        min({{ normalised('stage') }}) as stage
    from {{ ref('stage_aliases') }}
    group by {{ normalised('raw_stage') }}

),

active_stages as (

    select * from {{ ref('int_policy_stages') }}
    where is_active

),

labels as (

    select
        {{ normalised('label') }} as raw_key,
        min(stage) as stage
    from active_stages
    group by {{ normalised('label') }}

),

mapped as (

    select
        seen.source_system,
        seen.raw_key,
        coalesce(
            stage_map.stage, aliases.stage, named.stage, labels.stage
        ) as stage
    from seen
    left join stage_map
        on
            seen.source_system = stage_map.source_system
            and seen.raw_key = stage_map.raw_key
    left join aliases
        on seen.raw_key = aliases.raw_key
    left join active_stages as named
        on seen.raw_key = {{ normalised('named.stage') }}
    left join labels
        on seen.raw_key = labels.raw_key
    where seen.raw_key is not null

),

final as (

    select
        mapped.source_system,
        mapped.raw_key,
        active_stages.stage,
        mapped.stage = 'ignored' as is_ignored,
        active_stages.path_order
    from mapped
    left join active_stages
        on mapped.stage = active_stages.stage

)

select * from final
