with owners as (

    select * from {{ source('hubspot', 'hubspot_owners') }}

),

final as (

    select
        source_system,
        load_id,
        'owners' as source_file,
        {{ dbt.safe_cast('id', 'bigint') }} as source_row,
        id as rep_id,
        name,
        cast(null as {{ dbt.type_string() }}) as role,
        team,
        cast(null as {{ dbt.type_string() }}) as timezone,
        cast(null as {{ dbt.type_string() }}) as weekly_capacity,
        case archived when 'true' then 'false' else 'true' end as is_active,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from owners

)

select * from final
