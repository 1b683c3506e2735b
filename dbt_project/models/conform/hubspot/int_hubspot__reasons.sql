-- Why contacts left, each reason with the stage change that it explains.
with reasons as (

    select * from {{ ref('int_hubspot__given_reasons') }}

),

exit_names as (

    select * from {{ ref('int_contract__stage_meanings') }}
    where exit_rank is not null

),

stage_history as (

    select * from {{ ref('int_hubspot__stage_history') }}
    where stage is not null

),

-- At one moment a reason belongs to an exit that needs one before any other stage.
moments as (

    select
        stage_history.*,
        exit_names.stage_key is not null as is_exit,
        row_number() over (
            partition by
                stage_history.source_system,
                stage_history.contact_id,
                stage_history.changed_at
            order by coalesce(exit_names.exit_rank, 0) desc, stage_history.change_id asc
        ) as moment_rank
    from stage_history
    left join exit_names
        on {{ normalised('stage_history.stage') }} = exit_names.stage_key

),

-- The stage that a reason was given in, and one that was entered within a minute.
neighbours as (

    select
        reasons.*,
        moments.change_id as explained_change_id,
        moments.stage,
        moments.is_exit,
        moments.changed_at as entered_at,
        moments.changed_at <= reasons.changed_at as is_before,
        row_number() over (
            partition by
                reasons.source_system,
                reasons.contact_id,
                reasons.object_type,
                reasons.object_id,
                reasons.property,
                reasons.changed_at,
                reasons.reason,
                moments.changed_at <= reasons.changed_at
            order by
                abs({{ seconds_between('moments.changed_at', 'reasons.changed_at') }})
        ) as nearness
    from reasons
    inner join moments
        on
            reasons.source_system = moments.source_system
            and reasons.contact_id = moments.contact_id
            and moments.moment_rank = 1
            and moments.changed_at <= {{ add_seconds('reasons.changed_at', 60) }}

),

ranked as (

    select
        *,
        row_number() over (
            partition by
                source_system, contact_id, object_type, object_id, property,
                changed_at, reason
            order by
                case
                    when
                        is_before
                        and {{ seconds_between('entered_at', 'changed_at') }} <= 60
                        then 0
                    when not is_before then 1
                    else 2
                end
        ) as choice
    from neighbours
    where nearness = 1 and is_exit

),

final as (

    select
        source_system,
        load_id,
        object_type,
        object_id,
        contact_id,
        concat_ws(
            ':', object_type, object_id, property, changed_at_text, reason
        ) as change_id,
        explained_change_id,
        stage,
        reason,
        changed_by,
        changed_at_text,
        -- Given later than within one decision, it is a change of its own: nobody knew
        -- it before.
        is_before
        and {{ add_seconds('entered_at', decision_seconds()) }} < changed_at
            as is_later,
        changed_at
    from ranked
    where choice = 1

)

select * from final
