with opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}

),

closings as (

    select * from {{ ref('int_salesforce__opportunity_closings') }}

),

opportunity_leads as (

    select
        source_system,
        opportunity_id,
        {{ dbt.listagg('lead_id', "';'", 'order by link_number') }} as lead_id
    from {{ ref('int_salesforce__opportunity_leads') }}
    group by source_system, opportunity_id

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
        opportunities.opportunity_id,
        opportunity_leads.lead_id,
        opportunities.created_at_text as created_at,
        coalesce(
            cast(converted_amounts.amount as varchar), opportunities.amount
        ) as amount,
        case
            when converted_amounts.opportunity_id is null then opportunities.currency
        end as currency,
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
                        case
                            when
                                {{ moment_in_utc(
                                    parse_timestamp('opportunities.close_date_text'),
                                    'opportunities.close_date_text',
                                    "'UTC'",
                                    'run_parameters.timezone'
                                ) | indent(32) }}
                                > opportunities.created_at
                                then opportunities.close_date_text
                            else opportunities.created_at_text
                        end
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
        opportunities.is_deleted,
        cast(null as varchar) as extra_columns
    from opportunities
    cross join {{ ref('stg_handoff__run_parameters') }} as run_parameters
    left join opportunity_leads
        on
            opportunities.source_system = opportunity_leads.source_system
            and opportunities.opportunity_id = opportunity_leads.opportunity_id
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
