{#
    Three CTEs, the last one `survivors`: whom each merged row of a CTE belongs to. A chain of merges
    ends at the last row that the CTE holds; what runs into a circle reaches no end, is not listed
    and so stands for itself.
#}
{% macro merge_survivors(rows, id_column) -%}
{%- set merged_into = 'merged_into_' ~ id_column -%}
merge_steps as (

    select
        merging.source_system,
        merging.{{ id_column }},
        merging.{{ merged_into }} as next_{{ id_column }}
    from {{ rows }} as merging
    inner join {{ rows }} as survivor
        on
            merging.source_system = survivor.source_system
            and merging.{{ merged_into }} = survivor.{{ id_column }}

),

-- Distinct pairs, so that a circle ends the recursion by itself.
reachable as (

    select
        source_system,
        {{ id_column }},
        next_{{ id_column }}
    from merge_steps
    union
    select
        reachable.source_system,
        reachable.{{ id_column }},
        merge_steps.next_{{ id_column }}
    from reachable
    inner join merge_steps
        on
            reachable.source_system = merge_steps.source_system
            and reachable.next_{{ id_column }} = merge_steps.{{ id_column }}

),

survivors as (

    select
        reachable.source_system,
        reachable.{{ id_column }},
        reachable.next_{{ id_column }} as survivor_{{ id_column }}
    from reachable
    left join merge_steps
        on
            reachable.source_system = merge_steps.source_system
            and reachable.next_{{ id_column }} = merge_steps.{{ id_column }}
    where merge_steps.{{ id_column }} is null

)
{%- endmacro %}
