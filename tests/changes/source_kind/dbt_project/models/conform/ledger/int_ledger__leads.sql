with people as (

    select * from {{ ref('stg_ledger__people') }}

),

final as (

    select
        source_system,
        load_id,
        'people' as source_file,
        source_row,
        person_id as lead_id,
        entered_at as created_at,
        cast(null as {{ dbt.type_string() }}) as email,
        cast(null as {{ dbt.type_string() }}) as company,
        cast(null as {{ dbt.type_string() }}) as title,
        cast(null as {{ dbt.type_string() }}) as employee_count,
        cast(null as {{ dbt.type_string() }}) as industry,
        cast(null as {{ dbt.type_string() }}) as country,
        cast(null as {{ dbt.type_string() }}) as lead_source,
        cast(null as {{ dbt.type_string() }}) as owner_id,
        cast(null as {{ dbt.type_string() }}) as current_stage,
        cast(null as {{ dbt.type_string() }}) as crm_score,
        cast(null as {{ dbt.type_string() }}) as is_deleted,
        cast(null as {{ dbt.type_string() }}) as merged_into_lead_id,
        cast(null as {{ dbt.type_string() }}) as updated_at,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from people

)

select * from final
