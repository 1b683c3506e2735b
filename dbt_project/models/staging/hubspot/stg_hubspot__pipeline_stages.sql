with source_rows as (

    select * from {{ source('hubspot', 'hubspot_pipelines') }}

),

final as (

    select
        source_system,
        object_type,
        pipeline_id,
        stage_id,
        stage_label,
        {{ parse_boolean('is_closed') }} as is_closed,
        {{ parse_number('probability') }} as probability
    from source_rows

)

select * from final
