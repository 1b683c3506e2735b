{#- Below it a score is not much better than a coin (Hosmer, Lemeshow, Sturdivant). -#}
{%- set useful = 0.7 -%}
{#- So many mature quarters are looked at together until there are enough. -#}
{%- set quarters_back = 4 -%}
{{ config(materialized='view') }}

-- Whether each score still tells who wins: the last mature quarters, as many of them as
-- it takes. Pairs are compared within a quarter only.
with scores as (

    select scores.score_kind
    from (values ('handoff'), ('crm')) as scores (score_kind)

),

policy as (

    select
        diagnostic,
        metric,
        min_cases
    from {{ ref('diagnostics') }}
    where diagnostic = 'score_power'

),

oldest as (

    select
        cast({{ dbt.dateadd(
            'month',
            -3 * quarters_back,
            period_start('quarter', local_date(
                dbt.dateadd('day', '-window_days', 'as_of'), 'timezone'
            ))
        ) }} as date) as period_start
    from {{ ref('int_run_policy') }}

),

quarters as (

    select quarters.*
    from {{ ref('int_score_quarters') }} as quarters
    inner join oldest
        on quarters.period_start >= oldest.period_start
    where quarters.is_mature and quarters.score_basis = 'at_handoff'

),

pairs as (

    select
        *,
        cast(won_in_window as double) * not_won_in_window as pairs,
        row_number() over (
            partition by score_kind order by period_start desc
        ) as quarters_ago
    from quarters

),

added_up as (

    select
        score_kind,
        quarters_ago,
        sum(won_in_window) over latest_first as won,
        sum(not_won_in_window) over latest_first as not_won,
        sum(pairs) over latest_first as pairs,
        sum(auc * pairs) over latest_first as ordered_pairs,
        sqrt(sum(power(auc_error * pairs, 2)) over latest_first) as pairs_error,
        min(period_start) over latest_first as first_quarter,
        max(period_start) over latest_first as last_quarter
    from pairs
    window latest_first as (partition by score_kind order by period_start desc)

),

-- The fewest quarters that suffice; where none do, all of them.
chosen as (

    select
        added_up.score_kind,
        added_up.won,
        added_up.first_quarter,
        added_up.last_quarter,
        least(added_up.won, added_up.not_won) >= policy.min_cases as is_enough,
        {{ rate('added_up.ordered_pairs', 'added_up.pairs') }} as auc,
        {{ rate('added_up.pairs_error', 'added_up.pairs') }} as auc_error,
        row_number() over (
            partition by added_up.score_kind
            order by
                case
                    when least(added_up.won, added_up.not_won) >= policy.min_cases
                        then added_up.quarters_ago
                end asc nulls last,
                added_up.quarters_ago desc
        ) as choice
    from added_up
    cross join policy

),

judged as (

    select
        *,
        {{ auc_lower('auc', 'auc_error') }} as auc_lower,
        {{ auc_upper('auc', 'auc_error') }} as auc_upper
    from chosen
    where choice = 1

),

as_of_today as (

    select
        score_kind,
        {{ dbt.bool_or("score_basis = 'as_of_today'") }} as is_of_today
    from {{ ref('int_score_quarters') }}
    group by score_kind

),

found as (

    select
        scores.score_kind,
        judged.auc,
        coalesce(judged.won, 0) as won,
        'handed off ' || {{ from_to(
            'judged.first_quarter',
            next_period_start("'quarter'", 'judged.last_quarter')
        ) }} as cases_period,
        {{ two_sided_p('(judged.auc - 0.5) / nullif(judged.auc_error, 0)') }}
            as p_value,
        case
            when scores.score_kind = 'crm' and as_of_today.score_kind is null
                then 'none given'
            when judged.score_kind is null and as_of_today.is_of_today
                then 'as of today'
            when not coalesce(judged.is_enough, false) then 'too few'
            when judged.auc_lower > 0.5 and judged.auc_upper >= {{ useful }}
                then 'tells'
            when judged.auc_lower > 0.5 then 'tells a little'
            when judged.auc_upper >= {{ useful }} then 'by chance'
            when judged.auc_upper < 0.5 then 'upside down'
            else 'tells nothing'
        end as finding
    from scores
    left join judged
        on scores.score_kind = judged.score_kind
    left join as_of_today
        on scores.score_kind = as_of_today.score_kind

),

final as (

    select
        policy.diagnostic,
        policy.metric,
        found.score_kind as segment,
        'benchmark' as basis,
        found.auc as value,
        cast(null as double) as numerator,
        cast(found.won as {{ dbt.type_bigint() }}) as sample_size,
        found.cases_period,
        cast(null as double) as previous_value,
        found.p_value,
        cast(0.5 as double) as low,
        cast(null as double) as high,
        case found.finding
            when 'tells' then 'ok'
            when 'by chance' then 'watch'
            when 'tells a little' then 'watch'
            when 'tells nothing' then 'act'
            when 'upside down' then 'act'
            when 'none given' then 'not_applicable'
            else 'too_few'
        end as status,
        case found.finding
            when 'none given' then 'The CRM gives no score'
            when 'as of today'
                then 'Known as of today only, not as it was at the handoff: not judged'
            when 'too few' then 'Too few cases to judge'
            when 'tells' then 'A higher score wins more often'
            when 'upside down' then 'A higher score wins less often'
            when 'tells a little' then 'The score says only a little about who wins'
            when 'by chance' then 'That a higher score wins more often may be chance'
            else 'The score says little more than a coin about who wins'
        end as reading
    from found
    cross join policy

)

select * from final
