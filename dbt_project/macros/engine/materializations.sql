{#
    Tables and views that are replaced in one statement, as DuckDB can.

    The adapter's own way builds beside what is there, renames twice and drops: five statements and
    two commits a model, which is most of what a small warehouse takes to build. Here a model that
    fails leaves what was there, too: `create or replace` is all or nothing.
#}
{% materialization table, adapter='duckdb' %}
    {{ return(replace_relation('table')) }}
{% endmaterialization %}

{% materialization view, adapter='duckdb' %}
    {{ return(replace_relation('view')) }}
{% endmaterialization %}

{% macro replace_relation(type) %}
    {% set target_relation = this.incorporate(type=type) %}
    {% set existing = load_cached_relation(this) %}
    {% set is_enforced = config.get('contract').enforced %}

    {{ run_hooks(pre_hooks) }}
    {% if existing is not none and existing.type != type %}
        {% do adapter.drop_relation(existing) %}
    {% endif %}
    {% if is_enforced %}
        {{ get_assert_columns_equivalent(sql) }}
    {% endif %}
    {% call statement('main') %}
        {% if is_enforced and type == 'table' %}
            create or replace table {{ target_relation }} {{ get_table_columns_and_constraints() }};
            insert into {{ target_relation }} by name ({{ sql }});
        {% else %}
            create or replace {{ type }} {{ target_relation }} as ({{ sql }});
        {% endif %}
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmacro %}
