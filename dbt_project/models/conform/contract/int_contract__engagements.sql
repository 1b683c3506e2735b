with {{ typed_rows('engagements') }}

select * from typed_rows
