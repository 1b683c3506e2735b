{%- set ids = {
    'leads': 'lead_id', 'opportunities': 'opportunity_id', 'stage_changes': 'change_id',
    'activities': 'activity_id', 'engagements': 'engagement_id', 'reps': 'rep_id',
    'owner_changes': 'lead_id'
} -%}
{%- set kinds = {
    'activities': ('activity_kinds', 'kind', 'never a sales touch'),
    'engagements': ('signals', 'signal', 'no sign of interest')
} -%}
{#- Texts that are counted by: a word for nothing would be a group of its own. -#}
{%- set grouping_texts = '
    leads.company leads.title leads.industry leads.country leads.lead_source reps.role
    reps.team reps.timezone stage_changes.reason opportunities.loss_reason
    opportunities.currency activities.direction engagements.channel engagements.campaign
'.split() -%}
-- Notes on rows that do not fit together, or not to the policy.
with final as (

    select
        source_system,
        'contradictions' as kind,
        case table_name
            {%- for table, id in ids.items() %}
                when '{{ table }}' then '{{ table }}.{{ id }}'
            {%- endfor %}
        end as place,
        'rows that contradict another one of their id: one of them counts' as note,
        contradicting_rows as row_count,
        contradicting_samples as samples
    from {{ ref('row_counts') }}
    where contradicting_rows > 0
    union all
    select
        changes.source_system,
        'unmapped_stages' as kind,
        'stage_changes.from_stage' as place,
        'former stages that no map knows' as note,
        count(*) as row_count,
        {{ few_texts('changes.from_stage') }} as samples
    from {{ ref('int_contract__stage_changes') }} as changes
    inner join {{ ref('int_stage_names') }} as stage_names
        on
            changes.source_system = stage_names.source_system
            and {{ normalised('changes.from_stage') }} = stage_names.raw_key
    where
        changes.problem is null
        and stage_names.stage is null
        and not coalesce(stage_names.is_ignored, false)
        -- Those that others enter are noted as such.
        and not exists (
            select 1
            from {{ ref('int_contract__stage_changes') }} as entered
            where
                entered.problem is null
                and entered.source_system = changes.source_system
                and {{ normalised('entered.to_stage') }} = stage_names.raw_key
        )
    group by changes.source_system
    union all
    select
        deals.source_system,
        'amounts_of_nobody' as kind,
        'opportunities.amount' as place,
        'amounts that count nowhere: their lead is deleted or excluded' as note,
        count(*) as row_count,
        {{ few_texts('deals.opportunity_id') }} as samples
    from {{ ref('int_opportunities') }} as deals
    inner join {{ ref('int_lead_records') }} as first_leads
        on
            deals.source_system = first_leads.source_system
            and deals.lead_id = first_leads.lead_id
    where
        deals.is_primary_lead
        and deals.amount is not null
        and not first_leads.is_in_marts
    group by deals.source_system
    {% for table, (seed, name, effect) in kinds.items() -%}
        union all
        select
            rows_of_{{ table }}.source_system,
            'unknown_kinds' as kind,
            '{{ table }}.kind' as place,
            'kinds not found in {{ seed }}: {{ effect }}' as note,
            count(*) as row_count,
            {{ few_texts('rows_of_' ~ table ~ '.kind') }} as samples
        from {{ ref('int_contract__' ~ table) }} as rows_of_{{ table }}
        left join {{ ref(seed) }} as known_kinds
            on
                {{ normalised('rows_of_' ~ table ~ '.kind') }}
                = {{ normalised('known_kinds.' ~ name) }}
        where
            rows_of_{{ table }}.problem is null
            and rows_of_{{ table }}.kind is not null
            and known_kinds.{{ name }} is null
        group by rows_of_{{ table }}.source_system
    {% endfor %}
    {% for place in grouping_texts -%}
        {% set table, column = place.split('.') -%}
        union all
        select
            source_system,
            'words_for_nothing' as kind,
            '{{ place }}' as place,
            'words that may mean nothing, read as they stand' as note,
            count(*) as row_count,
            {{ few_texts(column) }} as samples
        from {{ ref('int_contract__' ~ table) }}
        where
            problem is null
            and {{ stands_for_nothing(column) }}
        group by source_system
    {% endfor %}

)

select * from final
