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
        -- Who has no status is active; of a status that can't be read nothing is known.
        case
            when is_active is not null then is_active
            when concat(';', unreadable) like '%;is_active:%' then null
            else true
        end as is_active
    from ranked
    where version_rank = 1

)

select * from final
