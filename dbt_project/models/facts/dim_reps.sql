with usable as (

    select * from {{ ref('int_contract__reps') }}
    where problem is null

),

ranked as (

    select
        *,
        row_number() over (
            partition by source_system, rep_id
            order by load_id desc, row_text desc
        ) as version_rank
    from usable

),

final as (

    select
        {{ surrogate_key(['source_system', 'rep_id']) }} as rep_sk,
        rep_id,
        source_system,
        role,
        team,
        timezone,
        weekly_capacity,
        coalesce(is_active, true) as is_active
    from ranked
    where version_rank = 1

)

select * from final
