with rows_of_spend as (

    select * from {{ ref('int_contract__channel_spend') }}
    where problem is null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- The latest load wins for a day and channel; within it the rows add up.
ranked as (

    select
        *,
        rank() over (
            partition by source_system, spend_date, channel
            order by load_id desc
        ) as load_rank,
        row_number() over (
            partition by
                source_system,
                load_id,
                row_text,
                coalesce(extra_columns, '')
            order by source_file, source_row
        ) as copy_rank
    from rows_of_spend

),

final as (

    select
        ranked.source_system,
        ranked.channel,
        sum(ranked.amount) as amount,
        ranked.spend_date
    from ranked
    cross join run_policy
    where
        ranked.load_rank = 1
        and ranked.copy_rank = 1
        and ranked.spend_date <= cast(
            {{ utc_to_local('run_policy.as_of', 'run_policy.timezone') }} as date
        )
    group by ranked.source_system, ranked.channel, ranked.spend_date

)

select * from final
