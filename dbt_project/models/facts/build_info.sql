with run_policy as (

    select * from {{ ref('int_run_policy') }}

),

definition_versions as (

    select
        max(definition_versions.version) as definition_version,
        max(definition_versions.valid_from) as definition_valid_from
    from {{ ref('definition_versions') }} as definition_versions
    inner join run_policy
        on definition_versions.valid_from <= run_policy.as_of

),

final as (

    select
        run_policy.build_id,
        run_policy.tradition,
        run_policy.tradition_label,
        run_policy.acceptance_mode,
        run_policy.timezone,
        run_policy.policy_fingerprint,
        run_policy.audit_mode,
        run_policy.acceptance_window_seconds / 3600 as acceptance_window_hours,
        run_policy.window_days as conversion_window_days,
        definition_versions.definition_version,
        definition_versions.definition_valid_from,
        run_policy.as_of
    from run_policy
    cross join definition_versions

)

select * from final
