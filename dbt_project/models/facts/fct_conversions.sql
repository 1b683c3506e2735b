with conversions as (

    select * from {{ ref('int_pair_conversions') }}

),

pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

reps as (

    select * from {{ ref('dim_reps') }}

),

-- What only follows from a later milestone is in no rate, so it converts neither way.
final as (

    select
        conversions.lead_cycle_id,
        conversions.lead_id,
        conversions.source_system,
        conversions.cycle_number,
        conversions.metric,
        pairs.metric_label,
        pairs.from_milestone,
        pairs.from_label,
        pairs.to_milestone,
        pairs.to_label,
        pairs.sort_order,
        {%- for dimension in funnel_dimensions() %}
            conversions.{{ dimension }},
        {%- endfor %}
        conversions.intent_tier,
        coalesce(reps.rep_name, conversions.owner_id) as owner_name,
        coalesce({{ team_of('reps') }}, '(none)') as owner_team,
        case when conversions.is_counted then 1 else 0 end as entered,
        case when conversions.is_counted then 0 else 1 end as entered_implied,
        {% for column in ['converted', 'converted_in_window', 'open', 'mature'] -%}
            case
                when conversions.is_counted
                    then case when conversions.is_{{ column }} then 1 else 0 end
            end as {{ 'still_open' if column == 'open' else column }},
        {% endfor -%}
        case when conversions.is_counted then conversions.days_to_convert end
            as days_to_convert,
        conversions.entered_date,
        {% for period in ['week', 'month', 'quarter'] -%}
            {{ period_start(period, 'conversions.entered_date') }}
                as entered_{{ period }},
        {% endfor -%}
        case when conversions.is_counted then conversions.converted_date end
            as converted_date,
        conversions.entered_at,
        case when conversions.is_counted then conversions.converted_at end
            as converted_at
    from conversions
    inner join pairs
        on conversions.metric = pairs.metric
    left join reps
        on
            conversions.source_system = reps.source_system
            and conversions.owner_id = reps.rep_id

)

select * from final
