with deals as (

    select * from {{ ref('int_hubspot__deals') }}

),

merged_deals as (

    select * from {{ ref('int_hubspot__merges') }}
    where object_type = 'deals'

),

-- The primary contact comes first, else the one that was associated first.
ranked_contacts as (

    select
        source_system,
        from_id as deal_id,
        to_id as contact_id,
        row_number() over (
            partition by source_system, from_id
            order by is_primary desc, position asc, length(to_id) asc, to_id asc
        ) as contact_rank
    from {{ ref('stg_hubspot__associations') }}
    where from_type = 'deals' and to_type = 'contacts'

),

contacts as (

    select
        source_system,
        deal_id,
        {{ dbt.listagg('contact_id', "';'", 'order by contact_rank') }} as lead_id
    from ranked_contacts
    group by source_system, deal_id

),

all_deals as (

    select
        deals.source_system,
        deals.load_id,
        deals.deal_id,
        deals.deal_id as contacts_of,
        deals.created_at,
        deals.amount,
        deals.currency,
        deals.is_closed,
        deals.is_won,
        deals.stage_entered_at,
        deals.loss_reason,
        deals.owner_id,
        merged_deals.survivor_id,
        deals.is_archived
    from deals
    left join merged_deals
        on
            deals.source_system = merged_deals.source_system
            and deals.deal_id = merged_deals.merged_id
    union all
    -- Merged before they were ever read: of these only the ids are known.
    select
        merged_deals.source_system,
        merged_deals.load_id,
        merged_deals.merged_id as deal_id,
        merged_deals.survivor_id as contacts_of,
        merged_deals.survivor_created_at as created_at,
        null as amount,
        null as currency,
        false as is_closed,
        false as is_won,
        null as stage_entered_at,
        null as loss_reason,
        null as owner_id,
        merged_deals.survivor_id,
        null as is_archived
    from merged_deals
    left join deals
        on
            merged_deals.source_system = deals.source_system
            and merged_deals.merged_id = deals.deal_id
    where deals.deal_id is null

),

final as (

    select
        all_deals.source_system,
        all_deals.load_id,
        'deals' as source_file,
        {{ dbt.safe_cast('all_deals.deal_id', 'bigint') }} as source_row,
        all_deals.deal_id as opportunity_id,
        contacts.lead_id,
        all_deals.created_at,
        all_deals.amount,
        all_deals.currency,
        case when all_deals.is_closed and all_deals.is_won then 'true' else 'false' end
            as is_won,
        case when all_deals.is_closed then all_deals.stage_entered_at end as closed_at,
        case
            when all_deals.is_closed and not all_deals.is_won
                then all_deals.loss_reason
        end as loss_reason,
        all_deals.owner_id,
        all_deals.survivor_id as merged_into_opportunity_id,
        all_deals.is_archived as is_deleted,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from all_deals
    left join contacts
        on
            all_deals.source_system = contacts.source_system
            and all_deals.contacts_of = contacts.deal_id

)

select * from final
