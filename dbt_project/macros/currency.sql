{#
    The signs of currencies. One that several currencies share stays a sign: its source says more, or
    does not.
#}
{% macro currency_signs() -%}
    {{ return({
        '€': 'EUR', '£': 'GBP', '₹': 'INR', '₺': 'TRY', '₪': 'ILS', '₩': 'KRW', '₽': 'RUB',
        '₴': 'UAH', '₫': 'VND', '฿': 'THB', '₦': 'NGN', '₱': 'PHP', 'zł': 'PLN', 'Kč': 'CZK',
        'Ft': 'HUF', 'lei': 'RON', 'US$': 'USD', 'CA$': 'CAD', 'C$': 'CAD', 'AU$': 'AUD',
        'A$': 'AUD', 'NZ$': 'NZD', 'HK$': 'HKD', 'S$': 'SGD', 'MX$': 'MXN', 'R$': 'BRL',
        'NT$': 'TWD', 'JP¥': 'JPY', 'CN¥': 'CNY', '円': 'JPY', '元': 'CNY', 'TL': 'TRY', '₨': 'Rs'
    }) }}
{%- endmacro %}

{# The signs that several currencies share, with those currencies. #}
{% macro shared_signs() -%}
    {{ return({
        '$': ['AUD', 'CAD', 'HKD', 'MXN', 'NZD', 'SGD', 'TWD', 'USD'],
        'kr': ['DKK', 'ISK', 'NOK', 'SEK'],
        'Rs': ['INR', 'LKR', 'MUR', 'NPR', 'PKR', 'SCR'],
        '¥': ['CNY', 'JPY']
    }) }}
{%- endmacro %}

{# A sign that several currencies share stands for that of the marts (`home`) if it can. #}
{% macro currency_meant(shown, home) -%}
    case
        {%- for sign, codes in shared_signs().items() %}
        when {{ shown }} = '{{ sign }}' and {{ home }} in ('{{ codes | join("', '") }}')
            then {{ home }}
        {%- endfor %}
        when {{ shown }} = '$' then 'USD'
        when {{ shown }} = 'Rs' then 'INR'
        when {{ shown }} = '¥' then 'JPY'
        else {{ shown }}
    end
{%- endmacro %}

{#
    Amounts in the currency of the marts, whatever they came in: the last CTE is `converted`, `rows`
    with `amount` so, and beside it `amount_given`, `currency` (what it came in) and
    `home_currency` (that of the marts for its source: `lifecycle.currency`, else the most frequent
    one without a rate). An amount in another currency without a rate is null; one without a
    currency is in that of the marts already. `rows`: a CTE with `amount`, `currency_shown`
    (`currency_shown(amount)`) and `currency`. `moment`: the column that says which rate holds.
#}
{% macro in_home_currency(rows, moment) -%}
rates as (

    select * from {{ ref('int_contract__currency_rates') }}

),

currencies_written as (

    select
        *,
        coalesce(
            {{ currency_named('trim(currency)') | indent(12) }},
            upper(nullif(trim(currency), ''))
        ) as currency_written
    from {{ rows }}

),

stated_by_source as (

    select
        currencies_written.* exclude (currency_written),
        run_parameters.currency as configured_currency,
        {{ currency_meant(
            'currencies_written.currency_written', 'run_parameters.currency'
        ) | indent(8) }} as currency_beside,
        {{ currency_meant(
            'currencies_written.currency_shown', 'run_parameters.currency'
        ) | indent(8) }} as currency_of_sign
    from currencies_written
    cross join {{ ref('stg_handoff__run_parameters') }} as run_parameters

),

in_currency as (

    select
        * exclude (currency, currency_shown, currency_beside, currency_of_sign),
        -- What the amount says itself comes first, unless it is a sign of several.
        case
            when currency_shown in ('{{ shared_signs() | join("', '") }}')
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
        row_number() over (
            partition by in_currency.source_system
            order by
                count(*) desc, min(in_currency.source_row) asc, in_currency.currency asc
        ) as currency_rank
    from in_currency
    left join rates
        on in_currency.currency = rates.currency
    where
        in_currency.amount is not null
        and in_currency.currency is not null
        and rates.currency is null
    group by in_currency.source_system, in_currency.currency

),

at_home as (

    select
        in_currency.* exclude (configured_currency),
        coalesce(in_currency.configured_currency, stated.currency) as home_currency
    from in_currency
    left join stated
        on
            in_currency.source_system = stated.source_system
            and stated.currency_rank = 1

),

converted as (

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
            and (
                at_home.{{ moment }} >= rates.valid_from
                or rates.valid_from is null
            )
            and (
                at_home.{{ moment }} < rates.valid_until
                or rates.valid_until is null
            )

)
{%- endmacro %}
