{%- set midnights = var('midnights') -%}
{#- The times that are compared with each other. -#}
{%- set times = [
    ('leads', 'created_at'), ('stage_changes', 'changed_at'),
    ('activities', 'occurred_at'), ('engagements', 'occurred_at'),
    ('opportunities', 'created_at'), ('opportunities', 'closed_at'),
    ('owner_changes', 'changed_at')
] -%}
{%- set amounts = {'opportunities': 'opportunity_id', 'channel_spend': 'channel'} -%}
{#- Columns whose unreadable values put their row into quarantine: told of there. -#}
{%- set quarantining = [] -%}
{%- for table in var('contract') -%}
    {%- for name, _, empty in contract_columns(table) if empty -%}
        {%- do quarantining.append(table ~ '.' ~ name) -%}
    {%- endfor -%}
{%- endfor -%}
-- Notes on values: of no use, later than the run, of a format that was decided.
with run_policy as (

    select * from {{ ref('int_run_policy') }}

),

sources as (

    select * from {{ ref('stg_handoff__sources') }}

),

-- Few moments are asked for their local time, which is slow.
quarter_hours as (

    {% for table, column in times -%}
        select
            source_system,
            '{{ table }}.{{ column }}' as place,
            {{ quarter_hour(column) }} as moment,
            count({{ column }}) as value_count
        from {{ ref('int_contract__' ~ table) }}
        where problem is null
        group by source_system, {{ quarter_hour(column) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

-- CRMs and spreadsheets write many dates as midnight: in the zone of the reports, as
-- for a date alone, or in the zone of the source.
local_times as (

    select
        quarter_hours.*,
        {{ utc_to_local('quarter_hours.moment', 'run_policy.timezone') }}
            as report_time,
        {{ utc_to_local(
            'quarter_hours.moment', 'coalesce(sources.timezone, run_policy.timezone)'
        ) }} as source_time
    from quarter_hours
    cross join run_policy
    left join sources
        on quarter_hours.source_system = sources.source_system

),

time_columns as (

    select
        source_system,
        place,
        sum(value_count) as value_count,
        sum(case
            when extract(minute from report_time) = 0 then value_count
            when extract(minute from source_time) = 0 then value_count
            else 0
        end) as full_hour_count,
        sum(case
            when
                extract(hour from report_time) = 0
                and extract(minute from report_time) = 0
                then value_count
            when
                extract(hour from source_time) = 0
                and extract(minute from source_time) = 0
                then value_count
            else 0
        end) as date_count
    from local_times
    group by source_system, place

),

sources_with_times as (

    select
        source_system,
        {{ dbt.listagg('place', "', '", 'order by place') }} as places
    from time_columns
    where date_count < {{ midnights['share_of_dates'] }} * value_count
    group by source_system

),

final as (

    select
        time_columns.source_system,
        'dates_without_time' as kind,
        time_columns.place,
        'dates without a time: each counts as midnight, before the times of its day in '
        || sources_with_times.places as note,
        time_columns.date_count as row_count,
        cast(null as {{ dbt.type_string() }}) as samples
    from time_columns
    inner join sources_with_times
        on time_columns.source_system = sources_with_times.source_system
    where
        time_columns.date_count
        > {{ midnights['share_noted'] }} * time_columns.value_count
        and time_columns.date_count
        > {{ midnights['times_chance'] }} / 24.0 * time_columns.full_hour_count
    union all
    select
        source_system,
        'unreadable_values' as kind,
        table_name || '.' || column_name as place,
        reason as note,
        count(*) as row_count,
        {{ few_texts('value_text') }} as samples
    from {{ ref('unreadable_values') }}
    where
        table_name || '.' || column_name not in (
            {%- for column in quarantining %}
                '{{ column }}'{{ ',' if not loop.last }}
            {%- endfor %}
        )
    group by source_system, table_name, column_name, reason
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
    {% for table, moment in times if moment != 'closed_at' -%}
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

)

select * from final
