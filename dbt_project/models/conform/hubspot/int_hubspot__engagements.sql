with signals as (

    select
        source_system,
        property,
        min({{ normalised('stage') }}) as default_kind
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'signal'
    group by source_system, property

),

kinds as (

    select
        source_system,
        property,
        {{ normalised('value') }} as value_key,
        min({{ normalised('stage') }}) as kind
    from {{ ref('stg_hubspot__property_roles') }}
    where role = 'signal_value'
    group by all

),

changes as (

    select * from {{ ref('int_hubspot__property_changes') }}
    where object_type = 'contacts' and value is not null

),

final as (

    select
        changes.source_system,
        changes.load_id,
        changes.object_type as source_file,
        {{ dbt.safe_cast('changes.object_id', 'bigint') }} as source_row,
        concat_ws(
            ':',
            changes.property,
            changes.object_id,
            changes.changed_at_text,
            changes.value
        ) as engagement_id,
        changes.contact_id as lead_id,
        coalesce(kinds.kind, signals.default_kind, changes.value) as kind,
        changes.changed_at_text as occurred_at,
        cast(null as {{ dbt.type_string() }}) as channel,
        cast(null as {{ dbt.type_string() }}) as campaign,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from changes
    inner join signals
        on
            changes.source_system = signals.source_system
            and changes.property = signals.property
    left join kinds
        on
            changes.source_system = kinds.source_system
            and changes.property = kinds.property
            and {{ normalised('changes.value') }} = kinds.value_key

)

select * from final
