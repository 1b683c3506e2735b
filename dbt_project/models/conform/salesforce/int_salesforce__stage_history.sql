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
        source_system,
        load_id,
        source_row,
        change_id,
        lead_id,
        field_key,
        from_stage,
        to_stage,
        changed_by,
        changed_at_text,
        changed_at
    from held

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
        {{ date_or_time(
            salesforce_lead_value('date_fields.field', 'leads')
        ) }} as changed_at_text
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
