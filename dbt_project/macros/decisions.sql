{# How many seconds apart changes of one decision may be. #}
{% macro decision_seconds() -%}
    2
{%- endmacro %}

{#
    Stage properties of one record that change within seconds of each other are one decision: a
    workflow that rejects a lead also resets its lifecycle stage. An exit among them holds; a path
    stage beside it counts only if it is further than where the lead was, and not after the exit.
    Without an exit the property that was named first holds. A stage without a meaning takes no part:
    it is a finding, no event, and stays.

    The last CTE is `held`: the changes that hold, with the moment at which they do. `changes`: a
    relation with source_system, change_id, changed_at, changed_at_text, property_rank, the
    record's id as `record`, the stage as `stage`, and the stage before as `stage_before`.
#}
{% macro decisions(changes, record, stage='stage', stage_before='null') -%}
{%- set in_order -%}
    partition by source_system, record_id
    order by changed_at, change_id
{%- endset -%}
stage_meanings as (

    select * from {{ ref('int_contract__stage_meanings') }}

),

neighbours as (

    select
        source_system,
        {{ record }} as record_id,
        property_rank,
        changed_at,
        lag(property_rank) over (
            partition by source_system, {{ record }}
            order by changed_at, property_rank
        ) as rank_before,
        lag(changed_at) over (
            partition by source_system, {{ record }}
            order by changed_at, property_rank
        ) as changed_before
    from {{ changes }}
    where {{ stage }} is not null

),

-- Few records have changes that are that close.
close_records as (

    select distinct
        source_system,
        record_id
    from neighbours
    where
        rank_before <> property_rank
        and changed_at <= {{ add_seconds('changed_before', decision_seconds()) }}

),

meant as (

    select
        changes.source_system,
        changes.{{ record }} as record_id,
        changes.change_id,
        changes.property_rank,
        changes.changed_at_text,
        meanings.stage_key is null as is_unmapped,
        meanings.exit_rank is not null as is_exit,
        meanings.path_order,
        meanings_before.path_order as order_before,
        changes.changed_at
    from {{ changes }} as changes
    inner join close_records
        on
            changes.source_system = close_records.source_system
            and changes.{{ record }} = close_records.record_id
    left join stage_meanings as meanings
        on {{ normalised('changes.' ~ stage) }} = meanings.stage_key
    left join stage_meanings as meanings_before
        on {{ normalised(stage_before) }} = meanings_before.stage_key
    where changes.{{ stage }} is not null

),

followed as (

    select
        *,
        case
            when changed_at <= {{ add_seconds(
                'lag(changed_at) over (' ~ in_order ~ ')', decision_seconds()
            ) }} then 0
            else 1
        end as is_first
    from meant
    where not is_unmapped

),

numbered as (

    select
        *,
        cast(
            sum(is_first) over ({{ in_order }} rows unbounded preceding) as bigint
        ) as decision_number
    from followed

),

-- What each decision is made of.
described as (

    select
        *,
        min(property_rank) over (
            partition by source_system, record_id, decision_number
        ) as first_rank,
        max(property_rank) over (
            partition by source_system, record_id, decision_number
        ) as last_rank,
        min(case when is_exit then property_rank end) over (
            partition by source_system, record_id, decision_number
        ) as exit_property_rank,
        min(case when not is_exit then property_rank end) over (
            partition by source_system, record_id, decision_number
        ) as path_property_rank
    from numbered

),

judged as (

    select
        *,
        first_rank <> last_rank and exit_property_rank is not null as is_beside_exit,
        max(case when is_exit and property_rank = exit_property_rank then changed_at end)
            over (partition by source_system, record_id, decision_number) as exited_at
    from described

),

-- A new place on the path, whatever was written beside an exit.
placed as (

    select
        *,
        sum(
            case
                when
                    not is_exit
                    and path_order is not null
                    and not is_beside_exit
                    and property_rank = first_rank
                    then 1
                else 0
            end
        ) over ({{ in_order }} rows unbounded preceding) as place_number,
        max(case when changed_at = exited_at and is_exit then changed_at_text end) over (
            partition by source_system, record_id, decision_number
        ) as exited_at_text
    from judged

),

compared as (

    select
        *,
        max(case when not is_exit then path_order end) over (
            partition by source_system, record_id, place_number
            order by decision_number
            range between unbounded preceding and 1 preceding
        ) as order_reached
    from placed

),

decided as (

    select
        source_system,
        record_id,
        change_id,
        case
            when is_beside_exit and changed_at > exited_at then exited_at_text
            else changed_at_text
        end as changed_at_text,
        case
            when is_beside_exit and changed_at > exited_at then exited_at
            else changed_at
        end as changed_at
    from compared
    where
        case
            when not is_beside_exit then property_rank = first_rank
            when is_exit then property_rank = exit_property_rank
            else
                property_rank = path_property_rank
                and coalesce(
                    path_order > coalesce(order_reached, order_before), true
                )
        end
    union all
    select
        source_system,
        record_id,
        change_id,
        changed_at_text,
        changed_at
    from meant
    where is_unmapped

),

held as (

    select
        changes.* replace (
            coalesce(decided.changed_at_text, changes.changed_at_text) as changed_at_text,
            coalesce(decided.changed_at, changes.changed_at) as changed_at
        )
    from {{ changes }} as changes
    left join close_records
        on
            changes.source_system = close_records.source_system
            and changes.{{ record }} = close_records.record_id
    left join decided
        on
            close_records.source_system = decided.source_system
            and close_records.record_id = decided.record_id
            and changes.change_id = decided.change_id
    where
        changes.{{ stage }} is null
        or close_records.record_id is null
        or decided.change_id is not null

)
{%- endmacro %}
