with opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}
    where coalesce(is_deleted, 'false') = 'false'

),

closings as (

    select * from {{ ref('int_salesforce__opportunity_closings') }}

),

ranked_links as (

    select * from {{ ref('int_salesforce__opportunity_leads') }}

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
        cast(null as varchar) as currency,
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
        cast(null as varchar) as merged_into_opportunity_id,
        cast(null as varchar) as is_deleted,
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
