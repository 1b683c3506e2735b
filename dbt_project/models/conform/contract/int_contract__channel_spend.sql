with {{ typed_rows('channel_spend') }}

select * from typed_rows
