with stage_history as (

    select * from {{ ref('int_hubspot__stage_history') }}

),

reasons as (

    select * from {{ ref('int_hubspot__reasons') }}

),

given_at_once as (

    select
        source_system,
        contact_id,
        explained_change_id,
        {{ first_by('reason', 'changed_at', 'reason is not null') }} as reason
    from reasons
    where not is_later
    group by source_system, contact_id, explained_change_id

),

changes as (

    select
        stage_history.source_system,
        stage_history.load_id,
        stage_history.object_type,
        stage_history.object_id,
        stage_history.change_id,
        stage_history.contact_id,
        stage_history.changed_at_text,
        stage_history.stage,
        given_at_once.reason,
        stage_history.changed_by
    from stage_history
    left join given_at_once
        on
            stage_history.source_system = given_at_once.source_system
            and stage_history.contact_id = given_at_once.contact_id
            and stage_history.change_id = given_at_once.explained_change_id
    union all
    select
        source_system,
        load_id,
        object_type,
        object_id,
        change_id,
        contact_id,
        changed_at_text,
        stage,
        reason,
        changed_by
    from reasons
    where is_later

),

final as (

    select
        source_system,
        load_id,
        object_type as source_file,
        {{ dbt.safe_cast('object_id', 'bigint') }} as source_row,
        change_id,
        contact_id as lead_id,
        changed_at_text as changed_at,
        cast(null as {{ dbt.type_string() }}) as from_stage,
        stage as to_stage,
        reason,
        changed_by,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from changes

)

select * from final
