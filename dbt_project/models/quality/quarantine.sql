{%- set tables_about_leads = [
    'stage_changes', 'activities', 'engagements', 'opportunities', 'owner_changes'
] -%}
{%- set tables = ['leads'] + tables_about_leads + ['reps', 'channel_spend'] -%}
-- Rows that can't be used, each once, with the reason and the row as it came.
with known_leads as (

    select
        source_system,
        false as is_of_opportunity,
        lead_id
    from {{ ref('int_lead_versions') }}
    union all
    -- Only an opportunity may name several leads; one that is known is enough.
    select distinct
        source_system,
        true as is_of_opportunity,
        lead_ids as lead_id
    from {{ ref('int_opportunity_leads') }}

),

named_leads as (

    {% for table in tables_about_leads -%}
        select
            source_system,
            {{ (table == 'opportunities') | lower }} as is_of_opportunity,
            lead_id
        from {{ ref('int_contract__' ~ table) }}
        where lead_id is not null
        {% if not loop.last %}union{% endif %}
    {% endfor %}

),

-- Few or none: looking for them first spares writing every row as JSON.
unknown_leads as (

    select
        named_leads.source_system,
        named_leads.is_of_opportunity,
        named_leads.lead_id
    from named_leads
    left join known_leads
        on
            named_leads.source_system = known_leads.source_system
            and named_leads.is_of_opportunity = known_leads.is_of_opportunity
            and named_leads.lead_id = known_leads.lead_id
    where known_leads.lead_id is null

),

unusable as (

    {% for table in tables -%}
        select
            source_system,
            load_id,
            '{{ table }}' as table_name,
            source_file,
            source_row,
            problem_column as column_name,
            problem as reason,
            row_text,
            extra_columns,
            row_json
        from {{ ref('int_contract__' ~ table) }}
        where problem is not null
        union all
    {% endfor %}
    {% for table in tables_about_leads -%}
        select
            about_leads.source_system,
            about_leads.load_id,
            '{{ table }}' as table_name,
            about_leads.source_file,
            about_leads.source_row,
            'lead_id' as column_name,
            'unknown lead' as reason,
            about_leads.row_text,
            about_leads.extra_columns,
            about_leads.row_json
        from {{ ref('int_contract__' ~ table) }} as about_leads
        inner join unknown_leads
            on
                about_leads.source_system = unknown_leads.source_system
                and about_leads.lead_id = unknown_leads.lead_id
                and unknown_leads.is_of_opportunity
                = {{ (table == 'opportunities') | lower }}
        where about_leads.problem is null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

-- Of exact duplicates one is kept; the others are counted as duplicates.
ranked as (

    select
        *,
        row_number() over (
            partition by
                source_system, table_name, row_text, coalesce(extra_columns, '')
            order by load_id desc, source_file asc, source_row asc
        ) as copy_rank
    from unusable

),

final as (

    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        column_name,
        reason,
        row_json
    from ranked
    where copy_rank = 1
    union all
    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        column_name,
        reason,
        row_json
    from {{ ref('stg_handoff__rejected_rows') }}

)

select * from final
