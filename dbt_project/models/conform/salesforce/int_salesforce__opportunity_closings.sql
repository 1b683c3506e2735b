{{ config(materialized='view') }}

with opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}

),

history as (

    select * from {{ ref('stg_salesforce__opportunity_history') }}

),

-- A closing: the first row in the present stage after the last one in another stage.
left_other_stages as (

    select
        history.source_system,
        history.opportunity_id,
        max(history.changed_at) as changed_at
    from history
    inner join opportunities
        on
            history.source_system = opportunities.source_system
            and history.opportunity_id = opportunities.opportunity_id
            and history.stage_name != opportunities.stage_name
    group by history.source_system, history.opportunity_id

),

final as (

    select
        history.source_system,
        history.opportunity_id,
        min(history.changed_at_text) as closed_at
    from history
    inner join opportunities
        on
            history.source_system = opportunities.source_system
            and history.opportunity_id = opportunities.opportunity_id
            and history.stage_name = opportunities.stage_name
            and opportunities.is_closed = 'true'
    left join left_other_stages
        on
            history.source_system = left_other_stages.source_system
            and history.opportunity_id = left_other_stages.opportunity_id
    where
        left_other_stages.changed_at is null
        or history.changed_at >= left_other_stages.changed_at
    group by history.source_system, history.opportunity_id

)

select * from final
