-- What a text means as a stage: an exit of any tradition, or a place on the path of the
-- active one.
with run_parameters as (

    select * from {{ ref('stg_handoff__run_parameters') }}

),

stages as (

    select
        policy_stages.stage,
        policy_stages.label,
        policy_stages.exit_kind,
        case
            when run_parameters.tradition is not null then policy_stages.path_order
        end as path_order
    from {{ ref('stages') }} as policy_stages
    left join run_parameters
        on policy_stages.tradition = run_parameters.tradition

),

aliases as (

    select * from {{ ref('stage_aliases') }}

),

named as (

    select
        stages.*,
        {{ normalised('stages.stage') }} as stage_key
    from stages
    union all
    select
        stages.*,
        {{ normalised('stages.label') }} as stage_key
    from stages
    union all
    select
        stages.*,
        {{ normalised('aliases.raw_stage') }} as stage_key
    from stages
    inner join aliases
        on stages.stage = aliases.stage

),

final as (

    select
        stage_key,
        max(
            case
                when exit_kind = 'recycled' then 1
                when exit_kind is not null then 2
            end
        ) as exit_rank,
        max(case when exit_kind is null then path_order end) as path_order
    from named
    group by stage_key

)

select * from final
