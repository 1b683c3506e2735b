with scored as (

    select * from {{ ref('int_scored_handoffs') }}

),

-- AUC by rank sum: ties share the mean of their ranks.
ranked as (

    select
        *,
        rank() over (partition by score_kind, period_start order by score)
        + (
            count(*) over (partition by score_kind, period_start, score) - 1
        ) / 2.0 as score_rank
    from scored

),

quarters as (

    select
        score_kind,
        period_start,
        count(*) as cycles,
        count(*) filter (where is_won) as won,
        sum(case when is_won then score_rank end) as won_rank_sum
    from ranked
    group by score_kind, period_start

),

by_band as (

    select
        score_kind,
        band,
        band_order,
        period_start,
        count(*) as cycles,
        count(*) filter (where is_accepted) as accepted,
        count(*) filter (where is_qualified) as sales_qualified,
        count(*) filter (where is_won) as won
    from scored
    group by score_kind, band, band_order, period_start

),

compared as (

    select
        by_band.*,
        {{ rate('by_band.won', 'by_band.cycles') }} as win_rate,
        lead({{ rate('by_band.won', 'by_band.cycles') }}) over (
            partition by by_band.score_kind, by_band.period_start
            order by by_band.band_order
        ) as next_band_win_rate
    from by_band

),

final as (

    select
        compared.score_kind,
        compared.band,
        cast(compared.band_order as integer) as band_order,
        compared.cycles,
        compared.accepted,
        compared.sales_qualified,
        compared.won,
        {{ rate('compared.accepted', 'compared.cycles') }} as acceptance_rate,
        {{ rate('compared.sales_qualified', 'compared.cycles') }}
            as qualification_rate,
        compared.win_rate,
        {{ wilson_lower('compared.won', 'compared.cycles') }} as win_rate_lower,
        {{ wilson_upper('compared.won', 'compared.cycles') }} as win_rate_upper,
        {{ rate('quarters.won', 'quarters.cycles') }} as average_win_rate,
        {{ rate('compared.win_rate', rate('quarters.won', 'quarters.cycles')) }}
            as lift,
        quarters.cycles as quarter_cycles,
        quarters.won as quarter_won,
        {{ rate(
            'quarters.won_rank_sum - quarters.won * (quarters.won + 1) / 2.0',
            'quarters.won * (quarters.cycles - quarters.won)'
        ) }} as auc,
        compared.win_rate >= compared.next_band_win_rate as is_above_next_band,
        min(
            case
                when compared.win_rate < compared.next_band_win_rate then 0
                when compared.win_rate >= compared.next_band_win_rate then 1
            end
        ) over (
            partition by compared.score_kind, compared.period_start
        ) = 1 as is_monotonic,
        compared.period_start
    from compared
    inner join quarters
        on
            compared.score_kind = quarters.score_kind
            and compared.period_start = quarters.period_start

)

select * from final
