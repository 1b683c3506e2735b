{%- set id_columns = {
    'leads': ['lead_id'],
    'stage_changes': ['lead_id', 'change_id'],
    'activities': ['activity_id'],
    'engagements': ['engagement_id'],
    'opportunities': ['opportunity_id'],
    'owner_changes': ['lead_id', 'changed_at'],
    'reps': ['rep_id'],
    'channel_spend': ['spend_date', 'channel']
} -%}
-- Rows read = rows staged + rows quarantined + exact duplicates dropped, per table.
with rows_read as (

    select
        source_system,
        table_name,
        sum(rows_read) as rows_read
    from {{ ref('stg_handoff__loads') }}
    where is_current
    group by source_system, table_name

),

delivered as (

    {% for table in id_columns -%}
        select
            source_system,
            '{{ table }}' as table_name,
            count(*) as row_count
        from {{ ref('int_contract__' ~ table) }}
        group by source_system
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

rejected as (

    select
        source_system,
        table_name,
        count(*) as row_count
    from {{ ref('stg_handoff__rejected_rows') }}
    group by source_system, table_name

),

copies as (

    {% for table, columns in id_columns.items() -%}
        select
            source_system,
            '{{ table }}' as table_name,
            exact_duplicates,
            contradicting_rows,
            contradicting_samples
        from (
            {{ count_repeated_ids(
                ref('int_contract__' ~ table), columns
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

-- A table of which no row could be read is one that was delivered too.
present as (

    select
        source_system,
        table_name
    from delivered
    union
    select
        source_system,
        table_name
    from rejected

),

final as (

    select
        present.source_system,
        present.table_name,
        cast(
            coalesce(
                rows_read.rows_read,
                coalesce(delivered.row_count, 0) + coalesce(rejected.row_count, 0)
            ) as bigint
        ) as rows_read,
        cast(
            coalesce(delivered.row_count, 0)
            + coalesce(rejected.row_count, 0)
            - coalesce(copies.exact_duplicates, 0)
            - coalesce(quarantined.row_count, 0) as bigint
        ) as rows_staged,
        cast(coalesce(quarantined.row_count, 0) as bigint) as rows_quarantined,
        cast(coalesce(copies.exact_duplicates, 0) as bigint) as exact_duplicates,
        -- The spend of a day and channel adds up.
        cast(case
            when present.table_name = 'channel_spend' then 0
            else coalesce(copies.contradicting_rows, 0)
        end as bigint) as contradicting_rows,
        case
            when present.table_name <> 'channel_spend'
                then copies.contradicting_samples
        end as contradicting_samples
    from present
    left join delivered
        on
            present.source_system = delivered.source_system
            and present.table_name = delivered.table_name
    left join rows_read
        on
            present.source_system = rows_read.source_system
            and present.table_name = rows_read.table_name
    left join rejected
        on
            present.source_system = rejected.source_system
            and present.table_name = rejected.table_name
    left join copies
        on
            present.source_system = copies.source_system
            and present.table_name = copies.table_name
    left join quarantined
        on
            present.source_system = quarantined.source_system
            and present.table_name = quarantined.table_name

)

select * from final
