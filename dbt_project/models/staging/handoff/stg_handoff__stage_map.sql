with source_rows as (

    select * from {{ source('handoff', 'stage_map') }}

),

final as (

    select
        source_system,
        raw_stage,
        stage
    from source_rows

)

select * from final
