with leads as (

    select * from {{ ref('int_leads') }}

),

stage_changes as (

    select * from {{ ref('int_stage_changes') }}

),

opportunities as (

    select distinct lead_key from {{ ref('fct_opportunities') }}

),

leads_with_changes as (

    select distinct lead_key from stage_changes
    where fate in ('kept', 'late')

),

unmapped_changes as (

    select distinct
        lead_key,
        {{ normalised('to_stage_raw') }} as raw_key
    from stage_changes
    where fate = 'unmapped'

),

-- The current stage is asked about where it is a lead's only word on its stage; one
-- that is not mapped always, unless a change into it says the same.
current_stages as (

    select
        leads.*,
        leads.known_current_stage is null
        and not coalesce(stage_names.is_ignored, false) as is_unmapped,
        opportunities.lead_key is null and leads_with_changes.lead_key is null
            as is_only_word
    from leads
    left join opportunities
        on leads.lead_key = opportunities.lead_key
    left join leads_with_changes
        on leads.lead_key = leads_with_changes.lead_key
    left join {{ ref('int_stage_names') }} as stage_names
        on
            leads.source_system = stage_names.source_system
            and leads.known_current_stage_key = stage_names.raw_key
    left join unmapped_changes
        on
            leads.lead_key = unmapped_changes.lead_key
            and leads.known_current_stage_key = unmapped_changes.raw_key
    where
        leads.known_current_stage_key is not null
        and unmapped_changes.lead_key is null

),

cases as (

    select
        lead_key,
        {{ normalised('to_stage_raw') }} as raw_key,
        to_stage_raw as stage_raw,
        fate = 'unmapped' as is_unmapped,
        change_id,
        source_system,
        lead_id,
        true as is_change,
        changed_at as occurred_at
    from stage_changes
    where fate in ('kept', 'unmapped', 'ignored')
    union all
    select
        lead_key,
        known_current_stage_key as raw_key,
        known_current_stage_raw as stage_raw,
        is_unmapped,
        '~current' as change_id,
        source_system,
        lead_id,
        false as is_change,
        known_current_stage_at as occurred_at
    from current_stages
    where is_only_word or is_unmapped

),

-- Spellings of one raw stage are one finding: as the first change wrote it.
final as (

    select
        lead_key,
        raw_key,
        case
            when is_unmapped
                then first_value(stage_raw) over (
                    partition by lead_key, raw_key, is_unmapped
                    order by occurred_at, change_id, lead_id, source_system
                )
            else stage_raw
        end as stage_raw,
        is_unmapped,
        change_id,
        is_change,
        occurred_at
    from cases

)

select * from final
