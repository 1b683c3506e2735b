with source_rows as (

    select * from {{ source('salesforce', 'salesforce_users') }}

),

final as (

    select
        source_system,
        load_id,
        cast(source_row as bigint) as source_row,
        {{ salesforce_id('id') }} as user_id,
        name,
        title,
        department,
        time_zone_sid_key as timezone,
        is_active
    from source_rows

)

select * from final
