-- HubSpot keeps the ids that a record swallowed with the record that is left.
with contacts as (

    select
        source_system,
        load_id,
        'contacts' as object_type,
        contact_id as survivor_id,
        created_at_text as survivor_created_at,
        concat(
            coalesce({{ json_text('properties', "'hs_merged_object_ids'") }}, ''),
            ';',
            coalesce({{ json_text('properties', "'hs_calculated_merged_vids'") }}, '')
        ) as merged_ids
    from {{ ref('stg_hubspot__contacts') }}
    where
        properties like '%hs_merged_object_ids%'
        or properties like '%hs_calculated_merged_vids%'

),

deals as (

    select
        source_system,
        load_id,
        'deals' as object_type,
        deal_id as survivor_id,
        created_at_text as survivor_created_at,
        merged_ids
    from {{ ref('stg_hubspot__deals') }}
    where merged_ids is not null

),

survivors as (

    select * from contacts
    union all
    select * from deals

),

pairs as (

    select
        source_system,
        load_id,
        object_type,
        survivor_id,
        survivor_created_at,
        {{ split_to_rows('merged_ids') }} as merged_id
    from survivors
    where merged_ids != ';'

),

named as (

    select distinct
        source_system,
        load_id,
        object_type,
        survivor_id,
        survivor_created_at,
        -- The calculated property adds the moment of the merge behind a colon.
        trim(split_part(merged_id, ':', 1)) as merged_id
    from pairs

),

swallowed as (

    select distinct
        source_system,
        object_type,
        merged_id
    from named

),

-- A record that was itself swallowed later may still name those that it swallowed.
ranked as (

    select
        named.*,
        row_number() over (
            partition by named.source_system, named.object_type, named.merged_id
            order by
                case when swallowed.merged_id is null then 0 else 1 end asc,
                length(named.survivor_id) desc,
                named.survivor_id desc
        ) as survivor_rank
    from named
    left join swallowed
        on
            named.source_system = swallowed.source_system
            and named.object_type = swallowed.object_type
            and named.survivor_id = swallowed.merged_id
    where named.merged_id != '' and named.merged_id != named.survivor_id

),

final as (

    select
        source_system,
        load_id,
        object_type,
        merged_id,
        survivor_id,
        survivor_created_at
    from ranked
    where survivor_rank = 1

)

select * from final
