{%- set attribution_models = [
    'first_touch', 'last_touch', 'linear', 'position_based'
] -%}
with subjects as (

    select * from {{ ref('int_credit_subjects') }}

),

credits as (

    select * from {{ ref('int_touch_credits') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

milestones as (

    select * from {{ ref('dim_milestones') }}

),

attribution_models as (

    select attribution_models.attribution_model
    from (
        values
        {%- for model in attribution_models %}
            ('{{ model }}'){{ ',' if not loop.last }}
        {%- endfor %}
    ) as attribution_models (attribution_model)

),

-- What nobody was seen touching keeps its whole credit, unattributed.
credited as (

    select
        subjects.*,
        coalesce(credits.channel, '(none)') as channel,
        coalesce(credits.campaign, '(none)') as campaign,
        coalesce(credits.channel_touches, 0) as channel_touches,
        {% for model in attribution_models -%}
            coalesce(credits.{{ model }}, 1) as {{ model }},
        {% endfor -%}
        coalesce(credits.is_first_of_channel, false) as is_first_of_channel
    from subjects
    left join credits
        on subjects.subject_key = credits.subject_key

),

by_model as (

    select
        credited.*,
        attribution_models.attribution_model,
        case attribution_models.attribution_model
            {%- for model in attribution_models %}
                when '{{ model }}' then credited.{{ model }}
            {%- endfor %}
        end as credit
    from credited
    cross join attribution_models

),

final as (

    select
        by_model.credited_milestone,
        milestones.milestone_label as credited_label,
        by_model.attribution_model,
        by_model.source_system,
        by_model.lead_id,
        by_model.opportunity_id,
        by_model.cycle_number,
        by_model.channel,
        by_model.campaign,
        by_model.status,
        cast(by_model.channel_touches as {{ dbt.type_bigint() }}) as channel_touches,
        by_model.credit,
        cast(by_model.opportunity_amount as decimal(18, 2)) as opportunity_amount,
        by_model.credit * cast(by_model.opportunity_amount as double)
            as credited_amount,
        by_model.credit * cast(by_model.won_amount as double) as credited_won_amount,
        -- Under one model only, so that no sum has an amount twice.
        cast(
            case
                when
                    by_model.attribution_model = 'linear'
                    and by_model.is_first_of_channel
                    then by_model.opportunity_amount
                else 0
            end as decimal(18, 2)
        ) as influenced_amount,
        cast(
            case
                when
                    by_model.attribution_model = 'linear'
                    and by_model.channel_touches > 0
                    then by_model.opportunity_amount
                else 0
            end as decimal(18, 2)
        ) as campaign_influenced_amount,
        {{ local_date('by_model.reached_at', 'run_policy.timezone') }} as credited_date,
        {{ local_date('by_model.created_at', 'run_policy.timezone') }}
            as opportunity_created_date
    from by_model
    cross join run_policy
    left join milestones
        on by_model.credited_milestone = milestones.milestone
    where by_model.credit > 0

)

select * from final
