with {{ typed_rows(
    'opportunities', computed={'currency_shown': currency_shown('amount')}
) }},

{{ in_home_currency('typed_rows', 'created_at') }}

select * from converted
