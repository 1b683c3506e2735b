-- Past values of the lead field that the configuration names as the CRM's score.
with score_fields as (

    select
        source_system,
        field_key
    from {{ ref('stg_salesforce__field_roles') }}
    where role = 'column' and value = 'crm_score'

),

history as (

    select
        history.source_system,
        history.lead_id,
        history.old_value,
        history.new_value,
        history.changed_at,
        row_number() over (
            partition by history.source_system, history.lead_id
            order by history.changed_at, history.history_id
        ) as change_number
    from {{ ref('stg_salesforce__lead_history') }} as history
    inner join score_fields
        on
            history.source_system = score_fields.source_system
            and history.field_key = score_fields.field_key

),

tracked as (

    select distinct source_system
    from history

),

leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

changes as (

    select
        source_system,
        lead_id,
        new_value as value,
        changed_at
    from history
    union all
    -- What the field held before its first change it held since the lead was created.
    select
        history.source_system,
        history.lead_id,
        history.old_value as value,
        leads.created_at as changed_at
    from history
    inner join leads
        on
            history.source_system = leads.source_system
            and history.lead_id = leads.lead_id
            and history.changed_at > leads.created_at
    where history.change_number = 1
    union all
    -- Where the field is tracked, one that never changed is as it was at the beginning.
    select
        leads.source_system,
        leads.lead_id,
        cast(scored.crm_score as {{ dbt.type_string() }}) as value,
        leads.created_at as changed_at
    from leads
    inner join {{ ref('int_salesforce__leads') }} as scored
        on
            leads.source_system = scored.source_system
            and leads.lead_id = scored.lead_id
    inner join tracked
        on leads.source_system = tracked.source_system
    left join history
        on
            leads.source_system = history.source_system
            and leads.lead_id = history.lead_id
    where history.lead_id is null and scored.crm_score is not null

),

final as (

    select
        source_system,
        lead_id,
        {{ dbt.safe_cast('value', 'double') }} as crm_score,
        changed_at
    from changes

)

select * from final
