with {{ typed_rows('owner_changes') }}

select * from typed_rows
