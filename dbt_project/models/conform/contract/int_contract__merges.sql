with ranked as (

    select
        *,
        row_number() over (
            partition by source_system, table_name, merged_id
            order by load_id desc, source_file asc, source_row asc, survivor_id asc
        ) as list_rank
    from {{ ref('int_contract__merge_lists') }}
    where merged_id <> survivor_id

),

final as (

    select
        source_system,
        table_name,
        merged_id,
        survivor_id,
        created_at,
        lead_id
    from ranked
    where list_rank = 1

)

select * from final
