{#
    Load a seed as the CSV standard says. The adapter's own way guesses the dialect, and an
    apostrophe or a line end of another editor makes it guess wrong.

    HANDOFF_POLICY_DIR names the directory whose tables are loaded instead of the project's own; a
    relative one is relative to the project. It is read here, when a seed runs, and not in
    seed-paths: another seed path is another manifest, which means parsing everything again, and
    dbt writes what it ran to the target directory joined with the seed's path, so an absolute one
    would overwrite the policy itself. A table that the directory does not have is the project's.

    Columns are matched by name, so their order does not matter; one that the file lacks is empty.
    Blank lines are no rows.
#}
{% macro load_policy_table(model, columns) %}
    {% set path = policy_table_path(model) | replace("'", "''") %}
    {% set header = csv_header(path) %}
    {% set columns = columns | select('in', header) | list %}
    {% set sql %}
        insert into {{ this.render() }} by name
        select
            {%- for column in columns %}
            {{ adapter.quote(column) }}{{ ',' if not loop.last }}
            {%- endfor %}
        from read_csv(
            '{{ path }}',
            columns = {
                {%- for column in header %}
                '{{ column }}': 'varchar'{{ ',' if not loop.last }}
                {%- endfor %}
            },
            header = true, auto_detect = false, strict_mode = false,
            delim = ',', quote = '"', escape = '"', nullstr = ''
        )
        where
            {%- for column in columns %}
            {{ 'or ' if not loop.first }}{{ adapter.quote(column) }} is not null
            {%- endfor %}
    {% endset %}
    {% do adapter.add_query(sql, abridge_sql_log=True) %}
{% endmacro %}

{# The column names that a CSV file begins with. #}
{% macro csv_header(path) %}
    {% set found = run_query(
        "select regexp_extract(content, '^\\x{FEFF}?([^\\r\\n]*)', 1) from read_text('" ~ path ~ "')"
    ) %}
    {% set names = [] %}
    {% for name in found.rows[0][0].split(',') %}
        {% do names.append(name.strip().strip('"')) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}

{# The file that a seed is loaded from. #}
{% macro policy_table_path(model) %}
    {% set directory = env_var('HANDOFF_POLICY_DIR', '') %}
    {% if directory %}
        {% if not directory.startswith('/') and ':' not in directory %}
            {% set directory = model['root_path'] ~ '/' ~ directory %}
        {% endif %}
        {% set path = directory ~ '/' ~ model['name'] ~ '.csv' %}
        {% set found = run_query(
            "select count(*) from glob('" ~ path | replace("'", "''") ~ "')"
        ) %}
        {% if found.rows[0][0] %}
            {{ return(path) }}
        {% endif %}
    {% endif %}
    {{ return(adapter.get_seed_file_path(model)) }}
{% endmacro %}

{# A seed is made anew instead of emptied: a column's type may have changed. #}
{% macro duckdb__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {% do adapter.drop_relation(old_relation) %}
    {{ return(create_csv_table(model, agate_table)) }}
{% endmacro %}

{#
    dbt calls load_csv_rows only for a seed whose own file has rows, but a table that ships empty
    (exclusions, holidays ...) may have rows in a policy of one's own. So rows are loaded in
    get_csv_sql, which dbt calls for every seed.
#}
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {{ return('') }}
{% endmacro %}

{% macro duckdb__get_csv_sql(create_or_truncate_sql, insert_sql) %}
    {% set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | list %}
    {% do load_policy_table(model, columns) %}
    {#- By its comment a run sees that it need not load the table again. -#}
    {% do adapter.add_query(
        "comment on table " ~ this.render()
        ~ " is '" ~ env_var('HANDOFF_POLICY_FINGERPRINT', '') ~ "'"
    ) %}
    {{ return(create_or_truncate_sql) }}
{% endmacro %}
