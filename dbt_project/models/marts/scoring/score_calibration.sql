with scored as (

    select * from {{ ref('int_scored_cycles') }}

),

quarters as (

    select * from {{ ref('int_score_quarters') }}

),

by_band as (

    select
        score_kind,
        score_basis,
        band,
        band_order,
        period_start,
        count(*) as cycles,
        count(*) filter (where is_accepted) as accepted,
        count(*) filter (where is_qualified) as sales_qualified,
        count(*) filter (where is_won) as won,
        count(*) filter (where is_won_in_window) as won_in_window
    from scored
    group by score_kind, score_basis, band, band_order, period_start

),

rates as (

    select
        *,
        {{ rate('won_in_window', 'cycles') }} as win_rate
    from by_band

),

compared as (

    select
        *,
        lead(win_rate) over (
            partition by score_kind, score_basis, period_start
            order by band_order
        ) as next_band_win_rate
    from rates

),

final as (

    select
        compared.score_kind,
        compared.score_basis,
        compared.band,
        cast(compared.band_order as integer) as band_order,
        compared.cycles,
        compared.accepted,
        compared.sales_qualified,
        compared.won,
        compared.won_in_window,
        {{ rate('compared.accepted', 'compared.cycles') }} as acceptance_rate,
        {{ rate('compared.sales_qualified', 'compared.cycles') }}
            as qualification_rate,
        compared.win_rate,
        {{ wilson_lower('compared.won_in_window', 'compared.cycles') }}
            as win_rate_lower,
        {{ wilson_upper('compared.won_in_window', 'compared.cycles') }}
            as win_rate_upper,
        {{ rate('quarters.won_in_window', 'quarters.cycles') }} as average_win_rate,
        {{ rate(
            'compared.win_rate', rate('quarters.won_in_window', 'quarters.cycles')
        ) }} as lift,
        quarters.cycles as quarter_cycles,
        quarters.won as quarter_won,
        quarters.won_in_window as quarter_won_in_window,
        quarters.auc,
        {{ auc_lower('quarters.auc', 'quarters.auc_error') }} as auc_lower,
        {{ auc_upper('quarters.auc', 'quarters.auc_error') }} as auc_upper,
        -- What a young quarter has not won yet, it may still win.
        case
            when quarters.is_mature
                then compared.win_rate >= compared.next_band_win_rate
        end as is_above_next_band,
        min(
            case
                when not quarters.is_mature then null
                when compared.win_rate < compared.next_band_win_rate then 0
                when compared.win_rate >= compared.next_band_win_rate then 1
            end
        ) over (
            partition by
                compared.score_kind, compared.score_basis, compared.period_start
        ) = 1 as is_monotonic,
        quarters.is_mature,
        compared.period_start
    from compared
    inner join quarters
        on
            compared.score_kind = quarters.score_kind
            and compared.score_basis = quarters.score_basis
            and compared.period_start = quarters.period_start

)

select * from final
