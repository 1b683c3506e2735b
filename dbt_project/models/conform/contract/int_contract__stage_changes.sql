with {{ typed_rows('stage_changes') }}

select * from typed_rows
