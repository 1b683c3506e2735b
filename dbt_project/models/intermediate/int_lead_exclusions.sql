with versions as (

    select * from {{ ref('int_lead_versions') }}

),

rules as (

    select
        attribute,
        lower(trim(match)) as match_kind,
        lower(trim(value)) as match_value,
        why
    from {{ ref('exclusions') }}

),

attributes as (

    select
        versions.source_system,
        versions.lead_id,
        rules.match_kind,
        rules.match_value,
        rules.why,
        lower(
            trim(
                {{ lead_attribute('versions', 'rules.attribute') }}
            )
        ) as attribute_value
    from versions
    cross join rules

),

final as (

    select
        source_system,
        lead_id,
        min(why) as why
    from attributes
    where
        (match_kind = 'equals' and attribute_value = match_value)
        or (match_kind = 'contains' and strpos(attribute_value, match_value) > 0)
    group by source_system, lead_id

)

select * from final
