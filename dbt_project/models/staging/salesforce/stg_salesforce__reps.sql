with users as (

    select * from {{ source('salesforce', 'salesforce_users') }}

),

final as (

    select
        source_system,
        load_id,
        'User' as source_file,
        cast(source_row as bigint) as source_row,
        {{ salesforce_id('id') }} as rep_id,
        name,
        title as role,
        department as team,
        time_zone_sid_key as timezone,
        cast(null as varchar) as weekly_capacity,
        is_active,
        cast(null as varchar) as extra_columns
    from users

)

select * from final
