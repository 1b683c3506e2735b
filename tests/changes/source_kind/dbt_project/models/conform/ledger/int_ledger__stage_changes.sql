with people as (

    select * from {{ ref('stg_ledger__people') }}

),

final as (

    select
        source_system,
        load_id,
        'people' as source_file,
        source_row,
        cast(null as {{ dbt.type_string() }}) as change_id,
        person_id as lead_id,
        entered_at as changed_at,
        cast(null as {{ dbt.type_string() }}) as from_stage,
        stage as to_stage,
        cast(null as {{ dbt.type_string() }}) as reason,
        cast(null as {{ dbt.type_string() }}) as changed_by,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from people

)

select * from final
