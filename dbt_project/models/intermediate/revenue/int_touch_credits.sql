with touch_counts as (

    select * from {{ ref('int_touch_counts') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

counted as (

    select
        subject_key,
        channel,
        campaign,
        channel_touches,
        case when first_number = 1 then 1 else 0 end as first_touch,
        case
            when last_number = max(last_number) over (partition by subject_key) then 1
            else 0
        end as last_touch,
        max(last_number) over (partition by subject_key) as touches,
        first_number = min(first_number) over (partition by subject_key, channel)
            as is_first_of_channel
    from touch_counts

),

final as (

    select
        counted.subject_key,
        counted.channel,
        counted.campaign,
        counted.channel_touches,
        counted.first_touch,
        counted.last_touch,
        {{ rate('counted.channel_touches', 'counted.touches') }} as linear,
        case
            when counted.touches <= 2
                then {{ rate('counted.channel_touches', 'counted.touches') }}
            else
                (counted.first_touch + counted.last_touch) * run_policy.end_touch_credit
                + (counted.channel_touches - counted.first_touch - counted.last_touch)
                * (1 - 2 * run_policy.end_touch_credit) / (counted.touches - 2)
        end as position_based,
        counted.is_first_of_channel
    from counted
    cross join run_policy

)

select * from final
