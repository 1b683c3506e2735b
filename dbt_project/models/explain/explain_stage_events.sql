with delivered as (

    select * from {{ ref('int_contract__stage_changes') }}
    where problem is null

),

chosen as (

    select * from {{ ref('int_stage_changes') }}

),

records as (

    select * from {{ ref('int_lead_records') }}

),

leads as (

    select * from {{ ref('int_leads') }}

),

events as (

    select * from {{ ref('int_stage_events') }}
    where history_quality <> 'observed'

),

-- A change that was delivered more than once: one row holds, the others do not.
changes as (

    select
        coalesce(records.survivor_source_system, delivered.source_system)
            as source_system,
        coalesce(records.survivor_lead_id, delivered.lead_id) as lead_id,
        delivered.source_system as record_source_system,
        delivered.lead_id as record_lead_id,
        delivered.change_id,
        delivered.from_stage as from_stage_raw,
        delivered.to_stage as to_stage_raw,
        chosen.to_stage as stage,
        delivered.reason,
        delivered.changed_by,
        case
            when chosen.change_id is null then 'left_out'
            when
                delivered.changed_at <> chosen.changed_at
                or coalesce(delivered.to_stage, '') <> coalesce(chosen.to_stage_raw, '')
                or coalesce(delivered.reason, '') <> coalesce(chosen.reason, '')
                or coalesce(delivered.changed_by, '') <> coalesce(chosen.changed_by, '')
                then 'superseded'
            when
                row_number() over (
                    partition by
                        delivered.source_system,
                        delivered.lead_id,
                        delivered.change_id,
                        delivered.changed_at,
                        delivered.to_stage,
                        delivered.reason,
                        delivered.changed_by
                    order by delivered.load_id desc, delivered.source_row asc
                ) > 1
                then 'repeated'
            else chosen.fate
        end as fate,
        chosen.path_order,
        delivered.changed_at as occurred_at
    from delivered
    left join records
        on
            delivered.source_system = records.source_system
            and delivered.lead_id = records.lead_id
    left join chosen
        on
            delivered.source_system = chosen.source_system
            and delivered.lead_id = chosen.lead_id
            and delivered.change_id = chosen.change_id

),

made as (

    select
        leads.source_system,
        leads.lead_id,
        events.record_source_system,
        events.record_lead_id,
        events.change_id,
        cast(null as {{ dbt.type_string() }}) as from_stage_raw,
        cast(null as {{ dbt.type_string() }}) as to_stage_raw,
        events.stage,
        events.reason,
        events.changed_by,
        events.history_quality as fate,
        events.path_order,
        events.occurred_at
    from events
    inner join leads
        on events.lead_key = leads.lead_key

),

every_event as (

    select * from changes
    union all
    select * from made

),

final as (

    select
        lead_id,
        source_system,
        record_source_system,
        record_lead_id,
        change_id,
        from_stage_raw,
        to_stage_raw,
        stage,
        {{ masked('reason') }} as reason,
        changed_by,
        fate,
        path_order,
        occurred_at
    from every_event

)

select * from final
