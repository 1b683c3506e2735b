{{ config(materialized='view') }}

with leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

field_roles as (

    select * from {{ ref('stg_salesforce__field_roles') }}

),

reason_history as (

    select
        history_rows.source_system,
        history_rows.load_id,
        history_rows.source_row,
        history_rows.history_id as change_id,
        history_rows.lead_id,
        field_roles.field_key,
        history_rows.new_value as reason,
        history_rows.changed_by,
        history_rows.changed_at_text as given_at_text,
        history_rows.changed_at as given_at
    from {{ ref('stg_salesforce__lead_history') }} as history_rows
    inner join field_roles
        on
            history_rows.source_system = field_roles.source_system
            and field_roles.role = 'reason'
            and history_rows.field_key = field_roles.field_key

),

-- A reason that no history row tells of belongs to the last exit of the lead.
untracked_reasons as (

    select
        leads.source_system,
        leads.load_id,
        leads.source_row,
        leads.lead_id || ':' || field_roles.field as change_id,
        leads.lead_id,
        field_roles.field_key,
        {{ salesforce_lead_value('field_roles.field', 'leads') }} as reason,
        cast(null as varchar) as changed_by,
        cast(null as varchar) as given_at_text,
        cast(null as timestamp) as given_at
    from leads
    inner join field_roles
        on
            leads.source_system = field_roles.source_system
            and field_roles.role = 'reason'
    left join reason_history
        on
            leads.source_system = reason_history.source_system
            and leads.lead_id = reason_history.lead_id
            and field_roles.field_key = reason_history.field_key
    where reason_history.change_id is null

),

final as (

    select * from reason_history
    where reason is not null
    union all
    select * from untracked_reasons
    where reason is not null

)

select * from final
