{{ config(materialized='table') }}
with {{ typed_rows(
    'opportunities', computed={'currency_shown': currency_shown('amount')}
) }},

-- CRMs convert to the company's currency themselves; exports say what each amount is in.
exported as (

    select distinct source_system from {{ ref('stg_files__opportunities') }}

),

stated as (

    select
        typed_rows.source_system,
        coalesce(
            upper(nullif(trim(typed_rows.currency), '')),
            typed_rows.currency_shown
        ) as currency,
        count(*) as amount_count,
        min(typed_rows.source_row) as first_row
    from typed_rows
    where typed_rows.amount is not null
    group by 1, 2

),

home as (

    select
        exported.source_system,
        coalesce(
            max(run_parameters.currency),
            {{ first_by(
                'stated.currency',
                '{count: -stated.amount_count, first_row: stated.first_row}',
                'stated.currency is not null'
            ) }}
        ) as currency
    from exported
    cross join {{ ref('stg_handoff__run_parameters') }} as run_parameters
    left join stated
        on exported.source_system = stated.source_system
    group by exported.source_system

),

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

in_currency as (

    select
        typed_rows.* exclude (currency, currency_shown),
        home.currency as home_currency,
        typed_rows.amount as amount_given,
        coalesce(
            upper(nullif(trim(typed_rows.currency), '')),
            typed_rows.currency_shown,
            home.currency
        ) as currency
    from typed_rows
    left join home
        on typed_rows.source_system = home.source_system

),

final as (

    select
        in_currency.* replace (
            case
                when
                    in_currency.home_currency is null
                    or in_currency.currency = in_currency.home_currency
                    then in_currency.amount
                else cast(round(in_currency.amount * rates.rate, 2) as decimal(18, 2))
            end as amount
        )
    from in_currency
    left join rates
        on
            in_currency.currency = rates.currency
            and (in_currency.created_at >= rates.valid_from or rates.rate_number = 1)
            and (in_currency.created_at < rates.valid_until or rates.valid_until is null)

)

select * from final
