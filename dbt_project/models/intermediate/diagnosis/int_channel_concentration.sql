{{ config(materialized='view') }}

-- How much of the recently marketing qualified comes from the top channel.
with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

run_policy as (

    select
        *,
        {{ dbt.dateadd('day', '-window_days', 'as_of') }} as recent_from
    from {{ ref('int_run_policy') }}

),

channelled as (

    select coalesce(channels.channel, '(unmapped) ' || cycles.lead_source) as channel
    from cycles
    cross join run_policy
    left join {{ ref('int_channels') }} as channels
        on {{ normalised('cycles.lead_source') }} = channels.raw_key
    where cycles.marketing_qualified_at >= run_policy.recent_from

),

channel_counts as (

    select
        channel,
        count(*) as leads
    from channelled
    group by channel

),

final as (

    select
        'top_channel_share' as metric,
        'all' as segment,
        sum(leads) as sample_size,
        max(leads) as numerator
    from channel_counts

)

select * from final
