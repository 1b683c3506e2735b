-- Notes on what sources tell of their leads.
with -- Of each lead the best that is known of its stages.
lead_histories as (

    select
        leads.source_system,
        leads.lead_id,
        min(
            case visits.history_quality
                when 'observed' then 1 when 'opportunity' then 2 when 'inferred' then 3
            end
        ) as history_rank,
        max(
            case
                when
                    visits.exit_kind is not null or visits.milestone <> 'captured'
                    then 1
                else 0
            end
        ) as has_moved
    from {{ ref('dim_leads') }} as leads
    left join {{ ref('fct_lead_stages') }} as visits
        on
            leads.source_system = visits.source_system
            and leads.lead_id = visits.lead_id
    group by leads.source_system, leads.lead_id

),

histories as (

    select
        source_system,
        count(*) as lead_count,
        count(*) - count(history_rank) as stageless_count,
        count(case when history_rank = 3 and has_moved = 1 then 1 end) as undated_count,
        min(history_rank) as best_rank
    from lead_histories
    group by source_system

),

written_stages as (

    select
        source_system,
        current_stage as stage_text
    from {{ ref('int_contract__leads') }}
    where current_stage is not null
    union
    select
        source_system,
        to_stage as stage_text
    from {{ ref('int_contract__stage_changes') }}
    where to_stage is not null

),

stage_texts as (

    select
        source_system,
        {{ few_texts('stage_text') }} as samples
    from written_stages
    group by source_system

),

final as (

    select
        histories.source_system,
        'no_stage' as kind,
        'leads' as place,
        case
            when stage_texts.samples is null then 'no lead has a stage'
            else 'no lead has a stage that is known; theirs are mapped to none'
        end as note,
        histories.lead_count as row_count,
        stage_texts.samples
    from histories
    left join stage_texts
        on histories.source_system = stage_texts.source_system
    where histories.best_rank is null
    union all
    select
        source_system,
        'leads_without_stage' as kind,
        'leads' as place,
        'leads without any known stage' as note,
        stageless_count as row_count,
        cast(null as {{ dbt.type_string() }}) as samples
    from histories
    where best_rank is not null and stageless_count > 0
    union all
    select
        leads.source_system,
        'unmapped_stages' as kind,
        'stages' as place,
        'stages that no map knows' as note,
        count(*) as row_count,
        {{ few_texts('unmapped.stage_raw') }} as samples
    from {{ ref('int_unmapped_stages') }} as unmapped
    inner join {{ ref('int_leads') }} as leads
        on unmapped.lead_key = leads.lead_key
    where unmapped.is_unmapped
    group by leads.source_system
    union all
    select
        source_system,
        'no_history' as kind,
        'leads' as place,
        case
            when best_rank = 3
                then 'no stage changes: current stages count from the creation on'
            else 'leads without stage changes: their stages count from the creation on'
        end as note,
        case when best_rank = 3 then lead_count else undated_count end as row_count,
        cast(null as {{ dbt.type_string() }}) as samples
    from histories
    -- A lead that is where it began has no history, and needs none where others have.
    where best_rank = 3 or undated_count > 0
    union all
    select
        source_system,
        'never_filled' as kind,
        cast(null as {{ dbt.type_string() }}) as place,
        'the source holds no ' || concat_ws(
            ', ',
            case when not has_owners then 'owners' end,
            case when not has_activities then 'activities' end,
            case when not has_engagements then 'engagements' end
        ) as note,
        cast(null as bigint) as row_count,
        cast(null as {{ dbt.type_string() }}) as samples
    from {{ ref('int_source_coverage') }}
    where not (has_owners and has_activities and has_engagements)
    union all
    select
        activities.source_system,
        'before_creation' as kind,
        'activities.occurred_at' as place,
        'activities before their lead was created' as note,
        count(*) as row_count,
        {{ few_texts('leads.lead_id') }} as samples
    from {{ ref('fct_activities') }} as activities
    inner join {{ ref('int_leads') }} as leads
        on activities.lead_key = leads.lead_key
    where activities.occurred_at < leads.created_at
    group by activities.source_system

)

select * from final
