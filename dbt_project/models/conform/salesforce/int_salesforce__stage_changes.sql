with history as (

    select * from {{ ref('int_salesforce__stage_history') }}

),

chosen as (

    select * from {{ ref('int_salesforce__explained_changes') }}

),

-- A reason given later, or in a stage that is no exit, stands by itself.
given_later as (

    select
        source_system,
        load_id,
        source_row,
        change_id,
        lead_id,
        given_at_text as changed_at,
        cast(null as varchar) as from_stage,
        to_stage,
        reason,
        changed_by
    from chosen
    where fit in (2, 4)

),

observed as (

    select
        history.source_system,
        history.load_id,
        history.source_row,
        history.change_id,
        history.lead_id,
        history.changed_at_text as changed_at,
        history.from_stage,
        history.to_stage,
        chosen.reason,
        history.changed_by
    from history
    left join chosen
        on
            history.source_system = chosen.source_system
            and history.change_id = chosen.explained_id
            and chosen.fit not in (2, 4)
            and chosen.reason_number = 1

),

unioned as (

    select * from observed
    union all
    select * from given_later

),

final as (

    select
        source_system,
        load_id,
        'LeadHistory' as source_file,
        source_row,
        change_id,
        lead_id,
        changed_at,
        from_stage,
        to_stage,
        reason,
        changed_by,
        cast(null as varchar) as extra_columns
    from unioned

)

select * from final
