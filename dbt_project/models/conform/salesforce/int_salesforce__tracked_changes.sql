with stage_fields as (

    select
        source_system,
        field,
        field_key,
        field_rank
    from {{ ref('stg_salesforce__field_roles') }}
    where role = 'stage'

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
final as (

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

)

select * from final
