{# The rows of a raw table of files, with what `raw.files` says of each one's file. #}
{% macro rows_of_files(table) -%}
select
    files.source_system,
    files.source_file,
    delivered.*
from {{ source('files', table) }} as delivered
inner join {{ source('files', 'files') }} as files
    on delivered.file_id = files.file_id
{%- endmacro %}

{#
    The rows of a contract table that the sources delivered: those of files, and those of every CRM
    that `crms` in dbt_project.yml registers for the table. A run builds
    only the CRMs that it has a use for, and names them in HANDOFF_CRMS. `<time>_utc`: the instant
    of a time that a file gave as one.
#}
{% macro delivered_rows(table) -%}
    {%- set built = env_var('HANDOFF_CRMS', 'all') -%}
    {%- set relations = [(ref('stg_files__' ~ table), true)] -%}
    {%- for crm, tables in var('crms').items()
        if table in tables and (built == 'all' or crm in built.split()) -%}
        {%- do relations.append((ref('int_' ~ crm ~ '__' ~ table), false)) -%}
    {%- endfor -%}
    {%- for relation, has_instants in relations %}
    select
        source_system,
        load_id,
        source_file,
        source_row,
        {%- for name, kind, _ in contract_columns(table) %}
        {%- if kind == 'time' and has_instants %}
        coalesce({{ name }}, {{ utc_text(name ~ '_utc') | indent(8) }}) as {{ name }},
        {{ name }}_utc,
        {%- elif kind == 'time' %}
        {{ name }},
        cast(null as timestamp) as {{ name }}_utc,
        {%- else %}
        {{ name }},
        {%- endif %}
        {%- endfor %}
        extra_columns
    from {{ relation }}
    {{ 'union all' if not loop.last }}
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
    Rows of one id per source of a staged table: exact duplicates (equal in every column), and
    usable rows that contradict another one of their id and load. Only ids that stand more than
    once are compared whole.
#}
{% macro count_repeated_ids(relation, id_columns) -%}
select
    source_system,
    sum(copies) as exact_duplicates,
    sum(version_count - load_count) as contradicting_rows,
    {{ few_texts('case when version_count > load_count then ' ~ id_columns[0] ~ ' end') }}
        as contradicting_samples
from (
    select
        repeated_rows.source_system,
        repeated_ids.{{ id_columns[0] }},
        count(*) - count(distinct md5(
            repeated_rows.row_text || chr(1) || coalesce(repeated_rows.extra_columns, '')
        )) as copies,
        count(distinct case
            when repeated_rows.problem is null
                then repeated_rows.load_id || md5(repeated_rows.row_text)
        end) as version_count,
        count(distinct case
            when repeated_rows.problem is null then repeated_rows.load_id
        end) as load_count
    from {{ relation }} as repeated_rows
    inner join (
        select
            source_system,
            {%- for column in id_columns %}
                coalesce(cast({{ column }} as varchar), '') as {{ column }}
                {{- ',' if not loop.last }}
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
                and coalesce(cast(repeated_rows.{{ column }} as varchar), '')
                    = repeated_ids.{{ column }}
            {%- endfor %}
    group by
        repeated_rows.source_system
        {%- for column in id_columns %},
            repeated_ids.{{ column }}
        {%- endfor %}
) as repeated
group by source_system
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

{#
    The columns of a contract table, as `contract` in dbt_project.yml lists them: name, kind, and
    what an empty value means: `required` (the row can't be used), `said` (something), else nothing.
#}
{% macro contract_columns(table) -%}
    {%- set columns = [] -%}
    {%- for item in var('contract')[table].split() -%}
        {%- set column, kind = (item ~ ':text').split(':')[:2] -%}
        {%- set empty = {'*': 'required', '!': 'said'}.get(column[-1], '') -%}
        {%- do columns.append((column.rstrip('*!'), kind, empty)) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#
    By the kind of a column what is said of a value that is there and can't be read, and what to do
    about the row that it puts into quarantine.
#}
{% macro unreadable_kinds() -%}
    {%- set time = 'time has the day or the month first (name its format in time_formats or stage_dates)' -%}
    {%- set number = 'number has a mark of decimals or of thousands (name it in decimal_marks)' -%}
    {%- set id = 'id is in scientific notation or stands for nothing (export ids as text)' -%}
    {%- set as_it_says = 'fix the export or the mapping as the reason says' -%}
    {%- set fix_values = 'fix these values in the CRM or the export' -%}
    {%- set name_format = 'fix these values, or name their format in time_formats' -%}
    {{ return({
        'id': (id, as_it_says),
        'event_id': (id, as_it_says),
        'time': ("time can''t be read", name_format),
        'date': ("date can''t be read", name_format),
        'open_time': (time, as_it_says),
        'open_date': (time, as_it_says),
        'whole': ("number can''t be read", fix_values),
        'number': ("number can''t be read", fix_values),
        'money': ("number can''t be read", fix_values),
        'open_number': (number, as_it_says),
        'open_money': (number, as_it_says),
        'flag': ("truth value can''t be read", 'say what they mean in values of the mapping')
    }) }}
{%- endmacro %}

{# What is said of a value that is there and can't be read, by the kind of its column. #}
{% macro not_readable(kind) -%}
    {{ return(unreadable_kinds()[kind][0]) }}
{%- endmacro %}

{#
    Which date column a stage change was made of, as stage and header (`mql:MQL Date`): columns
    of an export are written each in its own way. Empty for all else.
#}
{% macro stage_date(table) -%}
    {%- if table == 'stage_changes' -%}
    case
        when extra_columns like '%~stage_date%'
            then {{ json_text('extra_columns', "'~stage_date'") }}
        else ''
    end
    {%- else -%}
    ''
    {%- endif -%}
{%- endmacro %}

{# Which configured source brought a load: one that adds to the leads of another keeps its ways. #}
{% macro loaders() -%}
    select distinct
        source_system,
        load_id,
        loaded_by
    from {{ ref('stg_handoff__loads') }}
{%- endmacro %}

{#
    A contract table's rows of every source, each value read once: the last CTE is `typed_rows`. A
    row that can't be used names the column (`problem_column`) and says why (`problem`);
    `unreadable` lists the columns whose value is there and can't be read, each with the reason
    (`updated_at: time can't be read`). `computed`: more columns, as SQL over the delivered texts.
    `left_out`: columns that stay here.
#}
{% macro typed_rows(table, computed={}, left_out=[]) -%}
{%- set columns = contract_columns(table) -%}
{#- What exports write of a person who may have left, instead of yes and no. -#}
{%- set active_words = ['active', 'aktiv', 'activo', 'activa', 'actif'] -%}
{%- set inactive_words = ['inactive', 'inaktiv', 'inactivo', 'inactiva', 'inactif'] -%}
{%- set names = columns | map('first') | list -%}
{%- set times, instants, numbers, with_format, to_read = [], [], {}, [], [] -%}
{%- for name, kind, _ in columns -%}
    {%- if kind in ['time', 'date'] -%}{%- do times.append(name) -%}{%- endif -%}
    {%- if kind == 'time' -%}{%- do instants.append(name) -%}{%- endif -%}
    {%- if kind in ['whole', 'number', 'money'] -%}
        {%- do numbers.update({name: kind}) -%}
    {%- endif -%}
    {%- if kind in ['time', 'date', 'number', 'money'] -%}
        {%- do with_format.append(name) -%}
    {%- endif -%}
    {%- if kind != 'text' -%}{%- do to_read.append(name) -%}{%- endif -%}
{%- endfor -%}
{#- Why a row can't be used, the first that fits: condition, column, what is said of it. -#}
{%- set problems = [] -%}
{%- for name, kind, empty in columns | sort(attribute='2') if empty -%}
    {%- set required = 'required ' if empty == 'required' else '' -%}
    {%- if name in with_format -%}
        {%- do problems.append((
            name ~ ' is null and ' ~ name ~ '_is_open', name, required ~ not_readable('open_' ~ kind)
        )) -%}
    {%- endif -%}
    {%- if name in to_read -%}
        {%- do problems.append(
            (name ~ ' is null and ' ~ name ~ '_is_there', name, required ~ not_readable(kind))
        ) -%}
    {%- endif -%}
    {%- if empty == 'required' -%}
        {%- do problems.append((name ~ ' is null', name, 'required value is missing')) -%}
    {%- endif -%}
{%- endfor -%}
delivered as (

    {{ delivered_rows(table) }}

),

formats as (

    select
        source_system,
        stage_date
        {%- for name in with_format %},
        max(case when column_name = '{{ name }}' then decided end) as {{ name }}_format
        {%- endfor %}
    from {{ ref('int_contract__formats') }}
    where table_name = '{{ table }}'
    group by source_system, stage_date

),

run_zone as (

    select
        timezone as date_zone,
        hash_key
    from {{ ref('stg_handoff__run_parameters') }}

),

loaders as (

    {{ loaders() | indent(4) }}

),

own_zones as (

    select
        source_system,
        timezone as time_zone
    from {{ ref('stg_handoff__sources') }}

),

written as (

    select
        delivered.*,
        {{ row_text(names) | indent(8) }} as row_text,
        {{ row_as_json(names) | indent(8) }} as row_json,
        {%- for name in times %}
        {%- if name in instants %}
        case
            when delivered.{{ name }}_utc is null
                then {{ written_date('delivered.' ~ name) | indent(16) }}
        end as {{ name }}_written,
        {%- else %}
        {{ written_date('delivered.' ~ name) | indent(8) }} as {{ name }}_written,
        {%- endif %}
        {%- endfor %}
        {%- for name, kind in numbers.items() %}
        {{ bare_number('delivered.' ~ name, kind == 'money') | indent(8) }} as {{ name }}_bare,
        {%- endfor %}
        {%- for name in with_format %}
        formats.{{ name }}_format,
        {%- endfor %}
        coalesce(own_zones.time_zone, run_zone.date_zone) as time_zone,
        run_zone.date_zone,
        run_zone.hash_key
    from delivered
    cross join run_zone
    left join loaders
        on
            delivered.source_system = loaders.source_system
            and delivered.load_id = loaders.load_id
    left join own_zones
        on coalesce(loaders.loaded_by, delivered.source_system) = own_zones.source_system
    left join formats
        on
            coalesce(loaders.loaded_by, delivered.source_system) = formats.source_system
            and {{ stage_date(table) | indent(12) }} = formats.stage_date

),

shown as (

    select
        *
        {%- for name in times %},
        {{ iso_text(
            name ~ '_written', "coalesce(" ~ name ~ "_format, 'undecided')"
        ) | indent(8) }} as {{ name }}_iso
        {%- endfor %}
        {%- for name in times %},
        case
            when {{ name }}_format = 'undecided'
                then {{ day_order_shown(name ~ '_written') | indent(16) }}
        end as {{ name }}_mark
        {%- endfor %}
        {%- for name in numbers %},
        {{ decimal_mark_shown(name ~ '_bare') | indent(8) }} as {{ name }}_mark
        {%- endfor %}
    from written

),

moments as (

    select
        *
        {%- for name in times %},
        {{ iso_moment(name ~ '_iso') | indent(8) }} as {{ name }}_moment
        {%- endfor %}
    from shown

),

cast_rows as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        row_text,
        row_json,
        extra_columns
        {%- for name, expression in computed.items() %},
        {{ expression | indent(8) }} as {{ name }}
        {%- endfor %}
        {%- for name in to_read %},
        {{ name }} is not null as {{ name }}_is_there
        {%- endfor %}
        {%- for name in with_format %},
        -- One with two readings needs a setting.
        coalesce(
            {{ name }}_format = 'undecided'
            and {{ name }}_mark = 'either', false
        ) as {{ name }}_is_open
        {%- endfor %}
        {%- for name, kind, _ in columns if name not in left_out %},
        {% if kind == 'event_id' -%}
        coalesce({{ read_id(name) | indent(8) }}, 'made:' || md5(row_text)) as {{ name }}
        {%- elif kind == 'text' -%}
        {{ name }}
        {%- elif kind == 'id' -%}
        {{ read_id(name) | indent(8) }} as {{ name }}
        {%- elif kind == 'time' -%}
        coalesce(
            {{ name }}_utc,
            {{ moment_in_utc(
                name ~ '_moment', name ~ '_iso', 'time_zone', 'date_zone'
            ) | indent(12) }}
        ) as {{ name }}
        {%- elif kind == 'date' -%}
        cast({{ name }}_moment as date) as {{ name }}
        {%- elif kind == 'flag' -%}
        {{ parse_boolean(
            name,
            {'is_won': deal_words('won'), 'is_active': active_words}.get(name, []),
            {'is_won': deal_words('lost'), 'is_active': inactive_words}.get(name, [])
        ) | indent(8) }} as {{ name }}
        {%- else -%}
        try_cast({{ plain_number(
            name ~ '_bare',
            name ~ '_mark',
            "'whole'" if kind == 'whole' else "coalesce(" ~ name ~ "_format, 'dot')"
        ) | indent(8) }} as {{ 'decimal(18, 2)' if kind == 'money' else 'double' }}) as {{ name }}
        {%- endif %}
        {%- endfor %}
    from moments

),

typed_rows as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        row_text,
        row_json,
        extra_columns
        {%- for name in (computed.keys() | list) + names if name not in left_out %},
        {{ name }}
        {%- endfor %},
        nullif(concat_ws(
            ';'
            {%- for name, kind, _ in columns if name in to_read %},
            case
                when
                    {{ name }}_is_there and {{ name }}
                    {{ "like 'made:%'" if kind == 'event_id' else 'is null' }}
                    then
                        '{{ name }}: ' || {% if name in with_format -%}
                        case
                            when {{ name }}_is_open then '{{ not_readable('open_' ~ kind) }}'
                            else '{{ not_readable(kind) }}'
                        end
                        {%- else -%}
                        '{{ not_readable(kind) }}'
                        {%- endif %}
            end
            {%- endfor %}
        ), '') as unreadable,
        case
            {%- for condition, name, _ in problems %}
            when {{ condition }} then '{{ name }}'
            {%- endfor %}
        end as problem_column,
        case
            {%- for condition, _, problem in problems %}
            when {{ condition }} then '{{ problem }}'
            {%- endfor %}
        end as problem
    from cast_rows

)
{%- endmacro %}

{#
    How the values of one column of an export are written, counted by what each one shows: the
    column's format is decided from all of them.
#}
{% macro shown_formats(table) -%}
{%- set columns = contract_columns(table)
    | selectattr(1, 'in', ['time', 'date', 'number', 'money']) | list -%}
    {%- for name, kind, _ in columns %}
    select
        source_system,
        '{{ table }}' as table_name,
        '{{ name }}' as column_name,
        stage_date,
        '{{ 'date order' if kind in ['time', 'date'] else 'decimal mark' }}' as format_kind,
        {% if kind in ['time', 'date'] -%}
        {{ day_order_shown('written') | indent(8) }}
        {%- else -%}
        {{ decimal_mark_shown('written') | indent(8) }}
        {%- endif %} as shown,
        count(*) as value_count,
        min(written) as sample
    from (
        select
            coalesce(loaders.loaded_by, delivered.source_system) as source_system,
            {{ stage_date(table) | indent(12) }} as stage_date,
            {{ (
                written_date(name) if kind in ['time', 'date']
                else bare_number(name, kind == 'money')
            ) | indent(12) }} as written
        from {{ ref('stg_files__' ~ table) }} as delivered
        left join loaders
            on
                delivered.source_system = loaders.source_system
                and delivered.load_id = loaders.load_id
        where {{ name }} is not null
    ) as values_of_{{ name }}
    group by source_system, stage_date, shown
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
{%- endmacro %}
