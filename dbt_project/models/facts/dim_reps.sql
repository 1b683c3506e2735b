with usable as (

    select * from {{ ref('int_contract__reps') }}
    where problem is null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

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

latest as (

    select
        *,
        nullif(trim({{ masked('name') }}), '') as shown_name
    from ranked
    where version_rank = 1

),

final as (

    select
        {{ surrogate_key(['latest.source_system', 'latest.rep_id']) }} as rep_sk,
        latest.rep_id,
        latest.source_system,
        latest.role,
        latest.team,
        latest.timezone,
        latest.weekly_capacity,
        -- Who has no status is active; of a status that can't be read nothing is known.
        case
            when latest.is_active is not null then latest.is_active
            when concat(';', latest.unreadable) like '%;is_active:%' then null
            else true
        end as is_active,
        -- An e-mail address alone is no name.
        case
            when run_policy.staff_names and latest.shown_name <> '[e-mail]'
                then latest.shown_name
            else latest.rep_id
        end as rep_name
    from latest
    cross join run_policy

)

select * from final
