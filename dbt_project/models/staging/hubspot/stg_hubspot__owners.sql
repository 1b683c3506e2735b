with source_rows as (

    select * from {{ source('hubspot', 'hubspot_owners') }}

),

final as (

    select
        source_system,
        load_id,
        id as owner_id,
        user_id,
        name,
        team,
        archived as is_archived
    from source_rows

)

select * from final
