with opportunities as (

    select * from {{ ref('fct_opportunities') }}
    where is_primary_lead

),

credits as (

    select * from {{ ref('int_touch_credits') }}

),

cycles as (

    select
        source_system,
        lead_id,
        cycle_number,
        -- What was created before the first cycle belongs to it, too.
        case
            when cycle_number = 1 then timestamp '0001-01-01' else cycle_started_at
        end as counts_from,
        coalesce(cycle_ended_at, timestamp '9999-12-31') as counts_until
    from {{ ref('fct_lead_cycles') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- An opportunity that nobody was seen touching keeps its whole credit, unattributed.
credited as (

    select
        opportunities.source_system,
        opportunities.survivor_source_system,
        opportunities.survivor_lead_id,
        opportunities.opportunity_id,
        opportunities.status,
        opportunities.amount,
        opportunities.created_at,
        coalesce(credits.channel, '(none)') as channel,
        coalesce(credits.channel_touches, 0) as channel_touches,
        coalesce(credits.first_touch, 1) as first_touch,
        coalesce(credits.last_touch, 1) as last_touch,
        coalesce(credits.linear, 1) as linear,
        coalesce(credits.position_based, 1) as position_based
    from opportunities
    left join credits
        on
            opportunities.source_system = credits.source_system
            and opportunities.opportunity_id = credits.opportunity_id

),

by_model as (

    {% for model in ['first_touch', 'last_touch', 'linear', 'position_based'] -%}
        select
            source_system,
            survivor_source_system,
            survivor_lead_id,
            opportunity_id,
            '{{ model }}' as attribution_model,
            channel,
            status,
            channel_touches,
            {{ model }} as credit,
            amount,
            created_at
        from credited
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

final as (

    select
        by_model.source_system,
        by_model.survivor_lead_id as lead_id,
        by_model.opportunity_id,
        cycles.cycle_number,
        by_model.attribution_model,
        by_model.channel,
        by_model.status,
        by_model.channel_touches,
        by_model.credit,
        cast(by_model.amount as decimal(18, 2)) as opportunity_amount,
        by_model.credit * cast(by_model.amount as double) as credited_amount,
        cast(
            case when by_model.channel_touches > 0 then by_model.amount else 0 end
            as decimal(18, 2)
        ) as influenced_amount,
        case
            when by_model.status = 'won'
                then by_model.credit * cast(by_model.amount as double)
            else 0
        end as credited_won_amount,
        {{ local_date('by_model.created_at', 'run_policy.timezone') }}
            as opportunity_created_date
    from by_model
    cross join run_policy
    left join cycles
        on
            by_model.survivor_source_system = cycles.source_system
            and by_model.survivor_lead_id = cycles.lead_id
            and by_model.created_at >= cycles.counts_from
            and by_model.created_at < cycles.counts_until

)

select * from final
