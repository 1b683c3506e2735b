with owners as (

    select * from {{ ref('stg_hubspot__owners') }}

),

final as (

    select
        source_system,
        load_id,
        'owners' as source_file,
        {{ dbt.safe_cast('owner_id', 'bigint') }} as source_row,
        owner_id as rep_id,
        name,
        cast(null as {{ dbt.type_string() }}) as role,
        team,
        cast(null as {{ dbt.type_string() }}) as timezone,
        cast(null as {{ dbt.type_string() }}) as weekly_capacity,
        case is_archived when 'true' then 'false' else 'true' end as is_active,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from owners

)

select * from final
