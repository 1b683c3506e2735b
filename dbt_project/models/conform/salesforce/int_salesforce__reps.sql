with users as (

    select * from {{ ref('stg_salesforce__users') }}

),

final as (

    select
        source_system,
        load_id,
        'User' as source_file,
        source_row,
        user_id as rep_id,
        name,
        title as role,
        department as team,
        timezone,
        cast(null as varchar) as weekly_capacity,
        is_active,
        cast(null as varchar) as extra_columns
    from users

)

select * from final
