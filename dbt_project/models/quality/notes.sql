{#- The kinds of notes, the most important first: how serious, and what to do. -#}
{%- set kinds = {
    'no_stage': ('warning', 'map the column that holds the stage (current_stage), or its changes'),
    'unmapped_stages': ('warning', 'map them: handoff doctor --write-stage-map lists them'),
    'unreadable_values': ('warning', 'see quality.unreadable_values; fix the export or the mapping'),
    'rows_in_quarantine': ('warning', 'fix the quotes or delimiters of these lines'),
    'ids_spelled_differently': ('warning', 'export ids as text, spelled alike in all files: 007, 7 and 7.0, a1 and A1 are different ids'),
    'currency_without_rate': ('warning', 'add a rate to currency_rates: the amounts are unknown'),
    'amounts_of_nobody': ('info', 'if one should count, name a lead first that is in the marts'),
    'dates_without_time': ('info', 'export them with their times: what came first on such a day is not known'),
    'unknown_references': ('info', 'look whether ids lost their zeros, or their table is cut off'),
    'contradictions': ('warning', 'check why the export holds them twice: of leads the latest updated counts, else the greatest row'),
    'unknown_kinds': ('info', 'map them with values, or add them to the policy'),
    'words_for_nothing': ('info', 'map them to empty in values, if that is what they mean'),
    'never_filled': ('info', 'export it too: what needs it is not judged for this source'),
    'before_creation': ('info', 'look whether leads have the creation date of an import'),
    'leads_without_stage': ('info', 'they are in no cycle; export their stages if they have any'),
    'no_history': ('info', 'export the stage changes: a current stage has no date of its own'),
    'ingestion': ('as its reader says', ''),
    'later_than_as_of': ('info', 'a later run counts them'),
    'format_decided': ('info', 'see quality.column_formats; name the format if it is another one'),
    'currency_decided': ('info', 'set lifecycle.currency for another one')
} -%}
{#- By the reason of rows in quarantine; of any other they are broken lines. -#}
{%- set fixes = {
    'unknown lead': 'export these leads, too, or the id that the leads have',
    'required value is missing': 'fill it in the CRM, or map the column that holds it'
} -%}
{%- for reason, fix in unreadable_kinds().values() -%}
    {%- do fixes.update({reason: fix, 'required ' ~ reason: fix}) -%}
{%- endfor -%}
-- What the run did not understand, left out or had to decide.
with noticed as (

    {% for subject in ['lead', 'value', 'consistency', 'reference'] -%}
        select
            *,
            cast(null as {{ dbt.type_string() }}) as reason
        from {{ ref(subject ~ '_notes') }}
        union all
    {% endfor -%}
    select
        source_system,
        'rows_in_quarantine' as kind,
        table_name || coalesce('.' || column_name, '') as place,
        'rows that can''t be used: ' || reason as note,
        count(*) as row_count,
        {{ few_texts(
            'coalesce(' ~ json_text('row_json', 'column_name')
            ~ ", source_file || ' row ' || source_row)"
        ) }} as samples,
        reason
    from {{ ref('quarantine') }}
    group by source_system, table_name, column_name, reason

),

known_loads as (

    select
        loaded_by as source_system,
        load_id
    from {{ ref('stg_handoff__loads') }}
    union all
    select
        source_system,
        load_id
    from {{ ref('stg_handoff__ingestion_notes') }}

),

latest_loads as (

    select
        source_system,
        max(load_id) as load_id
    from known_loads
    group by source_system

),

ingestion_notes as (

    select notes.*
    from {{ ref('stg_handoff__ingestion_notes') }} as notes
    inner join latest_loads
        on
            notes.source_system = latest_loads.source_system
            and notes.load_id = latest_loads.load_id

),

final as (

    select
        source_system,
        kind,
        case kind
            {%- for kind, (severity, _) in kinds.items() %}
                when '{{ kind }}' then '{{ severity }}'
            {%- endfor %}
        end as severity,
        case kind
            {%- for kind in kinds %}
                when '{{ kind }}' then {{ loop.index }}
            {%- endfor %}
        end as kind_rank,
        place,
        note,
        row_count,
        samples,
        coalesce(
            case reason
                {%- for reason, fix in fixes.items() %}
                    when '{{ reason }}' then '{{ fix }}'
                {%- endfor %}
            end,
            case kind
                {%- for kind, (_, what_to_do) in kinds.items() %}
                    when '{{ kind }}' then '{{ what_to_do }}'
                {%- endfor %}
            end
        ) as what_to_do,
        reason
    from noticed
    union all
    select
        source_system,
        'ingestion' as kind,
        severity,
        {{ (kinds.keys() | list).index('ingestion') + 1 }} as kind_rank,
        table_name as place,
        message as note,
        cast(null as bigint) as row_count,
        cast(null as {{ dbt.type_string() }}) as samples,
        cast(null as {{ dbt.type_string() }}) as what_to_do,
        cast(null as {{ dbt.type_string() }}) as reason
    from ingestion_notes

)

select * from final
