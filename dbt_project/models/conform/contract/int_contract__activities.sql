with {{ typed_rows('activities') }}

select * from typed_rows
