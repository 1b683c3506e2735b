-- Rows that can not be used, each once, with the reason and the row as it came.
with known_leads as (

    select
        source_system,
        lead_id
    from {{ ref('int_lead_versions') }}

),

unusable as (

    select
        source_system,
        load_id,
        'leads' as table_name,
        source_file,
        source_row,
        problem_column as column_name,
        problem as reason,
        row_text,
        extra_columns,
        row_json
    from {{ ref('stg_contract__leads') }}
    where problem is not null
    union all
    select
        source_system,
        load_id,
        'stage_changes' as table_name,
        source_file,
        source_row,
        problem_column as column_name,
        problem as reason,
        row_text,
        extra_columns,
        row_json
    from {{ ref('stg_contract__stage_changes') }}
    where problem is not null
    union all
    select
        rows_of_leads.source_system,
        rows_of_leads.load_id,
        'stage_changes' as table_name,
        rows_of_leads.source_file,
        rows_of_leads.source_row,
        'lead_id' as column_name,
        'unknown lead' as reason,
        rows_of_leads.row_text,
        rows_of_leads.extra_columns,
        rows_of_leads.row_json
    from {{ ref('stg_contract__stage_changes') }} as rows_of_leads
    left join known_leads
        on
            rows_of_leads.source_system = known_leads.source_system
            and rows_of_leads.lead_id = known_leads.lead_id
    where
        rows_of_leads.problem is null
        and rows_of_leads.lead_id is not null
        and known_leads.lead_id is null
    union all
    select
        source_system,
        load_id,
        'activities' as table_name,
        source_file,
        source_row,
        problem_column as column_name,
        problem as reason,
        row_text,
        extra_columns,
        row_json
    from {{ ref('stg_contract__activities') }}
    where problem is not null
    union all
    select
        rows_of_leads.source_system,
        rows_of_leads.load_id,
        'activities' as table_name,
        rows_of_leads.source_file,
        rows_of_leads.source_row,
        'lead_id' as column_name,
        'unknown lead' as reason,
        rows_of_leads.row_text,
        rows_of_leads.extra_columns,
        rows_of_leads.row_json
    from {{ ref('stg_contract__activities') }} as rows_of_leads
    left join known_leads
        on
            rows_of_leads.source_system = known_leads.source_system
            and rows_of_leads.lead_id = known_leads.lead_id
    where
        rows_of_leads.problem is null
        and rows_of_leads.lead_id is not null
        and known_leads.lead_id is null
    union all
    select
        source_system,
        load_id,
        'engagements' as table_name,
        source_file,
        source_row,
        problem_column as column_name,
        problem as reason,
        row_text,
        extra_columns,
        row_json
    from {{ ref('stg_contract__engagements') }}
    where problem is not null
    union all
    select
        rows_of_leads.source_system,
        rows_of_leads.load_id,
        'engagements' as table_name,
        rows_of_leads.source_file,
        rows_of_leads.source_row,
        'lead_id' as column_name,
        'unknown lead' as reason,
        rows_of_leads.row_text,
        rows_of_leads.extra_columns,
        rows_of_leads.row_json
    from {{ ref('stg_contract__engagements') }} as rows_of_leads
    left join known_leads
        on
            rows_of_leads.source_system = known_leads.source_system
            and rows_of_leads.lead_id = known_leads.lead_id
    where
        rows_of_leads.problem is null
        and rows_of_leads.lead_id is not null
        and known_leads.lead_id is null
    union all
    select
        source_system,
        load_id,
        'opportunities' as table_name,
        source_file,
        source_row,
        problem_column as column_name,
        problem as reason,
        row_text,
        extra_columns,
        row_json
    from {{ ref('stg_contract__opportunities') }}
    where problem is not null
    union all
    select
        rows_of_leads.source_system,
        rows_of_leads.load_id,
        'opportunities' as table_name,
        rows_of_leads.source_file,
        rows_of_leads.source_row,
        'lead_id' as column_name,
        'unknown lead' as reason,
        rows_of_leads.row_text,
        rows_of_leads.extra_columns,
        rows_of_leads.row_json
    from {{ ref('stg_contract__opportunities') }} as rows_of_leads
    left join known_leads
        on
            rows_of_leads.source_system = known_leads.source_system
            and rows_of_leads.lead_id = known_leads.lead_id
    where
        rows_of_leads.problem is null
        and rows_of_leads.lead_id is not null
        and known_leads.lead_id is null
    union all
    select
        source_system,
        load_id,
        'owner_changes' as table_name,
        source_file,
        source_row,
        problem_column as column_name,
        problem as reason,
        row_text,
        extra_columns,
        row_json
    from {{ ref('stg_contract__owner_changes') }}
    where problem is not null
    union all
    select
        rows_of_leads.source_system,
        rows_of_leads.load_id,
        'owner_changes' as table_name,
        rows_of_leads.source_file,
        rows_of_leads.source_row,
        'lead_id' as column_name,
        'unknown lead' as reason,
        rows_of_leads.row_text,
        rows_of_leads.extra_columns,
        rows_of_leads.row_json
    from {{ ref('stg_contract__owner_changes') }} as rows_of_leads
    left join known_leads
        on
            rows_of_leads.source_system = known_leads.source_system
            and rows_of_leads.lead_id = known_leads.lead_id
    where
        rows_of_leads.problem is null
        and rows_of_leads.lead_id is not null
        and known_leads.lead_id is null
    union all
    select
        source_system,
        load_id,
        'reps' as table_name,
        source_file,
        source_row,
        problem_column as column_name,
        problem as reason,
        row_text,
        extra_columns,
        row_json
    from {{ ref('stg_contract__reps') }}
    where problem is not null
    union all
    select
        source_system,
        load_id,
        'channel_spend' as table_name,
        source_file,
        source_row,
        problem_column as column_name,
        problem as reason,
        row_text,
        extra_columns,
        row_json
    from {{ ref('stg_contract__channel_spend') }}
    where problem is not null

),

-- Of exact duplicates one is kept; the others are counted as duplicates.
ranked as (

    select
        *,
        row_number() over (
            partition by
                source_system, table_name, row_text, coalesce(extra_columns, '')
            order by load_id desc, source_file asc, source_row asc
        ) as copy_rank
    from unusable

),

final as (

    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        column_name,
        reason,
        row_json
    from ranked
    where copy_rank = 1
    union all
    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        column_name,
        reason,
        row_json
    from {{ source('raw', 'rejected_rows') }}

)

select * from final
