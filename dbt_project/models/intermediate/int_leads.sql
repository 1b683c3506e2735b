with records as (

    select * from {{ ref('int_lead_records') }}
    where is_in_marts

),

versions as (

    select * from {{ ref('int_lead_versions') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

stage_names as (

    select * from {{ ref('int_stage_names') }}

),

segments as (

    select * from {{ ref('segments') }}

),

first_created as (

    select
        lead_key,
        min(created_at) as created_at,
        count(*) as record_count
    from records
    group by lead_key

),

survivors as (

    select
        records.lead_key,
        versions.*,
        -- Attributes have no history: a later change tells nothing about then.
        coalesce(versions.updated_at, versions.created_at) as known_current_stage_at,
        coalesce(versions.updated_at, versions.created_at) <= run_policy.as_of
            as is_stage_known
    from records
    cross join run_policy
    inner join versions
        on
            records.source_system = versions.source_system
            and records.lead_id = versions.lead_id
    where records.bucket = 'in_marts'

),

final as (

    select
        survivors.lead_key,
        survivors.source_system,
        survivors.lead_id,
        survivors.company,
        survivors.title,
        survivors.industry,
        survivors.country,
        survivors.lead_source,
        survivors.owner_id,
        survivors.email_hash,
        survivors.email_domain,
        coalesce(segments.segment, 'unknown') as segment,
        case
            when survivors.is_stage_known
                then {{ normalised('survivors.current_stage') }}
        end as known_current_stage_key,
        case
            when survivors.is_stage_known then survivors.current_stage
        end as known_current_stage_raw,
        case
            when survivors.is_stage_known then stage_names.stage
        end as known_current_stage,
        survivors.employee_count,
        survivors.crm_score,
        first_created.record_count,
        first_created.created_at,
        survivors.updated_at,
        survivors.known_current_stage_at
    from survivors
    inner join first_created
        on survivors.lead_key = first_created.lead_key
    left join stage_names
        on
            survivors.source_system = stage_names.source_system
            and {{ normalised('survivors.current_stage') }} = stage_names.raw_key
    left join segments
        on
            survivors.employee_count >= coalesce(segments.min_employees, 0)
            and (
                segments.max_employees is null
                or survivors.employee_count <= segments.max_employees
            )

)

select * from final
