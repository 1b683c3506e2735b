with source_rows as (

    select * from {{ source('handoff', 'decimal_marks') }}

),

final as (

    select
        source_system,
        table_name,
        column_name,
        case decimal_mark when ',' then 'comma' else 'dot' end as decimal_mark
    from source_rows

)

select * from final
