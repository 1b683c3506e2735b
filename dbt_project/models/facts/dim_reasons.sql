with reason_codes as (

    select * from {{ ref('reason_codes') }}

),

final as (

    select
        reason_code,
        label as reason_label,
        reason_group,
        leak,
        applies_to,
        recycle_after_days
    from reason_codes
    union all
    select
        'unknown' as reason_code,
        'Unknown' as reason_label,
        'unknown' as reason_group,
        'unknown' as leak,
        cast(null as {{ dbt.type_string() }}) as applies_to,
        max(case when reason_code = 'other' then recycle_after_days end)
            as recycle_after_days
    from reason_codes

)

select * from final
