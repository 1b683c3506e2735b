select
    upper(trim(currency)) as currency,
    rate,
    case
        when
            row_number() over (partition by upper(trim(currency)) order by valid_from)
            > 1
            then valid_from
    end as valid_from,
    lead(valid_from) over (partition by upper(trim(currency)) order by valid_from)
        as valid_until
from {{ ref('currency_rates') }}
