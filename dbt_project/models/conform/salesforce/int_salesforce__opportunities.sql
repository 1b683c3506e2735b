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
        opportunities.amount,
        opportunities.currency,
        -- If is_closed is unreadable, so is is_won.
        case coalesce(opportunities.is_closed, 'false')
            when 'true' then opportunities.is_won
            when 'false' then 'false'
            else opportunities.is_closed
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
    left join loss_reasons
        on opportunities.source_system = loss_reasons.source_system

)

select * from final
