{%- set id_columns = {
    'leads': ['lead_id'],
    'stage_changes': ['lead_id', 'change_id'],
    'activities': ['activity_id'],
    'engagements': ['engagement_id'],
    'opportunities': ['opportunity_id'],
    'owner_changes': ['lead_id', 'changed_at_text'],
    'reps': ['rep_id'],
    'channel_spend': ['spend_date_text', 'channel']
} -%}
-- Rows read = rows staged + rows quarantined + exact duplicates dropped, per table.
with rows_read as (

    select
        source_system,
        table_name,
        sum(rows_read) as rows_read
    from {{ source('raw', 'loads') }}
    where is_current
    group by source_system, table_name

),

delivered as (

    {% for table in id_columns -%}
        select
            source_system,
            '{{ table }}' as table_name,
            count(*) as row_count
        from {{ ref('stg_contract__' ~ table) }}
        group by source_system
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

rejected as (

    select
        source_system,
        table_name,
        count(*) as row_count
    from {{ source('raw', 'rejected_rows') }}
    group by source_system, table_name

),

copies as (

    {% for table, columns in id_columns.items() -%}
        select
            source_system,
            '{{ table }}' as table_name,
            exact_duplicates
        from (
            {{ count_exact_duplicates(
                ref('stg_contract__' ~ table), columns
            ) | indent(12) }}
        ) as {{ table }}_copies
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

quarantined as (

    select
        source_system,
        table_name,
        count(*) as row_count
    from {{ ref('quarantine') }}
    group by source_system, table_name

),

final as (

    select
        delivered.source_system,
        delivered.table_name,
        cast(
            coalesce(
                rows_read.rows_read,
                delivered.row_count + coalesce(rejected.row_count, 0)
            ) as bigint
        ) as rows_read,
        cast(
            delivered.row_count
            + coalesce(rejected.row_count, 0)
            - coalesce(copies.exact_duplicates, 0)
            - coalesce(quarantined.row_count, 0) as bigint
        ) as rows_staged,
        cast(coalesce(quarantined.row_count, 0) as bigint) as rows_quarantined,
        cast(coalesce(copies.exact_duplicates, 0) as bigint) as exact_duplicates
    from delivered
    left join rows_read
        on
            delivered.source_system = rows_read.source_system
            and delivered.table_name = rows_read.table_name
    left join rejected
        on
            delivered.source_system = rejected.source_system
            and delivered.table_name = rejected.table_name
    left join copies
        on
            delivered.source_system = copies.source_system
            and delivered.table_name = copies.table_name
    left join quarantined
        on
            delivered.source_system = quarantined.source_system
            and delivered.table_name = quarantined.table_name

)

select * from final
