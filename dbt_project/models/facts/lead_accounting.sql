with versions as (

    select * from {{ ref('int_lead_versions') }}

),

-- Rows of leads that can't be split into their cells, with those that stand in their
-- place if any do.
broken_rows as (

    select
        source_system,
        {{ read_id(json_text('row_json', "'~lead_id'")) | indent(8) }} as lead_id,
        {{ json_text('row_json', "'~created_at'") }} as created_at
    from {{ ref('stg_handoff__rejected_rows') }}
    where table_name = 'leads'

),

-- A number alone says as little as a text: the row may be the rest of a value.
dated_rows as (

    select
        source_system,
        lead_id,
        {{ written_date('created_at') | indent(8) }} as created_at
    from broken_rows
    where
        created_at is not null
        and {{ parse_number('created_at') | indent(8) }} is null

),

broken_leads as (

    select
        source_system,
        lead_id,
        {{ iso_text('created_at', "'day'") | indent(8) }} as created_at
    from dated_rows

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
        source_system,
        lead_id
    from broken_leads
    where lead_id is not null and {{ iso_moment('created_at') | indent(8) }} is not null

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
