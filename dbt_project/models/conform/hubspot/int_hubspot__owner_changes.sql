with changes as (

    select * from {{ ref('int_hubspot__property_changes') }}
    where object_type = 'contacts' and property = 'hubspot_owner_id'

),

final as (

    select
        source_system,
        load_id,
        object_type as source_file,
        {{ dbt.safe_cast('object_id', 'bigint') }} as source_row,
        contact_id as lead_id,
        changed_at_text as changed_at,
        value as owner_id,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from changes

)

select * from final
