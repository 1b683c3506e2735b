{# Fails if a row has no key, or if two rows have the same. #}
{% test is_key(model, column_name) %}

select
    {{ column_name }},
    count(*) as row_count
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null

{% endtest %}
