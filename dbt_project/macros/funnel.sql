{#
    What the funnel marts have in common: the dimensions they are cut by, and how a milestone's
    columns are found by its name.
#}

{# Columns of int_funnel_cycles and fct_conversions that marts are cut by; never null. #}
{% macro funnel_dimensions() -%}
    {{ return([
        'lead_source', 'segment', 'country', 'owner_id', 'score_band', 'start_kind'
    ]) }}
{%- endmacro %}

{# The dimensions of daily trends: few, since each value has a row a day. #}
{% macro trend_dimensions() -%}
    {{ return(['all', 'lead_source', 'segment']) }}
{%- endmacro %}

{#
    The column that holds a dimension's values. The whole is a dimension, too: its column says all
    in every row. Marts in long form are the union of one grouping per dimension: every engine and
    linter knows that, which is not true of grouping sets.
#}
{% macro dimension_column(dimension) -%}
    {{ 'all_cycles' if dimension == 'all' else dimension }}
{%- endmacro %}

{# The milestones that a cycle reaches after it began: columns <milestone>_at and <milestone>_basis. #}
{% macro reached_milestones() -%}
    {{ return([
        'marketing_qualified', 'handed_off', 'accepted', 'sales_qualified', 'opportunity', 'won'
    ]) }}
{%- endmacro %}

{# When a cycle reached the milestone that an expression names. #}
{% macro milestone_reached_at(milestone) -%}
    case {{ milestone }}
        when 'captured' then cycles.cycle_started_at
        when 'marketing_qualified' then cycles.marketing_qualified_at
        when 'handed_off' then cycles.handed_off_at
        when 'accepted' then cycles.accepted_at
        when 'sales_qualified' then cycles.sales_qualified_at
        when 'opportunity' then cycles.opportunity_at
        when 'won' then cycles.won_at
    end
{%- endmacro %}

{#
    Whether a cycle's reaching of that milestone counts for a cohort: it happened in its own right
    (acceptance also by default), it does not merely follow from a later milestone.
#}
{% macro milestone_is_counted(milestone) -%}
    case {{ milestone }}
        when 'captured' then true
        when 'marketing_qualified' then cycles.marketing_qualified_basis = 'explicit'
        when 'handed_off' then cycles.handed_off_basis = 'explicit'
        when 'accepted' then cycles.acceptance_kind in ('explicit', 'default')
        when 'sales_qualified' then cycles.sales_qualified_basis = 'explicit'
        when 'opportunity' then cycles.opportunity_basis = 'explicit'
        when 'won' then cycles.won_basis = 'explicit'
    end
{%- endmacro %}

{# The first day of the week (Monday), month or quarter of a date. #}
{% macro period_start(period, date_column) -%}
    cast({{ dbt.date_trunc(period, date_column) }} as date)
{%- endmacro %}

{# The day after the last day of a week, month or quarter that starts on a date. #}
{% macro next_period_start(period, start_column) -%}
    case {{ period }}
        when 'week' then cast({{ dbt.dateadd('day', 7, start_column) }} as date)
        when 'month' then cast({{ dbt.dateadd('month', 1, start_column) }} as date)
        when 'quarter' then cast({{ dbt.dateadd('month', 3, start_column) }} as date)
    end
{%- endmacro %}

{# Midnight of a local date, as a UTC timestamp. #}
{% macro local_midnight(date_column, zone) -%}
    {{ local_to_utc('cast(' ~ date_column ~ ' as timestamp)', zone) }}
{%- endmacro %}

{# The date of a UTC timestamp in a zone. UTC itself is worth a short cut: converting costs. #}
{% macro local_date(moment, zone) -%}
    cast(
        case
            when {{ zone }} = 'UTC' then {{ moment }}
            else {{ utc_to_local(moment, zone) }}
        end as date
    )
{%- endmacro %}

{# How a cycle can start: first passes, second passes, and new business with a customer. #}
{% macro start_kinds() -%}
    {{ return(['new', 'requalified', 'expansion']) }}
{%- endmacro %}

{# The team of a rep. One that the CRM itself calls all is told apart from the whole: as none. #}
{% macro team_of(rep) -%}
    nullif({{ rep }}.team, 'all')
{%- endmacro %}

{#
    The day on which the period between two calibration meetings begins that a date lies in: a
    meeting is on the first day of a period. Counted from the first Monday of 1970, so that periods
    of several weeks do not depend on the data.
#}
{% macro sync_period_start(date_column) -%}
    cast({{ dbt.dateadd(
        'day',
        "-((" ~ dbt.datediff("cast('1970-01-05' as date)", date_column, 'day')
        ~ " - run_policy.sync_offset_days) % run_policy.sync_period_days)",
        date_column
    ) }} as date)
{%- endmacro %}
