with run_parameters as (

    select * from {{ ref('stg_handoff__run_parameters') }}

),

traditions as (

    select * from {{ ref('traditions') }}

),

parameters_in_seconds as (

    select
        parameter,
        unit,
        value
        * case unit
            when 'minutes' then 60
            when 'hours' then 3600
            when 'days' then 86400
            else 1
        end as value
    from {{ ref('rule_parameters') }}

),

parameters as (

    select
        max(case when parameter = 'intent_lookback' then value end)
            as intent_lookback_seconds,
        max(case when parameter = 'explicit_intent_lookback' then value end)
            as explicit_intent_lookback_seconds,
        max(case when parameter = 'score_lookback' then value end)
            as score_lookback_seconds,
        max(case when parameter = 'decay_period' then value end)
            as decay_period_seconds,
        max(case when parameter = 'decay_points' then value end) as decay_points,
        max(case when parameter = 'recycle_grace' then value end)
            as recycle_grace_seconds,
        max(case when parameter = 'opportunity_grace' then value end)
            as opportunity_grace_seconds,
        max(case when parameter = 'qualification_grace' then value end)
            as qualification_grace_seconds,
        max(case when parameter = 'owner_grace' then value end) as owner_grace_seconds,
        max(case when parameter = 'creation_tolerance' then value end)
            as creation_tolerance_seconds,
        max(case when parameter = 'conversion_window' then value end)
            as conversion_window_seconds,
        max(case when parameter = 'spend_lag' and unit <> 'medians' then value end)
            as spend_lag_seconds,
        -- What a policy from before there was a choice means.
        coalesce(
            max(case when parameter = 'attribution_lookback' then value end),
            365 * 86400
        ) as attribution_lookback_seconds,
        coalesce(
            max(case when parameter = 'end_touch_credit' then value / 100 end), 0.4
        ) as end_touch_credit,
        case
            when count(*) filter (where parameter = 'spend_lag') = 0 then 1
            else max(case
                when parameter = 'spend_lag' and unit = 'medians' then value
            end)
        end as spend_lag_medians,
        coalesce(
            max(case when parameter = 'change_window' then value end), 28 * 86400
        ) as change_window_seconds,
        coalesce(
            max(case when parameter = 'change_history' then value end), 168 * 86400
        ) as change_history_seconds,
        coalesce(
            max(case when parameter = 'sync_period' then value end), 7 * 86400
        ) as sync_period_seconds,
        coalesce(max(case when parameter = 'sync_offset' then value end), 0)
            as sync_offset_seconds,
        coalesce(
            max(case when parameter = 'sync_history' then value end), 91 * 86400
        ) as sync_history_seconds,
        coalesce(max(case when parameter = 'sync_cases' then value end), 30)
            as sync_cases,
        coalesce(
            max(case when parameter = 'threshold_step' then value end), 5
        ) as threshold_step
    from parameters_in_seconds

),

-- Where sales must set a stage that means accepted, it has the acceptance window.
acceptance_stages as (

    select
        tradition,
        {{ dbt.bool_or('not is_optional') }} as must_be_set
    from {{ ref('stages') }}
    where milestone = 'accepted'
    group by tradition

),

chosen as (

    select
        run_parameters.build_id,
        run_parameters.tradition,
        traditions.label as tradition_label,
        coalesce(
            run_parameters.acceptance_mode, traditions.acceptance_mode
        ) as acceptance_mode,
        run_parameters.timezone,
        run_parameters.policy_fingerprint,
        run_parameters.match_on,
        run_parameters.audit_mode,
        run_parameters.staff_names,
        coalesce(
            run_parameters.acceptance_window_hours, traditions.window_hours
        ) * 3600 as acceptance_window_seconds,
        parameters.intent_lookback_seconds,
        parameters.explicit_intent_lookback_seconds,
        parameters.score_lookback_seconds,
        parameters.decay_period_seconds,
        parameters.decay_points,
        parameters.recycle_grace_seconds,
        parameters.opportunity_grace_seconds,
        parameters.qualification_grace_seconds,
        parameters.owner_grace_seconds,
        parameters.creation_tolerance_seconds,
        parameters.conversion_window_seconds,
        7 * greatest(
            1, cast(floor(parameters.sync_period_seconds / 604800) as integer)
        ) as sync_period_days,
        cast(parameters.sync_offset_seconds / 86400 as integer) as sync_offset_days,
        cast(parameters.sync_history_seconds / 86400 as integer) as sync_history_days,
        cast(parameters.sync_cases as integer) as sync_cases,
        cast(round(parameters.change_window_seconds / 86400) as integer)
            as change_days,
        cast(floor(
            parameters.change_history_seconds / parameters.change_window_seconds
        ) as integer) as change_windows,
        parameters.threshold_step,
        parameters.attribution_lookback_seconds,
        parameters.end_touch_credit,
        parameters.spend_lag_medians,
        parameters.spend_lag_seconds,
        traditions.requires_explicit_intent,
        coalesce(acceptance_stages.must_be_set, false) as must_set_acceptance,
        run_parameters.as_of
    from run_parameters
    inner join traditions
        on run_parameters.tradition = traditions.tradition
    cross join parameters
    left join acceptance_stages
        on run_parameters.tradition = acceptance_stages.tradition

),

final as (

    select
        *,
        case
            when must_set_acceptance then acceptance_window_seconds
            else qualification_grace_seconds
        end as decision_grace_seconds,
        cast(round(conversion_window_seconds / 86400) as integer) as window_days
    from chosen

)

select * from final
