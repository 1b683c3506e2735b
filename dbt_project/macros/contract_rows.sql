{#
    The rows of a contract table that the sources delivered: those of files, and those of every CRM
    that `crms` in dbt_project.yml registers for the table. A run builds
    only the CRMs that it has a use for, and names them in HANDOFF_CRMS.
#}
{% macro delivered_rows(table) -%}
    {%- set built = env_var('HANDOFF_CRMS', 'all') -%}
    select * from {{ ref('stg_files__' ~ table) }}
    {%- for crm, tables in var('crms').items()
        if table in tables and (built == 'all' or crm in built.split()) %}
    union all
    select * from {{ ref('int_' ~ crm ~ '__' ~ table) }}
    {%- endfor %}
{%- endmacro %}

{#
    The contract's rows as text: what "the greatest row as text" and "exact duplicate" compare.
    The separator sorts before anything a CRM holds, so comparing the joined text compares the
    columns in order.
#}
{% macro row_text(columns) -%}
    concat(
        {%- for column in columns %}
            coalesce({{ column }}, ''){{ ", chr(1)," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{# A text that policy is compared with: without case and outer spaces, empty as null. #}
{% macro normalised(text) -%}
    nullif(lower(trim({{ text }})), '')
{%- endmacro %}

{#
    Exact duplicates per source of a staged table: rows that are equal in every column. Only ids
    that stand more than once are compared whole.
#}
{% macro count_exact_duplicates(relation, id_columns) -%}
select
    repeated_rows.source_system,
    count(*) - count(distinct md5(
        repeated_rows.row_text || chr(1) || coalesce(repeated_rows.extra_columns, '')
    )) as exact_duplicates
from {{ relation }} as repeated_rows
inner join (
    select
        source_system,
        {%- for column in id_columns %}
            coalesce({{ column }}, '') as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    group by {% for at in range(id_columns | length + 1) -%}
        {{ at + 1 }}{{ ', ' if not loop.last }}
    {%- endfor %}
    having count(*) > 1
) as repeated_ids
    on
        repeated_rows.source_system = repeated_ids.source_system
        {%- for column in id_columns %}
            and coalesce(repeated_rows.{{ column }}, '') = repeated_ids.{{ column }}
        {%- endfor %}
group by repeated_rows.source_system
{%- endmacro %}

{# The same for stage changes, which say in the page's order which row of an id holds. #}
{% macro one_change_per_id(relation) -%}
    {{ one_row_per_id(
        relation,
        ['lead_id', 'change_id'],
        [
            'usable.load_id desc',
            'usable.changed_at desc',
            "coalesce(usable.to_stage, '') desc",
            "coalesce(usable.from_stage, '') desc",
            "coalesce(usable.reason, '') desc",
            "coalesce(usable.changed_by, '') desc"
        ]
    ) }}
{%- endmacro %}

{#
    Three CTEs, the last one `chosen`: the rows of a staged table that can be used, one per id; of
    several the first by the given order. Ordering whole rows is costly, so only ids that stand
    more than once are ordered.
#}
{% macro one_row_per_id(relation, id_columns, order_by) -%}
repeated as (

    select
        source_system
        {%- for column in id_columns %},
        {{ column }}
        {%- endfor %}
    from {{ relation }}
    where problem is null
    group by
        source_system
        {%- for column in id_columns %},
        {{ column }}
        {%- endfor %}
    having count(*) > 1

),

ranked as (

    select
        usable.*,
        row_number() over (
            partition by
                usable.source_system
                {%- for column in id_columns %},
                usable.{{ column }}
                {%- endfor %}
            order by {{ order_by | join(', ') }}
        ) as version_rank
    from {{ relation }} as usable
    inner join repeated
        on
            usable.source_system = repeated.source_system
            {%- for column in id_columns %}
            and usable.{{ column }} = repeated.{{ column }}
            {%- endfor %}
    where usable.problem is null

),

chosen as (

    select
        usable.*,
        1 as version_rank
    from {{ relation }} as usable
    left join repeated
        on
            usable.source_system = repeated.source_system
            {%- for column in id_columns %}
            and usable.{{ column }} = repeated.{{ column }}
            {%- endfor %}
    where
        usable.problem is null
        and repeated.source_system is null
    union all
    select * from ranked
    where version_rank = 1

)
{%- endmacro %}
