with history as (

    select * from {{ ref('stg_salesforce__lead_history') }}
    where field_key in ('owner', 'ownerid', 'ownerassignment', 'owneraccepted')

),

-- A change of owner stands twice, as names and as ids; a user's id begins with 005, a
-- queue's with 00G.
by_id as (

    select
        *,
        row_number() over (
            partition by source_system, lead_id
            order by changed_at, history_id
        ) as change_number
    from history
    where
        length(new_value) in (15, 18)
        and substr(new_value, 1, 3) in ('005', '00G')

),

leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

changes as (

    select
        source_system,
        load_id,
        source_row,
        lead_id,
        changed_at_text as changed_at,
        new_value as owner_id
    from by_id
    union all
    -- Who owned the lead before its first change has done so since it was created.
    select
        by_id.source_system,
        by_id.load_id,
        by_id.source_row,
        by_id.lead_id,
        leads.created_date as changed_at,
        by_id.old_value as owner_id
    from by_id
    inner join leads
        on
            by_id.source_system = leads.source_system
            and by_id.lead_id = leads.lead_id
            and by_id.changed_at > leads.created_at
    where
        by_id.change_number = 1
        and length(by_id.old_value) in (15, 18)
        and substr(by_id.old_value, 1, 3) in ('005', '00G')

),

final as (

    select
        source_system,
        load_id,
        'LeadHistory' as source_file,
        source_row,
        lead_id,
        changed_at,
        case
            when owner_id like '005%' then {{ salesforce_id('owner_id') }}
        end as owner_id,
        cast(null as varchar) as extra_columns
    from changes

)

select * from final
