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

    select
        stage_fields.field_key,
        stage_fields.field_rank,
        history.source_system,
        history.load_id,
        history.source_row,
        history.history_id as change_id,
        history.lead_id,
        history.changed_by,
        history.old_value,
        history.new_value,
        history.changed_at_text,
        history.changed_at
    from history
    inner join stage_fields
        on
            history.source_system = stage_fields.source_system
            and history.field_key = stage_fields.field_key

),

values_set_at as (

    select distinct
        source_system,
        lead_id,
        field_key,
        changed_at,
        new_value
    from tracked

),

-- Of several changes in one second the first is the one whose old value no other one
-- set; what the field held before that second is the first one's old value.
chained as (

    select
        tracked.*,
        row_number() over (
            partition by tracked.source_system, tracked.lead_id, tracked.field_key
            order by
                tracked.changed_at,
                case when values_set_at.new_value is null then 0 else 1 end,
                tracked.change_id
        ) as change_number,
        first_value(tracked.old_value) over (
            partition by
                tracked.source_system,
                tracked.lead_id,
                tracked.field_key,
                tracked.changed_at
            order by
                case when values_set_at.new_value is null then 0 else 1 end,
                tracked.change_id
        ) as value_before
    from tracked
    left join values_set_at
        on
            tracked.source_system = values_set_at.source_system
            and tracked.lead_id = values_set_at.lead_id
            and tracked.field_key = values_set_at.field_key
            and tracked.changed_at = values_set_at.changed_at
            and tracked.old_value = values_set_at.new_value

),

first_changes as (

    select * from chained
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
    from chained
    union all
    select * from created
    where new_value is not null
    union all
    select * from converted
    where new_value is not null

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

-- Several fields may change in one second: the one that was named first holds.
ranked as (

    select
        *,
        min(case when to_stage is not null then field_rank end) over (
            partition by source_system, lead_id, changed_at
        ) as best_rank
    from named
    where to_stage is null or to_stage != 'ignored'

),

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
    from ranked
    where best_rank is null or field_rank = best_rank

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
