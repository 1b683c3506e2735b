{%- set built = env_var('HANDOFF_CRMS', 'all') -%}
{%- set relations = [] -%}
{%- for crm, tables in var('crms').items()
    if 'crm_scores' in tables and (built == 'all' or crm in built.split()) -%}
    {%- do relations.append(ref('int_' ~ crm ~ '__crm_scores')) -%}
{%- endfor -%}
-- The score of the CRM as it was from one moment to the next, where there is a history.
with changes as (

    {% for relation in relations -%}
        select
            source_system,
            lead_id,
            crm_score,
            changed_at
        from {{ relation }}
        {% if not loop.last %}union all{% endif %}
    {% else -%}
        select
            cast(null as {{ dbt.type_string() }}) as source_system,
            cast(null as {{ dbt.type_string() }}) as lead_id,
            cast(null as double) as crm_score,
            cast(null as timestamp) as changed_at
        where false
    {%- endfor %}

),

records as (

    select * from {{ ref('int_lead_records') }}
    where bucket = 'in_marts'

),

-- Of several changes at one moment the greatest score holds.
moments as (

    select
        records.lead_key,
        max(changes.crm_score) as crm_score,
        changes.changed_at as scored_from
    from changes
    inner join records
        on
            changes.source_system = records.source_system
            and changes.lead_id = records.lead_id
    where changes.changed_at is not null
    group by records.lead_key, changes.changed_at

),

final as (

    select
        lead_key,
        crm_score,
        scored_from,
        coalesce(
            lead(scored_from) over (partition by lead_key order by scored_from),
            timestamp '9999-12-31'
        ) as scored_until
    from moments

)

select * from final
