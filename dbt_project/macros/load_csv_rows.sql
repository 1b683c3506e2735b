{#
    Load a seed as the CSV standard says. The adapter's own way guesses the dialect, and an
    apostrophe or a line end of another editor makes it guess wrong.
#}
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {% set sql %}
        copy {{ this.render() }} from '{{ adapter.get_seed_file_path(model) }}' (
            format csv, header true, auto_detect false,
            delimiter ',', quote '"', escape '"', nullstr '',
            strict_mode false
        )
    {% endset %}
    {% do adapter.add_query(sql, abridge_sql_log=True) %}
    {{ return(sql) }}
{% endmacro %}
