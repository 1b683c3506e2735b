with owner_changes as (

    select
        source_system,
        lead_id,
        owner_id,
        {{ record_id(json_text('extra_columns', "'~previous_owner'")) }}
            as previous_owner_id,
        changed_at
    from {{ ref('int_contract__owner_changes') }}
    where problem is null

),

records as (

    select * from {{ ref('int_lead_records') }}
    where is_in_marts

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- Of several changes at one moment the greatest owner id holds.
moments as (

    select
        records.lead_key,
        max(owner_changes.owner_id) as owner_id,
        max(owner_changes.previous_owner_id) as previous_owner_id,
        owner_changes.changed_at as owned_from
    from owner_changes
    cross join run_policy
    inner join records
        on
            owner_changes.source_system = records.source_system
            and owner_changes.lead_id = records.lead_id
    where owner_changes.changed_at <= run_policy.as_of
    group by records.lead_key, owner_changes.changed_at

),

from_history as (

    select
        lead_key,
        owner_id,
        owned_from,
        coalesce(
            lead(owned_from) over (partition by lead_key order by owned_from),
            timestamp '9999-12-31'
        ) as owned_until
    from moments

),

numbered as (

    select
        *,
        row_number() over (partition by lead_key order by owned_from) as moment_number
    from moments

),

-- Who owned a lead before its first change has done so all the time until then.
before_history as (

    select
        lead_key,
        previous_owner_id as owner_id,
        timestamp '0001-01-01' as owned_from,
        owned_from as owned_until
    from numbered
    where moment_number = 1 and previous_owner_id is not null

),

leads_with_history as (

    select distinct lead_key from moments

),

-- Most CRMs log only changes: without any, the lead's owner held all the time.
without_history as (

    select
        leads.lead_key,
        leads.owner_id,
        timestamp '0001-01-01' as owned_from,
        timestamp '9999-12-31' as owned_until
    from {{ ref('int_leads') }} as leads
    left join leads_with_history
        on leads.lead_key = leads_with_history.lead_key
    where leads_with_history.lead_key is null

),

final as (

    select * from from_history
    union all
    select * from before_history
    union all
    select * from without_history

)

select * from final
