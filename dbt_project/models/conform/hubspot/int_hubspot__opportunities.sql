with deals as (

    select * from {{ ref('int_hubspot__deals') }}

),

-- The primary contact comes first, else the one that was associated first.
contacts as (

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

final as (

    select
        deals.source_system,
        deals.load_id,
        'deals' as source_file,
        {{ dbt.safe_cast('deals.deal_id', 'bigint') }} as source_row,
        case
            when contacts.contact_rank > 1
                then deals.deal_id || ':' || contacts.contact_id
            else deals.deal_id
        end as opportunity_id,
        contacts.contact_id as lead_id,
        deals.created_at,
        -- An amount counts once, however many contacts the deal proves a stage for.
        case
            when coalesce(contacts.contact_rank, 1) = 1 then deals.amount
        end as amount,
        cast(null as {{ dbt.type_string() }}) as currency,
        case when deals.is_closed and deals.is_won then 'true' else 'false' end
            as is_won,
        case when deals.is_closed then deals.stage_entered_at end as closed_at,
        case
            when deals.is_closed and not deals.is_won then deals.loss_reason
        end as loss_reason,
        deals.owner_id,
        cast(null as {{ dbt.type_string() }}) as merged_into_opportunity_id,
        cast(null as {{ dbt.type_string() }}) as is_deleted,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from deals
    left join contacts
        on
            deals.source_system = contacts.source_system
            and deals.deal_id = contacts.deal_id

)

select * from final
