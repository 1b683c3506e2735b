with subjects as (

    select * from {{ ref('int_credit_subjects') }}

),

engagements as (

    select * from {{ ref('fct_engagements') }}
    where lead_key is not null and counts_as_touch

),

opportunities as (

    select * from {{ ref('fct_opportunities') }}

),

channels as (

    select * from {{ ref('int_channels') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- Everybody whom a deal names took part in it, each lead once.
subject_leads as (

    select
        subject_key,
        lead_key,
        reached_at
    from subjects
    union
    select
        subjects.subject_key,
        opportunities.lead_key,
        subjects.reached_at
    from subjects
    inner join opportunities
        on
            subjects.source_system = opportunities.source_system
            and subjects.opportunity_id = opportunities.opportunity_id

),

touches as (

    select
        subject_leads.subject_key,
        engagements.channel,
        engagements.campaign,
        row_number() over (
            partition by subject_leads.subject_key
            order by
                engagements.occurred_at,
                engagements.source_system,
                engagements.engagement_id
        ) as touch_number
    from subject_leads
    cross join run_policy
    inner join engagements
        on
            subject_leads.lead_key = engagements.lead_key
            and subject_leads.reached_at >= engagements.occurred_at
            and engagements.occurred_at >= {{ add_seconds(
                'subject_leads.reached_at', '-run_policy.attribution_lookback_seconds'
            ) }}

),

-- Touches become few rows before their channels are looked up.
grouped as (

    select
        subject_key,
        channel,
        campaign,
        count(*) as channel_touches,
        min(touch_number) as first_number,
        max(touch_number) as last_number
    from touches
    group by subject_key, channel, campaign

),

named as (

    select
        grouped.subject_key,
        coalesce(
            channels.channel, '(unmapped) ' || grouped.channel, '(unknown)'
        ) as channel,
        coalesce(grouped.campaign, '(none)') as campaign,
        grouped.channel_touches,
        grouped.first_number,
        grouped.last_number
    from grouped
    left join channels
        on {{ normalised('grouped.channel') }} = channels.raw_key

),

final as (

    select
        subject_key,
        channel,
        campaign,
        sum(channel_touches) as channel_touches,
        min(first_number) as first_number,
        max(last_number) as last_number
    from named
    group by subject_key, channel, campaign

)

select * from final
