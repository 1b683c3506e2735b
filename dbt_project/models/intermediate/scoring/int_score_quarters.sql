-- How well each score tells who wins, quarter by quarter.
with scored as (

    select * from {{ ref('int_scored_cycles') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- AUC by rank sum: ties share the mean of their ranks.
ranked as (

    select
        *,
        rank() over (
            partition by score_kind, score_basis, period_start order by score
        ) + (
            count(*) over (partition by score_kind, score_basis, period_start, score)
            - 1
        ) / 2.0 as score_rank
    from scored

),

quarters as (

    select
        score_kind,
        score_basis,
        period_start,
        count(*) as cycles,
        count(*) filter (where is_won) as won,
        count(*) filter (where is_won_in_window) as won_in_window,
        count(*) filter (where not is_won_in_window) as not_won_in_window,
        sum(case when is_won_in_window then score_rank end) as won_rank_sum
    from ranked
    group by score_kind, score_basis, period_start

),

areas as (

    select
        *,
        {{ rate(
            'won_rank_sum - won_in_window * (won_in_window + 1) / 2.0',
            'won_in_window * not_won_in_window'
        ) }} as auc
    from quarters

),

final as (

    select
        areas.score_kind,
        areas.score_basis,
        areas.cycles,
        areas.won,
        areas.won_in_window,
        areas.not_won_in_window,
        areas.auc,
        {{ auc_standard_error(
            'areas.auc', 'areas.won_in_window', 'areas.not_won_in_window'
        ) }} as auc_error,
        {{ add_seconds(
            local_midnight(
                next_period_start("'quarter'", 'areas.period_start'),
                'run_policy.timezone'
            ),
            'run_policy.conversion_window_seconds'
        ) }} <= run_policy.as_of as is_mature,
        areas.period_start
    from areas
    cross join run_policy

)

select * from final
