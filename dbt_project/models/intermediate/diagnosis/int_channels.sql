-- What stands for which channel: a mapped lead source, or the channel's own name.
with mapped as (

    select
        {{ normalised('lead_source') }} as raw_key,
        channel
    from {{ ref('channel_map') }}

),

channels as (

    select distinct
        {{ normalised('channel') }} as raw_key,
        channel
    from {{ ref('channel_map') }}

),

every_name as (

    select
        mapped.raw_key,
        mapped.channel,
        1 as precedence
    from mapped
    union all
    select
        channels.raw_key,
        channels.channel,
        2 as precedence
    from channels

),

ranked as (

    select
        *,
        row_number() over (partition by raw_key order by precedence, channel)
            as name_rank
    from every_name

),

final as (

    select
        raw_key,
        channel
    from ranked
    where name_rank = 1

)

select * from final
