with {{ typed_rows(
    'channel_spend',
    computed={
        'currency_shown': currency_shown('amount'),
        'currency': 'cast(null as varchar)'
    }
) }},

{{ in_home_currency('typed_rows', 'spend_date') }},

-- Spend needs its amount, so what can't be told in the marts' currency can't be used.
final as (

    select
        * replace (
            case
                when problem is null and amount is null then 'amount'
                else problem_column
            end as problem_column,
            case
                when problem is null and amount is null
                    then 'amount is in another currency without a rate'
                else problem
            end as problem
        )
    from converted

)

select * from final
