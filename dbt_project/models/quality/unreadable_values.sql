{%- set optional_columns = [
    ('leads', 'employee_count'), ('leads', 'crm_score'), ('leads', 'is_deleted'),
    ('leads', 'updated_at'), ('opportunities', 'amount'), ('opportunities', 'is_won'),
    ('opportunities', 'closed_at'), ('reps', 'weekly_capacity'), ('reps', 'is_active')
] -%}
-- Optional values that could not be read and became empty, counted, with samples.
with unreadable as (

    {% for table, column in optional_columns -%}
        select
            source_system,
            '{{ table }}' as table_name,
            '{{ column }}' as column_name,
            {{ column }}_text as value_text
        from {{ ref('int_contract__' ~ table) }}
        where {{ column }}_text is not null and {{ column }} is null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

counted as (

    select
        source_system,
        table_name,
        column_name,
        value_text,
        count(*) as value_count,
        row_number() over (
            partition by source_system, table_name, column_name
            order by count(*) desc, value_text
        ) as value_rank
    from unreadable
    group by source_system, table_name, column_name, value_text

),

final as (

    select
        source_system,
        table_name,
        column_name,
        cast(sum(value_count) as bigint) as unreadable_count,
        {{ dbt.listagg(
            "case when value_rank <= 5 then value_text end", "' | '",
            "order by value_rank"
        ) }} as samples
    from counted
    group by source_system, table_name, column_name

)

select * from final
