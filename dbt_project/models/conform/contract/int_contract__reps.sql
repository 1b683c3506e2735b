with {{ typed_rows('reps', left_out=['name']) }}

select * from typed_rows
