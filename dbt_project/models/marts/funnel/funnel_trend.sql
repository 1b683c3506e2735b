with counts as (

    select * from {{ ref('int_trend_counts') }}

),

pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

-- The first definitions are a beginning, not a change.
definition_changes as (

    select distinct versions.valid_from
    from {{ ref('definition_versions') }} as versions
    inner join {{ ref('definition_versions') }} as earlier_versions
        on versions.valid_from > earlier_versions.valid_from

),

tested as (

    select
        *,
        {{ rate('mature_converted', 'mature_entered') }} as mature_rate,
        {{ rate('earlier_converted', 'earlier_entered') }} as earlier_rate,
        {{ two_proportion_z(
            'mature_converted', 'mature_entered',
            'earlier_converted', 'earlier_entered'
        ) }} as z_score,
        {{ is_testable(
            'mature_converted', 'mature_entered',
            'earlier_converted', 'earlier_entered'
        ) }} as is_testable
    from counts

),

judged as (

    select
        *,
        {{ two_sided_p('z_score') }} as p_value,
        coalesce(
            is_testable and {{ two_sided_p('z_score') }} < 0.05, false
        ) as is_significant
    from tested

),

final as (

    select
        judged.dimension,
        judged.value,
        judged.metric,
        pairs.metric_label,
        pairs.from_milestone,
        pairs.from_label,
        pairs.to_milestone,
        pairs.to_label,
        pairs.sort_order,
        judged.entered as entered_in_window,
        judged.converted as converted_in_window,
        {{ rate('judged.converted', 'judged.entered') }} as rate_in_window,
        judged.mature_entered,
        judged.mature_converted,
        judged.mature_rate,
        judged.earlier_entered,
        judged.earlier_converted,
        judged.earlier_rate,
        judged.mature_rate - judged.earlier_rate as rate_change,
        judged.z_score,
        judged.p_value,
        case
            when not judged.is_testable then 'too_few'
            when not judged.is_significant then 'no_change'
            when judged.z_score < 0 then 'drop'
            else 'rise'
        end as trend,
        judged.is_significant,
        definition_changes.valid_from is not null as has_definition_change,
        judged.date_day as day
    from judged
    inner join pairs
        on judged.metric = pairs.metric
    left join definition_changes
        on judged.date_day = definition_changes.valid_from

)

select * from final
