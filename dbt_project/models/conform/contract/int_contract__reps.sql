with {{ typed_rows('reps') }}

select * from typed_rows
