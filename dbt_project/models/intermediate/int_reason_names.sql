with codes as (

    select
        {{ normalised('reason_code') }} as raw_key,
        reason_code
    from {{ ref('reason_codes') }}

),

aliases as (

    select
        {{ normalised('reason_raw') }} as raw_key,
        min(reason_code) as reason_code
    from {{ ref('reason_aliases') }}
    group by {{ normalised('reason_raw') }}

),

final as (

    select * from codes
    union all
    select aliases.*
    from aliases
    left join codes
        on aliases.raw_key = codes.raw_key
    where codes.raw_key is null

)

select * from final
