-- Which attributes a source fills at all, of those that the policy looks at.
with versions as (

    select * from {{ ref('int_lead_versions') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

attributes as (

    select attribute from {{ ref('fit_rules') }}
    union distinct
    select attribute
    from {{ ref('qualification_rules') }}
    where kind = 'attribute' and is_active

),

final as (

    select distinct
        versions.source_system,
        attributes.attribute
    from versions
    cross join run_policy
    cross join attributes
    where
        versions.created_at <= run_policy.as_of
        and {{ lead_attribute('versions', 'attributes.attribute') }} is not null

)

select * from final
