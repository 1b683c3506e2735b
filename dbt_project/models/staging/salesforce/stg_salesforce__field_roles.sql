with source_rows as (

    select * from {{ source('salesforce', 'salesforce_fields') }}

),

final as (

    select
        source_system,
        role,
        field,
        lower(field) as field_key,
        value,
        stage,
        rank as field_rank
    from source_rows

)

select * from final
