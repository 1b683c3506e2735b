with leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

unioned as (

    select
        field_key,
        field_rank,
        source_system,
        load_id,
        source_row,
        change_id,
        lead_id,
        changed_by,
        value_before as old_value,
        new_value,
        changed_at_text,
        changed_at
    from {{ ref('int_salesforce__tracked_changes') }}
    union all
    select * from {{ ref('int_salesforce__created_and_converted') }}

),

named as (

    select
        unioned.source_system,
        unioned.load_id,
        unioned.source_row,
        unioned.change_id,
        unioned.lead_id,
        unioned.field_key,
        unioned.field_rank,
        unioned.changed_by,
        unioned.changed_at_text,
        unioned.changed_at,
        coalesce(new_values.stage, unioned.new_value) as to_stage,
        case
            when old_values.stage = 'ignored' then null
            else coalesce(old_values.stage, unioned.old_value)
        end as from_stage
    from unioned
    left join {{ ref('int_salesforce__stage_values') }} as new_values
        on
            unioned.source_system = new_values.source_system
            and unioned.field_key = new_values.field_key
            and {{ normalised('unioned.new_value') }} = new_values.value_key
    left join {{ ref('int_salesforce__stage_values') }} as old_values
        on
            unioned.source_system = old_values.source_system
            and unioned.field_key = old_values.field_key
            and {{ normalised('unioned.old_value') }} = old_values.value_key

),

told as (

    select
        *,
        field_rank as property_rank
    from named
    where to_stage is null or to_stage != 'ignored'

),

{{ decisions('told', 'lead_id', 'to_stage', 'changes.from_stage') }},

history_changes as (

    select
        told.source_system,
        told.load_id,
        told.source_row,
        told.change_id,
        told.lead_id,
        told.field_key,
        told.from_stage,
        told.to_stage,
        told.changed_by,
        coalesce(decided.changed_at_text, told.changed_at_text) as changed_at_text,
        coalesce(decided.changed_at, told.changed_at) as changed_at
    from told
    left join close_records
        on
            told.source_system = close_records.source_system
            and told.lead_id = close_records.record_id
    left join decided
        on
            close_records.source_system = decided.source_system
            and close_records.record_id = decided.record_id
            and told.change_id = decided.change_id
    where
        told.to_stage is null
        or close_records.record_id is null
        or decided.change_id is not null

),

stage_dates as (

    select
        leads.source_system,
        leads.load_id,
        leads.source_row,
        leads.lead_id || ':' || date_fields.field as change_id,
        leads.lead_id,
        date_fields.field_key,
        cast(null as varchar) as from_stage,
        date_fields.stage as to_stage,
        cast(null as varchar) as changed_by,
        {{ salesforce_lead_value('date_fields.field', 'leads') }} as changed_at_text
    from leads
    inner join {{ ref('stg_salesforce__field_roles') }} as date_fields
        on
            leads.source_system = date_fields.source_system
            and date_fields.role = 'stage_date'
    left join history_changes
        on
            leads.source_system = history_changes.source_system
            and leads.lead_id = history_changes.lead_id
            and {{ normalised('date_fields.stage') }}
            = {{ normalised('history_changes.to_stage') }}
    where history_changes.change_id is null

),

-- A date field says when a stage was entered, where no change into it was tracked.
final as (

    select * from history_changes
    union all
    select
        *,
        {{ parse_timestamp('changed_at_text') }} as changed_at
    from stage_dates
    where changed_at_text is not null

)

select * from final
