{%- set tables = [
    'leads', 'stage_changes', 'activities', 'engagements', 'opportunities', 'owner_changes',
    'reps', 'channel_spend'
] -%}
-- Every value that is there and could not be read, as it was written.
with rows_with_some as (

    {% for table in tables -%}
        select
            source_system,
            load_id,
            '{{ table }}' as table_name,
            source_file,
            source_row,
            unreadable,
            row_json
        from {{ ref('int_contract__' ~ table) }}
        where unreadable is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

listed as (

    select
        *,
        {{ split_to_rows('unreadable') }} as column_and_reason
    from rows_with_some

),

columns as (

    select
        *,
        split_part(column_and_reason, ': ', 1) as column_name,
        split_part(column_and_reason, ': ', 2) as reason
    from listed

),

final as (

    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        column_name,
        {{ json_text('row_json', 'column_name') }} as value_text,
        reason
    from columns
    union all
    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        '~merged_ids' as column_name,
        listed_id as value_text,
        '{{ not_readable('id') }}' as reason
    from {{ ref('int_contract__merge_lists') }}
    where merged_id is null

)

select * from final
