-- Optional values that could not be read and became empty, counted, with samples.
with unreadable as (

    select
        source_system,
        'leads' as table_name,
        'employee_count' as column_name,
        employee_count_text as value_text
    from {{ ref('stg_contract__leads') }}
    where employee_count_text is not null and employee_count is null
    union all
    select
        source_system,
        'leads' as table_name,
        'crm_score' as column_name,
        crm_score_text as value_text
    from {{ ref('stg_contract__leads') }}
    where crm_score_text is not null and crm_score is null
    union all
    select
        source_system,
        'leads' as table_name,
        'is_deleted' as column_name,
        is_deleted_text as value_text
    from {{ ref('stg_contract__leads') }}
    where is_deleted_text is not null and is_deleted is null
    union all
    select
        source_system,
        'leads' as table_name,
        'updated_at' as column_name,
        updated_at_text as value_text
    from {{ ref('stg_contract__leads') }}
    where updated_at_text is not null and updated_at is null
    union all
    select
        source_system,
        'opportunities' as table_name,
        'amount' as column_name,
        amount_text as value_text
    from {{ ref('stg_contract__opportunities') }}
    where amount_text is not null and amount is null
    union all
    select
        source_system,
        'opportunities' as table_name,
        'is_won' as column_name,
        is_won_text as value_text
    from {{ ref('stg_contract__opportunities') }}
    where is_won_text is not null and is_won is null
    union all
    select
        source_system,
        'opportunities' as table_name,
        'closed_at' as column_name,
        closed_at_text as value_text
    from {{ ref('stg_contract__opportunities') }}
    where closed_at_text is not null and closed_at is null
    union all
    select
        source_system,
        'reps' as table_name,
        'weekly_capacity' as column_name,
        weekly_capacity_text as value_text
    from {{ ref('stg_contract__reps') }}
    where weekly_capacity_text is not null and weekly_capacity is null
    union all
    select
        source_system,
        'reps' as table_name,
        'is_active' as column_name,
        is_active_text as value_text
    from {{ ref('stg_contract__reps') }}
    where is_active_text is not null and is_active is null

),

counted as (

    select
        source_system,
        table_name,
        column_name,
        value_text,
        count(*) as value_count,
        row_number() over (
            partition by source_system, table_name, column_name
            order by count(*) desc, value_text
        ) as value_rank
    from unreadable
    group by source_system, table_name, column_name, value_text

),

final as (

    select
        source_system,
        table_name,
        column_name,
        cast(sum(value_count) as bigint) as unreadable_count,
        {{ dbt.listagg(
            "case when value_rank <= 5 then value_text end", "' | '",
            "order by value_rank"
        ) }} as samples
    from counted
    group by source_system, table_name, column_name

)

select * from final
