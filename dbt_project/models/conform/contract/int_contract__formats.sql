{%- set tables = [
    'leads', 'stage_changes', 'activities', 'engagements', 'opportunities',
    'owner_changes', 'channel_spend'
] -%}
-- One reading per column: what its configuration names, else what some values show,
-- decides for those that show nothing.
with loaders as (

    {{ loaders() | indent(4) }}

),

shown as (

    {% for table in tables -%}
        {{ shown_formats(table) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

counted as (

    select
        source_system,
        table_name,
        column_name,
        stage_date,
        format_kind,
        sum(value_count) as value_count,
        sum(case when shown in ('day', 'dot') then value_count else 0 end)
            as day_or_dot_count,
        sum(case when shown in ('month', 'comma') then value_count else 0 end)
            as month_or_comma_count,
        sum(case when shown = 'either' then value_count else 0 end) as either_count,
        min(case when shown in ('day', 'dot') then sample end) as day_or_dot_sample,
        min(case when shown in ('month', 'comma') then sample end)
            as month_or_comma_sample,
        min(case when shown = 'either' then sample end) as either_sample
    from shown
    group by source_system, table_name, column_name, stage_date, format_kind

),

configured as (

    select * from {{ ref('stg_handoff__decimal_marks') }}

),

with_configured as (

    select
        counted.*,
        configured.decimal_mark as configured_mark
    from counted
    left join configured
        on
            counted.source_system = configured.source_system
            and counted.table_name = configured.table_name
            and counted.column_name = configured.column_name

),

final as (

    select
        * exclude (configured_mark),
        case
            when configured_mark is not null then configured_mark
            when day_or_dot_count > 0 and month_or_comma_count = 0
                then case format_kind when 'date order' then 'day' else 'dot' end
            when month_or_comma_count > 0 and day_or_dot_count = 0
                then case format_kind when 'date order' then 'month' else 'comma' end
            when either_count > 0 or day_or_dot_count > 0 then 'undecided'
        end as decided
    from with_configured

)

select * from final
