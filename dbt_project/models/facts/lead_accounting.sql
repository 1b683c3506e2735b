with versions as (

    select * from {{ ref('int_lead_versions') }}

),

-- Includes leads whose rows were all quarantined, and leads known only from a merge
-- list.
raw_leads as (

    select
        source_system,
        lead_id
    from {{ ref('int_contract__leads') }}
    where lead_id is not null
    union
    select
        source_system,
        lead_id
    from versions

),

records as (

    select * from {{ ref('int_lead_records') }}

),

final as (

    select
        raw_leads.lead_id,
        raw_leads.source_system,
        case
            when versions.lead_id is null then 'quarantined'
            when records.lead_id is null then 'not yet known'
            when records.bucket = 'in_marts' then 'in marts'
            else records.bucket
        end as bucket,
        case
            when records.bucket = 'merged' then records.survivor_lead_id
        end as survivor_lead_id,
        case
            when records.bucket = 'merged' then records.survivor_source_system
        end as survivor_source_system
    from raw_leads
    left join versions
        on
            raw_leads.source_system = versions.source_system
            and raw_leads.lead_id = versions.lead_id
    left join records
        on
            raw_leads.source_system = records.source_system
            and raw_leads.lead_id = records.lead_id

)

select * from final
