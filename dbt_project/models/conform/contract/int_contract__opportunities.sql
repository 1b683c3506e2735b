with {{ typed_rows(
    'opportunities', computed={'currency_shown': currency_shown('amount')}
) }},

rates as (

    select
        upper(trim(currency)) as currency,
        rate,
        row_number() over (partition by upper(trim(currency)) order by valid_from)
            as rate_number,
        valid_from,
        lead(valid_from) over (partition by upper(trim(currency)) order by valid_from)
            as valid_until
    from {{ ref('currency_rates') }}

),

-- An amount without a currency is in that of the marts already.
stated_by_source as (

    select
        typed_rows.*,
        run_parameters.currency as configured_currency,
        upper(nullif(trim(typed_rows.currency), '')) as currency_beside,
        -- A sign that several currencies share stands for that of the marts if it can.
        case
            when typed_rows.currency_shown = '$' and run_parameters.currency in (
                'AUD', 'CAD', 'HKD', 'MXN', 'NZD', 'SGD', 'TWD'
            ) then run_parameters.currency
            when typed_rows.currency_shown = '$' then 'USD'
            when typed_rows.currency_shown = 'kr' and run_parameters.currency in (
                'DKK', 'ISK', 'NOK', 'SEK'
            ) then run_parameters.currency
            else typed_rows.currency_shown
        end as currency_of_sign
    from typed_rows
    cross join {{ ref('stg_handoff__run_parameters') }} as run_parameters

),

in_currency as (

    select
        * exclude (currency, currency_shown, currency_beside, currency_of_sign),
        -- What the amount says itself comes first, unless it is a sign of several.
        case
            when currency_shown in ('$', 'kr')
                then coalesce(currency_beside, currency_of_sign)
            else coalesce(currency_of_sign, currency_beside)
        end as currency
    from stated_by_source

),

-- What has a rate is another currency than that of the marts.
stated as (

    select
        in_currency.source_system,
        in_currency.currency,
        count(*) as amount_count,
        min(in_currency.source_row) as first_row
    from in_currency
    left join rates
        on in_currency.currency = rates.currency
    where
        in_currency.amount is not null
        and in_currency.currency is not null
        and rates.currency is null
    group by in_currency.source_system, in_currency.currency

),

ranked as (

    select
        source_system,
        currency,
        row_number() over (
            partition by source_system
            order by amount_count desc, first_row asc, currency asc
        ) as currency_rank
    from stated

),

at_home as (

    select
        in_currency.*,
        coalesce(in_currency.configured_currency, ranked.currency) as home_currency
    from in_currency
    left join ranked
        on
            in_currency.source_system = ranked.source_system
            and ranked.currency_rank = 1

),

final as (

    select
        at_home.* exclude (amount, currency),
        at_home.amount as amount_given,
        coalesce(at_home.currency, at_home.home_currency) as currency,
        case
            when
                at_home.currency is null
                or at_home.currency = at_home.home_currency
                then at_home.amount
            else cast(round(at_home.amount * rates.rate, 2) as decimal(18, 2))
        end as amount
    from at_home
    left join rates
        on
            at_home.currency = rates.currency
            and (at_home.created_at >= rates.valid_from or rates.rate_number = 1)
            and (
                at_home.created_at < rates.valid_until
                or rates.valid_until is null
            )

)

select * from final
