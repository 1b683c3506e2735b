{#- The kinds of notes, the most important first: how serious, and what to do. -#}
{%- set kinds = {
    'no_stage': ('warning', 'map the column that holds the stage (current_stage), or its changes'),
    'unmapped_stages': ('warning', 'map them: handoff doctor --write-stage-map lists them'),
    'unreadable_values': ('warning', 'see quality.unreadable_values; fix the export or the mapping'),
    'rows_in_quarantine': ('warning', 'see quality.quarantine; fix the export or the mapping'),
    'currency_without_rate': ('warning', 'add a rate to currency_rates: the amounts are unknown'),
    'ingestion': ('as its reader says', ''),
    'never_filled': ('info', 'export it too: what needs it is not judged for this source'),
    'before_creation': ('info', 'look whether leads have the creation date of an import'),
    'leads_without_stage': ('info', 'they are in no cycle; export their stages if they have any'),
    'no_history': ('info', 'export the stage changes: a current stage has no date of its own'),
    'later_than_as_of': ('info', 'a later run counts them'),
    'format_decided': ('info', 'see quality.column_formats; name the format if it is another one'),
    'currency_decided': ('info', 'set lifecycle.currency for another one')
} -%}
{%- set times = {
    'leads': 'created_at', 'stage_changes': 'changed_at', 'activities': 'occurred_at',
    'engagements': 'occurred_at', 'opportunities': 'created_at', 'owner_changes': 'changed_at'
} -%}
{%- set amounts = {'opportunities': 'opportunity_id', 'channel_spend': 'channel'} -%}
-- What the run did not understand, left out or had to decide.
with run_policy as (

    select * from {{ ref('int_run_policy') }}

),

ingestion_notes as (

    select
        *,
        max(load_id) over (partition by source_system) as latest_load_id
    from {{ ref('stg_handoff__ingestion_notes') }}

),

-- Of each lead the best that is known of its stages.
lead_histories as (

    select
        leads.source_system,
        leads.lead_id,
        min(
            case visits.history_quality
                when 'observed' then 1 when 'opportunity' then 2 when 'inferred' then 3
            end
        ) as history_rank
    from {{ ref('dim_leads') }} as leads
    left join {{ ref('fct_lead_stages') }} as visits
        on
            leads.source_system = visits.source_system
            and leads.lead_id = visits.lead_id
    group by leads.source_system, leads.lead_id

),

histories as (

    select
        source_system,
        count(*) as lead_count,
        count(*) - count(history_rank) as stageless_count,
        min(history_rank) as best_rank
    from lead_histories
    group by source_system

),

written_stages as (

    select
        source_system,
        current_stage as stage_text
    from {{ ref('int_contract__leads') }}
    where current_stage is not null
    union
    select
        source_system,
        to_stage as stage_text
    from {{ ref('int_contract__stage_changes') }}
    where to_stage is not null

),

stage_texts as (

    select
        source_system,
        {{ few_texts('stage_text') }} as samples
    from written_stages
    group by source_system

),

noticed as (

    select
        histories.source_system,
        'no_stage' as kind,
        'leads' as place,
        case
            when stage_texts.samples is null then 'no lead has a stage'
            else 'no lead has a stage that is known; theirs are mapped to none'
        end as note,
        histories.lead_count as row_count,
        stage_texts.samples
    from histories
    left join stage_texts
        on histories.source_system = stage_texts.source_system
    where histories.best_rank is null
    union all
    select
        source_system,
        'leads_without_stage' as kind,
        'leads' as place,
        'leads without any known stage' as note,
        stageless_count as row_count,
        cast(null as {{ dbt.type_string() }}) as samples
    from histories
    where best_rank is not null and stageless_count > 0
    union all
    select
        leads.source_system,
        'unmapped_stages' as kind,
        'stages' as place,
        'stages that no map knows' as note,
        count(*) as row_count,
        {{ few_texts('unmapped.stage_raw') }} as samples
    from {{ ref('int_unmapped_stages') }} as unmapped
    inner join {{ ref('int_leads') }} as leads
        on unmapped.lead_key = leads.lead_key
    where unmapped.is_unmapped
    group by leads.source_system
    union all
    select
        source_system,
        'no_history' as kind,
        'leads' as place,
        'no stage changes: current stages count from the creation on' as note,
        lead_count as row_count,
        cast(null as {{ dbt.type_string() }}) as samples
    from histories
    where best_rank = 3
    union all
    select
        source_system,
        'never_filled' as kind,
        cast(null as {{ dbt.type_string() }}) as place,
        'the source holds no ' || concat_ws(
            ', ',
            case when not has_owners then 'owners' end,
            case when not has_activities then 'activities' end,
            case when not has_engagements then 'engagements' end
        ) as note,
        cast(null as bigint) as row_count,
        cast(null as {{ dbt.type_string() }}) as samples
    from {{ ref('int_source_coverage') }}
    where not (has_owners and has_activities and has_engagements)
    union all
    select
        source_system,
        'rows_in_quarantine' as kind,
        table_name || coalesce('.' || column_name, '') as place,
        'rows that can''t be used: ' || reason as note,
        count(*) as row_count,
        {{ few_texts(json_text('row_json', 'column_name')) }} as samples
    from {{ ref('quarantine') }}
    group by source_system, table_name, column_name, reason
    union all
    -- Those that put their row into quarantine are told of there.
    select
        unreadable.source_system,
        'unreadable_values' as kind,
        unreadable.table_name || '.' || unreadable.column_name as place,
        unreadable.reason as note,
        count(*) as row_count,
        {{ few_texts('unreadable.value_text') }} as samples
    from {{ ref('unreadable_values') }} as unreadable
    left join {{ ref('quarantine') }} as quarantine
        on
            unreadable.source_system = quarantine.source_system
            and unreadable.table_name = quarantine.table_name
            and unreadable.source_file = quarantine.source_file
            and unreadable.source_row = quarantine.source_row
            and unreadable.column_name = quarantine.column_name
    where quarantine.reason is null
    group by
        unreadable.source_system,
        unreadable.table_name,
        unreadable.column_name,
        unreadable.reason
    union all
    {% for table, id in amounts.items() -%}
        select
            source_system,
            'currency_without_rate' as kind,
            '{{ table }}.amount' as place,
            'amounts in ' || currency || ', which has no rate' as note,
            count(*) as row_count,
            {{ few_texts(id) }} as samples
        from {{ ref('int_contract__' ~ table) }}
        where problem is null and amount is null and amount_given is not null
        group by source_system, currency
        union all
    {% endfor -%}
    {% for table, moment in times.items() -%}
        select
            rows_of_{{ table }}.source_system,
            'later_than_as_of' as kind,
            '{{ table }}.{{ moment }}' as place,
            'rows dated later than as_of' as note,
            count(*) as row_count,
            {{ few_texts('rows_of_' ~ table ~ '.lead_id') }} as samples
        from {{ ref('int_contract__' ~ table) }} as rows_of_{{ table }}
        cross join run_policy
        where
            rows_of_{{ table }}.problem is null
            and rows_of_{{ table }}.{{ moment }} > run_policy.as_of
        group by rows_of_{{ table }}.source_system
        union all
    {% endfor -%}
    select
        activities.source_system,
        'before_creation' as kind,
        'activities.occurred_at' as place,
        'activities before their lead was created' as note,
        count(*) as row_count,
        {{ few_texts('leads.lead_id') }} as samples
    from {{ ref('fct_activities') }} as activities
    inner join {{ ref('int_leads') }} as leads
        on activities.lead_key = leads.lead_key
    where activities.occurred_at < leads.created_at
    group by activities.source_system
    union all
    select
        source_system,
        'format_decided' as kind,
        table_name || '.' || column_name || coalesce(' (' || stage_date || ')', '')
            as place,
        case decided
            when 'day' then 'values with two readings, read with the day first'
            when 'month' then 'values with two readings, read with the month first'
            when 'dot' then 'values with two readings, read with a decimal dot'
            when 'comma' then 'values with two readings, read with a decimal comma'
        end as note,
        either_count as row_count,
        either_sample as samples
    from {{ ref('column_formats') }}
    where either_count > 0 and decided <> 'undecided'
    union all
    select
        opportunities.source_system,
        'currency_decided' as kind,
        'opportunities.amount' as place,
        'amounts are in ' || opportunities.home_currency
        || ', the most frequent currency; others are converted' as note,
        count(*) as row_count,
        {{ few_texts('opportunities.currency') }} as samples
    from {{ ref('int_contract__opportunities') }} as opportunities
    inner join {{ ref('stg_handoff__run_parameters') }} as run_parameters
        on run_parameters.currency is null
    where
        opportunities.problem is null
        and opportunities.amount_given is not null
        and opportunities.currency <> opportunities.home_currency
    group by opportunities.source_system, opportunities.home_currency

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
        case kind
            {%- for kind, (_, what_to_do) in kinds.items() %}
                when '{{ kind }}' then '{{ what_to_do }}'
            {%- endfor %}
        end as what_to_do
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
        cast(null as {{ dbt.type_string() }}) as what_to_do
    from ingestion_notes
    where load_id = latest_load_id

)

select * from final
