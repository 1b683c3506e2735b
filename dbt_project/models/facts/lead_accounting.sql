with versions as (

    select * from {{ ref('int_lead_versions') }}

),

-- What stands in the place of the id in rows that can't be split into their cells.
broken_rows as (

    select distinct
        source_system,
        {{ read_id(json_text('row_json', "'lead_id'")) | indent(8) }} as lead_id
    from {{ ref('stg_handoff__rejected_rows') }}
    where table_name = 'leads'

),

-- It may be other text, as of a value of several lines, which looks like no id.
looks_of_ids as (

    select distinct
        source_system,
        {{ look_of_id('lead_id') }} as look
    from versions
    where exists (select 1 from broken_rows)

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
    union
    select
        broken_rows.source_system,
        broken_rows.lead_id
    from broken_rows
    inner join looks_of_ids
        on
            broken_rows.source_system = looks_of_ids.source_system
            and {{ look_of_id('broken_rows.lead_id') }} = looks_of_ids.look

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
