{{ config(materialized='view') }}

with stage_fields as (

    select
        source_system,
        field,
        field_key,
        field_rank
    from {{ ref('stg_salesforce__field_roles') }}
    where role = 'stage'

),

leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

history as (

    select * from {{ ref('stg_salesforce__lead_history') }}

),

tracked as (

    select * from {{ ref('int_salesforce__tracked_changes') }}

),

first_changes as (

    select * from tracked
    where change_number = 1

),

tracked_since as (

    select
        source_system,
        field_key,
        min(changed_at) as first_changed_at
    from tracked
    group by source_system, field_key

),

-- A lead's creation is a history row without values: what it was created with is the
-- old value of its first change, or the present value if the field was tracked by then
-- and never changed.
created as (

    select
        stage_fields.field_key,
        stage_fields.field_rank,
        history.source_system,
        history.load_id,
        history.source_row,
        history.history_id || ':' || stage_fields.field as change_id,
        history.lead_id,
        history.changed_by,
        cast(null as varchar) as old_value,
        case
            when first_changes.change_id is not null then first_changes.old_value
            else {{ salesforce_lead_value('stage_fields.field', 'leads') }}
        end as new_value,
        history.changed_at_text,
        history.changed_at
    from history
    inner join leads
        on
            history.source_system = leads.source_system
            and history.lead_id = leads.lead_id
    inner join stage_fields
        on history.source_system = stage_fields.source_system
    inner join tracked_since
        on
            stage_fields.source_system = tracked_since.source_system
            and stage_fields.field_key = tracked_since.field_key
            and history.changed_at >= tracked_since.first_changed_at
    left join first_changes
        on
            history.source_system = first_changes.source_system
            and history.lead_id = first_changes.lead_id
            and stage_fields.field_key = first_changes.field_key
    where history.field_key = 'created'

),

-- A conversion gives the lead its present status (where that is not tracked) at an
-- exact time.
converted as (

    select
        stage_fields.field_key,
        stage_fields.field_rank,
        history.source_system,
        history.load_id,
        history.source_row,
        history.history_id || ':' || stage_fields.field as change_id,
        history.lead_id,
        history.changed_by,
        cast(null as varchar) as old_value,
        case
            when stage_fields.field_key = 'isconverted' then 'true'
            when first_changes.change_id is null then leads.status
        end as new_value,
        history.changed_at_text,
        history.changed_at
    from history
    inner join leads
        on
            history.source_system = leads.source_system
            and history.lead_id = leads.lead_id
    inner join stage_fields
        on
            history.source_system = stage_fields.source_system
            and stage_fields.field_key in ('status', 'isconverted')
    left join first_changes
        on
            history.source_system = first_changes.source_system
            and history.lead_id = first_changes.lead_id
            and stage_fields.field_key = first_changes.field_key
    where history.field_key = 'leadconverted'

),

final as (

    select * from created
    where new_value is not null
    union all
    select * from converted
    where new_value is not null

)

select * from final
