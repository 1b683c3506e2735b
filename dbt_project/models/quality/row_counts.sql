-- Rows read = rows staged + rows quarantined + exact duplicates dropped, per table.
with rows_read as (

    select
        source_system,
        table_name,
        sum(rows_read) as rows_read
    from {{ source('raw', 'loads') }}
    where is_current
    group by source_system, table_name

),

delivered as (

    select
        source_system,
        'leads' as table_name,
        count(*) as row_count
    from {{ ref('stg_contract__leads') }}
    group by source_system
    union all
    select
        source_system,
        'stage_changes' as table_name,
        count(*) as row_count
    from {{ ref('stg_contract__stage_changes') }}
    group by source_system
    union all
    select
        source_system,
        'activities' as table_name,
        count(*) as row_count
    from {{ ref('stg_contract__activities') }}
    group by source_system
    union all
    select
        source_system,
        'engagements' as table_name,
        count(*) as row_count
    from {{ ref('stg_contract__engagements') }}
    group by source_system
    union all
    select
        source_system,
        'opportunities' as table_name,
        count(*) as row_count
    from {{ ref('stg_contract__opportunities') }}
    group by source_system
    union all
    select
        source_system,
        'owner_changes' as table_name,
        count(*) as row_count
    from {{ ref('stg_contract__owner_changes') }}
    group by source_system
    union all
    select
        source_system,
        'reps' as table_name,
        count(*) as row_count
    from {{ ref('stg_contract__reps') }}
    group by source_system
    union all
    select
        source_system,
        'channel_spend' as table_name,
        count(*) as row_count
    from {{ ref('stg_contract__channel_spend') }}
    group by source_system

),

rejected as (

    select
        source_system,
        table_name,
        count(*) as row_count
    from {{ source('raw', 'rejected_rows') }}
    group by source_system, table_name

),

copies as (

    select
        source_system,
        'leads' as table_name,
        exact_duplicates
    from (
        {{ count_exact_duplicates(
            ref('stg_contract__leads'), ['lead_id']
        ) | indent(8) }}
    ) as leads_copies
    union all
    select
        source_system,
        'stage_changes' as table_name,
        exact_duplicates
    from (
        {{ count_exact_duplicates(
            ref('stg_contract__stage_changes'), ['lead_id', 'change_id']
        ) | indent(8) }}
    ) as stage_changes_copies
    union all
    select
        source_system,
        'activities' as table_name,
        exact_duplicates
    from (
        {{ count_exact_duplicates(
            ref('stg_contract__activities'), ['activity_id']
        ) | indent(8) }}
    ) as activities_copies
    union all
    select
        source_system,
        'engagements' as table_name,
        exact_duplicates
    from (
        {{ count_exact_duplicates(
            ref('stg_contract__engagements'), ['engagement_id']
        ) | indent(8) }}
    ) as engagements_copies
    union all
    select
        source_system,
        'opportunities' as table_name,
        exact_duplicates
    from (
        {{ count_exact_duplicates(
            ref('stg_contract__opportunities'), ['opportunity_id']
        ) | indent(8) }}
    ) as opportunities_copies
    union all
    select
        source_system,
        'owner_changes' as table_name,
        exact_duplicates
    from (
        {{ count_exact_duplicates(
            ref('stg_contract__owner_changes'), ['lead_id', 'changed_at_text']
        ) | indent(8) }}
    ) as owner_changes_copies
    union all
    select
        source_system,
        'reps' as table_name,
        exact_duplicates
    from (
        {{ count_exact_duplicates(
            ref('stg_contract__reps'), ['rep_id']
        ) | indent(8) }}
    ) as reps_copies
    union all
    select
        source_system,
        'channel_spend' as table_name,
        exact_duplicates
    from (
        {{ count_exact_duplicates(
            ref('stg_contract__channel_spend'), ['spend_date_text', 'channel']
        ) | indent(8) }}
    ) as channel_spend_copies

),

quarantined as (

    select
        source_system,
        table_name,
        count(*) as row_count
    from {{ ref('quarantine') }}
    group by source_system, table_name

),

final as (

    select
        delivered.source_system,
        delivered.table_name,
        cast(
            coalesce(
                rows_read.rows_read,
                delivered.row_count + coalesce(rejected.row_count, 0)
            ) as bigint
        ) as rows_read,
        cast(
            delivered.row_count
            + coalesce(rejected.row_count, 0)
            - coalesce(copies.exact_duplicates, 0)
            - coalesce(quarantined.row_count, 0) as bigint
        ) as rows_staged,
        cast(coalesce(quarantined.row_count, 0) as bigint) as rows_quarantined,
        cast(coalesce(copies.exact_duplicates, 0) as bigint) as exact_duplicates
    from delivered
    left join rows_read
        on
            delivered.source_system = rows_read.source_system
            and delivered.table_name = rows_read.table_name
    left join rejected
        on
            delivered.source_system = rejected.source_system
            and delivered.table_name = rejected.table_name
    left join copies
        on
            delivered.source_system = copies.source_system
            and delivered.table_name = copies.table_name
    left join quarantined
        on
            delivered.source_system = quarantined.source_system
            and delivered.table_name = quarantined.table_name

)

select * from final
