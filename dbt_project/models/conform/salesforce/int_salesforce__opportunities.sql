with opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}
    where coalesce(is_deleted, 'false') = 'false'

),

history as (

    select * from {{ ref('stg_salesforce__opportunity_history') }}

),

-- A closing: the first row in the present stage after the last one in another stage.
left_other_stages as (

    select
        history.source_system,
        history.opportunity_id,
        max(history.changed_at) as changed_at
    from history
    inner join opportunities
        on
            history.source_system = opportunities.source_system
            and history.opportunity_id = opportunities.opportunity_id
            and history.stage_name != opportunities.stage_name
    group by history.source_system, history.opportunity_id

),

closings as (

    select
        history.source_system,
        history.opportunity_id,
        min(history.changed_at_text) as closed_at
    from history
    inner join opportunities
        on
            history.source_system = opportunities.source_system
            and history.opportunity_id = opportunities.opportunity_id
            and history.stage_name = opportunities.stage_name
            and opportunities.is_closed = 'true'
    left join left_other_stages
        on
            history.source_system = left_other_stages.source_system
            and history.opportunity_id = left_other_stages.opportunity_id
    where
        left_other_stages.changed_at is null
        or history.changed_at >= left_other_stages.changed_at
    group by history.source_system, history.opportunity_id

),

contact_leads as (

    select * from {{ ref('int_salesforce__contact_leads') }}

),

links as (

    select
        source_system,
        converted_opportunity_id as opportunity_id,
        lead_id,
        1 as is_converted,
        0 as is_primary,
        cast(null as varchar) as linked_at
    from {{ ref('stg_salesforce__leads') }}
    where converted_opportunity_id is not null
    union all
    select
        contact_roles.source_system,
        opportunities.opportunity_id,
        contact_leads.lead_id,
        0 as is_converted,
        case when contact_roles.is_primary = 'true' then 1 else 0 end as is_primary,
        contact_roles.created_at_text as linked_at
    from
        {{ ref('stg_salesforce__opportunity_contact_roles') }}
            as contact_roles
    inner join opportunities
        on
            contact_roles.source_system = opportunities.source_system
            and contact_roles.opportunity_id = opportunities.opportunity_id
    inner join contact_leads
        on
            contact_roles.source_system = contact_leads.source_system
            and contact_roles.contact_id = contact_leads.contact_id
    where
        coalesce(contact_roles.is_deleted, 'false') = 'false'
        and (
            opportunities.created_at >= contact_leads.known_since
            or contact_leads.lead_number = 1
        )
        and (
            opportunities.created_at < contact_leads.known_until
            or contact_leads.known_until is null
        )

),

-- A deal proves its stages for each lead; its amount counts once, for the primary
-- contact's lead, else for the converted lead, else for the first one that was added.
ranked_links as (

    select
        source_system,
        opportunity_id,
        lead_id,
        row_number() over (
            partition by source_system, opportunity_id
            order by
                max(is_primary) desc,
                max(is_converted) desc,
                min(linked_at) asc,
                lead_id asc
        ) as link_number
    from links
    group by source_system, opportunity_id, lead_id

),

rates as (

    select
        {{ normalised('currency') }} as currency_key,
        rate,
        row_number() over (
            partition by {{ normalised('currency') }}
            order by valid_from
        ) as rate_number,
        valid_from,
        lead(valid_from) over (
            partition by {{ normalised('currency') }}
            order by valid_from
        ) as valid_until
    from {{ ref('currency_rates') }}

),

-- In the company's currency, at the rate of the day on which the deal was made.
converted_amounts as (

    select
        opportunities.source_system,
        opportunities.opportunity_id,
        round({{ parse_number('opportunities.amount') }} * rates.rate, 2) as amount
    from opportunities
    inner join rates
        on {{ normalised('opportunities.currency') }} = rates.currency_key
    where
        (opportunities.created_at >= rates.valid_from or rates.rate_number = 1)
        and (
            opportunities.created_at < rates.valid_until
            or rates.valid_until is null
        )

),

loss_reasons as (

    select
        source_system,
        min(field) as field
    from {{ ref('stg_salesforce__field_roles') }}
    where role = 'loss_reason'
    group by source_system

),

final as (

    select
        opportunities.source_system,
        opportunities.load_id,
        'Opportunity' as source_file,
        opportunities.source_row,
        case
            when ranked_links.link_number > 1
                then opportunities.opportunity_id || ':' || ranked_links.lead_id
            else opportunities.opportunity_id
        end as opportunity_id,
        ranked_links.lead_id,
        opportunities.created_at_text as created_at,
        case
            when coalesce(ranked_links.link_number, 1) = 1
                then
                    coalesce(
                        cast(converted_amounts.amount as varchar),
                        opportunities.amount
                    )
        end as amount,
        case
            when opportunities.is_closed = 'true' then opportunities.is_won
            else 'false'
        end as is_won,
        case
            when opportunities.is_closed = 'true'
                then
                    coalesce(
                        closings.closed_at,
                        opportunities.stage_changed_at_text,
                        -- A date alone must not lie before the creation on that day.
                        greatest(
                            opportunities.close_date_text, opportunities.created_at_text
                        )
                    )
        end as closed_at,
        case
            when
                opportunities.is_closed = 'true'
                and coalesce(opportunities.is_won, 'false') = 'false'
                then
                    {{ json_text(
                        'opportunities.custom_fields', 'loss_reasons.field'
                    ) }}
        end as loss_reason,
        opportunities.owner_id,
        cast(null as varchar) as extra_columns
    from opportunities
    left join ranked_links
        on
            opportunities.source_system = ranked_links.source_system
            and opportunities.opportunity_id = ranked_links.opportunity_id
    left join closings
        on
            opportunities.source_system = closings.source_system
            and opportunities.opportunity_id = closings.opportunity_id
    left join converted_amounts
        on
            opportunities.source_system = converted_amounts.source_system
            and opportunities.opportunity_id = converted_amounts.opportunity_id
    left join loss_reasons
        on opportunities.source_system = loss_reasons.source_system

)

select * from final
