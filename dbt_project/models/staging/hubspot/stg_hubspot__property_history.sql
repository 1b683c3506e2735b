with source_rows as (

    select * from {{ source('hubspot', 'hubspot_property_history') }}

),

final as (

    select
        source_system,
        load_id,
        object_type,
        object_id,
        property,
        nullif(trim(value), '') as value,
        source_type,
        coalesce(
            updated_by,
            case
                when source_id like 'userId:%' then split_part(source_id, ':', 2)
            end
        ) as user_id,
        changed_at as changed_at_text,
        {{ parse_timestamp('changed_at') }} as changed_at
    from source_rows

)

select * from final
