with {{ one_change_per_id(ref('int_contract__stage_changes')) }},

records as (

    select * from {{ ref('int_lead_records') }}
    where is_in_marts

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

stage_names as (

    select * from {{ ref('int_stage_names') }}

),

final as (

    select
        records.lead_key,
        chosen.source_system,
        chosen.lead_id,
        chosen.change_id,
        chosen.to_stage as to_stage_raw,
        to_names.stage as to_stage,
        from_names.stage as from_stage,
        chosen.reason,
        chosen.changed_by,
        case
            when chosen.changed_at > run_policy.as_of then 'late'
            when {{ normalised('chosen.to_stage') }} is null then 'clear'
            when to_names.is_ignored then 'ignored'
            when to_names.stage is null then 'unmapped'
            else 'kept'
        end as fate,
        to_names.path_order,
        chosen.changed_at
    from chosen
    cross join run_policy
    inner join records
        on
            chosen.source_system = records.source_system
            and chosen.lead_id = records.lead_id
    left join stage_names as to_names
        on
            chosen.source_system = to_names.source_system
            and {{ normalised('chosen.to_stage') }} = to_names.raw_key
    left join stage_names as from_names
        on
            chosen.source_system = from_names.source_system
            and {{ normalised('chosen.from_stage') }} = from_names.raw_key

)

select * from final
