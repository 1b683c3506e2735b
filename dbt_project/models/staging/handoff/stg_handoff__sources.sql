with source_rows as (

    select * from {{ source('handoff', 'sources') }}

),

final as (

    select
        source_system,
        source_rank,
        timezone
    from source_rows

)

select * from final
