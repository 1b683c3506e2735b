with stages as (

    select * from {{ ref('int_policy_stages') }}

),

overrides as (

    select * from {{ ref('transition_overrides') }}

),

first_visits as (

    select
        tradition,
        cast(null as {{ dbt.type_string() }}) as from_stage,
        stage as to_stage,
        'enter' as transition_kind,
        not is_exit as is_valid,
        is_exit as requires_reason
    from stages

),

pairs as (

    select
        origin.tradition,
        origin.stage as from_stage,
        origin.exit_kind as from_exit_kind,
        destination.stage as to_stage,
        destination.exit_kind as to_exit_kind,
        origin.path_order as from_order,
        destination.path_order as to_order,
        origin.milestone_rank as from_rank,
        destination.milestone_rank as to_rank,
        count(required.stage) > 0 as leaves_a_stage_out
    from stages as origin
    inner join stages as destination
        on
            origin.tradition = destination.tradition
            and origin.stage <> destination.stage
    left join stages as required
        on
            origin.tradition = required.tradition
            and not required.is_exit
            and not required.is_optional
            and origin.path_order < required.path_order
            and destination.path_order > required.path_order
    group by
        origin.tradition,
        origin.stage,
        origin.exit_kind,
        origin.path_order,
        origin.milestone_rank,
        destination.stage,
        destination.exit_kind,
        destination.path_order,
        destination.milestone_rank

),

kinds as (

    select
        *,
        case
            when from_exit_kind is not null and to_exit_kind is null
                then 'restart'
            when to_exit_kind = 'recycled'
                then 'recycle'
            when to_exit_kind is not null
                then 'exit'
            when from_order = to_order
                then 'lateral'
            when to_order > from_order and leaves_a_stage_out
                then 'skip'
            when to_order > from_order
                then 'forward'
            when from_rank = 7 and to_rank between 2 and 6
                then 'expansion'
            else 'backward'
        end as transition_kind
    from pairs

),

moves as (

    select
        tradition,
        from_stage,
        to_stage,
        transition_kind,
        case
            when transition_kind in ('lateral', 'forward', 'expansion')
                then true
            when transition_kind in ('skip', 'backward')
                then false
            when transition_kind = 'restart'
                then to_rank <= 3 or (from_exit_kind = 'lost' and to_rank = 6)
            when from_exit_kind is not null
                then
                    to_exit_kind = 'recycled'
                    or (from_exit_kind = 'recycled' and to_exit_kind = 'disqualified')
            when to_exit_kind = 'rejected'
                then from_rank between 2 and 4
            when to_exit_kind = 'disqualified'
                then from_rank between 1 and 5
            when to_exit_kind = 'lost'
                then from_rank = 6
            else from_rank between 2 and 6
        end as is_valid,
        case
            when to_exit_kind in ('rejected', 'disqualified', 'lost')
                then true
            when to_exit_kind = 'recycled'
                then from_exit_kind is null
            else false
        end as requires_reason
    from kinds

),

every_move as (

    select * from first_visits
    union all
    select * from moves

),

final as (

    select
        every_move.tradition,
        every_move.from_stage,
        every_move.to_stage,
        every_move.transition_kind,
        coalesce(overrides.is_valid, every_move.is_valid) as is_valid,
        coalesce(
            overrides.requires_reason, every_move.requires_reason
        ) as requires_reason
    from every_move
    left join overrides
        on
            every_move.tradition = overrides.tradition
            and coalesce(every_move.from_stage, '') = coalesce(overrides.from_stage, '')
            and every_move.to_stage = overrides.to_stage

)

select * from final
