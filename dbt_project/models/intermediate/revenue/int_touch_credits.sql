{{ config(materialized='view') }}

with opportunities as (

    select * from {{ ref('fct_opportunities') }}
    where is_primary_lead

),

engagements as (

    select * from {{ ref('fct_engagements') }}
    where lead_key is not null

),

channels as (

    select * from {{ ref('int_channels') }}

),

touches as (

    select
        opportunities.source_system,
        opportunities.opportunity_id,
        coalesce(
            channels.channel, '(unmapped) ' || engagements.channel, '(unknown)'
        ) as channel,
        row_number() over (
            partition by opportunities.source_system, opportunities.opportunity_id
            order by engagements.occurred_at, engagements.engagement_id
        ) as touch_number,
        count(*) over (
            partition by opportunities.source_system, opportunities.opportunity_id
        ) as touches
    from opportunities
    inner join engagements
        on
            opportunities.lead_key = engagements.lead_key
            and opportunities.created_at >= engagements.occurred_at
    left join channels
        on {{ normalised('engagements.channel') }} = channels.raw_key

),

final as (

    select
        source_system,
        opportunity_id,
        channel,
        count(*) as channel_touches,
        sum(case when touch_number = 1 then 1.0 else 0.0 end) as first_touch,
        sum(case when touch_number = touches then 1.0 else 0.0 end) as last_touch,
        count(*) / cast(max(touches) as double) as linear,
        sum(
            case
                when touches = 1 then 1.0
                when touches = 2 then 0.5
                when touch_number in (1, touches) then 0.4
                else 0.2 / (touches - 2)
            end
        ) as position_based
    from touches
    group by source_system, opportunity_id, channel

)

select * from final
