with source_rows as (

    select * from {{ source('ledger', 'ledger_people') }}

),

final as (

    select
        source_system,
        load_id,
        cast(source_row as {{ dbt.type_bigint() }}) as source_row,
        person as person_id,
        since as entered_at,
        stage
    from source_rows

)

select * from final
