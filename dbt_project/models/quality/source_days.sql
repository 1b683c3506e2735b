{%- set dated_rows = {
    'leads': ('dim_leads', 'created_at'),
    'stage_changes': ('int_stage_changes', 'changed_at'),
    'activities': ('fct_activities', 'occurred_at'),
    'engagements': ('fct_engagements', 'occurred_at'),
    'opportunities': ('fct_opportunities', 'created_at'),
    'owner_changes': ('int_contract__owner_changes', 'changed_at')
} -%}
-- Usable rows of each table by the day that dates them, up to as_of; a deal once.
with run_parameters as (

    select
        as_of,
        timezone
    from {{ ref('stg_handoff__run_parameters') }}

),

dated as (

    {% for table, (model, moment) in dated_rows.items() -%}
        select
            source_system,
            '{{ table }}' as table_name,
            {{ moment }} as dated_at
        from {{ ref(model) }}
        {% if table == 'opportunities' %}where is_primary_lead{% endif %}
        union all
    {% endfor -%}
    select
        spend.source_system,
        'channel_spend' as table_name,
        {{ local_to_utc(
            'cast(spend.spend_date as timestamp)', 'run_parameters.timezone'
        ) }} as dated_at
    from {{ ref('int_contract__channel_spend') }} as spend
    cross join run_parameters

),

final as (

    select
        dated.source_system,
        dated.table_name,
        cast(dated.dated_at as date) as source_date,
        cast(run_parameters.as_of as date) as as_of_date,
        run_parameters.as_of,
        max(dated.dated_at) as newest_at,
        count(*) as row_count
    from dated
    cross join run_parameters
    where dated.dated_at <= run_parameters.as_of
    group by
        dated.source_system,
        dated.table_name,
        cast(dated.dated_at as date),
        run_parameters.as_of

)

select * from final
