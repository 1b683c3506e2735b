{# Fails if a row has no key, or if two rows have the same; the other columns of a grain may be null
   (is_unique_by), a key may not. #}
{% test is_key(model, column_name) %}

{{ config(fail_calc='coalesce(sum(row_count), 0)') }}

select
    {{ column_name }},
    count(*) as row_count
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null

{% endtest %}
