{#- The tables that have ids, and the columns that refer to them. -#}
{%- set ids = {
    'leads': 'lead_id', 'opportunities': 'opportunity_id', 'reps': 'rep_id'
} -%}
{%- set references = [
    ('leads', 'merged_into_lead_id', 'leads'), ('leads', 'owner_id', 'reps'),
    ('opportunities', 'merged_into_opportunity_id', 'opportunities'),
    ('opportunities', 'owner_id', 'reps'), ('owner_changes', 'owner_id', 'reps'),
    ('activities', 'rep_id', 'reps')
] -%}
-- Notes on ids that refer to nothing that the source has.
with named_ids as (

    {% for table, column, known in references -%}
        select
            source_system,
            '{{ table }}.{{ column }}' as place,
            '{{ known }}' as known_table,
            {{ column }} as named_id,
            false as is_in_quarantine,
            count(*) as row_count
        from {{ ref('int_contract__' ~ table) }}
        where problem is null and {{ column }} is not null
        group by source_system, {{ column }}
        union all
    {% endfor -%}
    select
        source_system,
        table_name || '.lead_id' as place,
        'leads' as known_table,
        {{ json_text('row_json', "'lead_id'") }} as named_id,
        true as is_in_quarantine,
        count(*) as row_count
    from {{ ref('quarantine') }}
    where reason = 'unknown lead'
    group by source_system, table_name, {{ json_text('row_json', "'lead_id'") }}

),

-- Rows in quarantine count: what is about them is spelled as they are.
known_ids as (

    {% for table, id in ids.items() -%}
        select distinct
            source_system,
            '{{ table }}' as known_table,
            {{ id }} as known_id
        from {{ ref('int_contract__' ~ table) }}
        where {{ id }} is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

unknown_ids as (

    select named_ids.*
    from named_ids
    left join known_ids
        on
            named_ids.source_system = known_ids.source_system
            and named_ids.known_table = known_ids.known_table
            and named_ids.named_id = known_ids.known_id
    where
        known_ids.known_id is null
        -- A table that was not exported knows nobody.
        and exists (
            select 1
            from known_ids as known
            where
                known.source_system = named_ids.source_system
                and known.known_table = named_ids.known_table
        )

),

known_spellings as (

    select
        source_system,
        known_table,
        {{ bare_id('known_id') }} as bare_id,
        min(known_id) as known_id
    from known_ids
    where exists (select 1 from unknown_ids)
    group by source_system, known_table, {{ bare_id('known_id') }}

),

compared as (

    select
        unknown_ids.*,
        known_spellings.known_id is not null as is_known,
        coalesce(
            unknown_ids.named_id || ' for ' || known_spellings.known_id,
            unknown_ids.named_id
        ) as shown
    from unknown_ids
    left join known_spellings
        on
            unknown_ids.source_system = known_spellings.source_system
            and unknown_ids.known_table = known_spellings.known_table
            and {{ bare_id('unknown_ids.named_id') }} = known_spellings.bare_id

),

final as (

    select
        source_system,
        case
            when is_known then 'ids_spelled_differently' else 'unknown_references'
        end as kind,
        place,
        case
            when is_known then 'ids spelled differently in ' else 'ids not found in '
        end || known_table as note,
        cast(sum(row_count) as {{ dbt.type_bigint() }}) as row_count,
        {{ few_texts('shown') }} as samples
    from compared
    -- Unknown leads are noted as rows in quarantine.
    where is_known or not is_in_quarantine
    group by source_system, place, known_table, is_known

)

select * from final
