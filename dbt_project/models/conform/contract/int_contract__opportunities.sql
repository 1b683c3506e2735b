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
in_currency as (

    select
        typed_rows.* exclude (currency, currency_shown),
        run_parameters.currency as configured_currency,
        case
            -- The amount says it itself.
            when regexp_matches(typed_rows.currency_shown, '^[A-Z]{3}$')
                then typed_rows.currency_shown
            when nullif(trim(typed_rows.currency), '') is not null
                then upper(trim(typed_rows.currency))
            -- A sign that several currencies share: that of the marts if it can be.
            when typed_rows.currency_shown = '$' and run_parameters.currency not in (
                'AUD', 'CAD', 'HKD', 'MXN', 'NZD', 'SGD', 'TWD'
            )
                then 'USD'
            when typed_rows.currency_shown in ('$', 'kr') and (
                typed_rows.currency_shown = '$'
                or run_parameters.currency in ('DKK', 'ISK', 'NOK', 'SEK')
            )
                then coalesce(run_parameters.currency, 'USD')
            else typed_rows.currency_shown
        end as currency
    from typed_rows
    cross join {{ ref('stg_handoff__run_parameters') }} as run_parameters

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

final as (

    select
        in_currency.* exclude (amount, currency, configured_currency),
        in_currency.amount as amount_given,
        coalesce(in_currency.configured_currency, ranked.currency) as home_currency,
        coalesce(
            in_currency.currency, in_currency.configured_currency, ranked.currency
        ) as currency,
        case
            when
                in_currency.currency is null
                or in_currency.currency
                = coalesce(in_currency.configured_currency, ranked.currency)
                then in_currency.amount
            else cast(round(in_currency.amount * rates.rate, 2) as decimal(18, 2))
        end as amount
    from in_currency
    left join ranked
        on
            in_currency.source_system = ranked.source_system
            and ranked.currency_rank = 1
    left join rates
        on
            in_currency.currency = rates.currency
            and (in_currency.created_at >= rates.valid_from or rates.rate_number = 1)
            and (
                in_currency.created_at < rates.valid_until
                or rates.valid_until is null
            )

)

select * from final
