with source_rows as (

    select * from {{ source('handoff', 'run_parameters') }}

),

final as (

    select
        build_id,
        as_of,
        tradition,
        acceptance_mode,
        acceptance_window_hours,
        timezone,
        policy_fingerprint,
        hash_key,
        match_on,
        audit_mode,
        currency,
        staff_names
    from source_rows

)

select * from final
