with {{ typed_rows(
    'leads',
    computed={
        'email_hash': "case when email like '%@%' then "
            ~ keyed_hash('lower(trim(email))', 'hash_key') ~ " end",
        'email_domain': "case when email like '%@%' then "
            ~ "nullif(lower(trim(split_part(email, '@', -1))), '') end"
    },
    left_out=['email']
) }}

select * from typed_rows
