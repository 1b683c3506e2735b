{# Fails if two rows agree in all the columns that the model's grain is made of. #}
{% test is_unique_by(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
