with leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

stage_fields as (

    select
        source_system,
        field,
        field_key,
        field_rank
    from {{ ref('stg_salesforce__field_roles') }}
    where role = 'stage'

),

last_changes as (

    select
        source_system,
        lead_id,
        field_key,
        max(changed_at) as changed_at
    from {{ ref('int_salesforce__stage_history') }}
    group by source_system, lead_id, field_key

),

present_values as (

    select
        leads.source_system,
        leads.lead_id,
        stage_fields.field_key,
        stage_fields.field_rank,
        {{ salesforce_lead_value('stage_fields.field', 'leads') }} as present_value
    from leads
    inner join stage_fields
        on leads.source_system = stage_fields.source_system

),

-- The present stage is that of the field that changed last; without history, of the
-- first one.
present_stages as (

    select
        present_values.source_system,
        present_values.lead_id,
        coalesce(stage_values.stage, present_values.present_value) as current_stage,
        row_number() over (
            partition by present_values.source_system, present_values.lead_id
            order by
                case when last_changes.changed_at is null then 1 else 0 end asc,
                last_changes.changed_at desc,
                case
                    when last_changes.changed_at is not null
                        then coalesce(meanings.exit_rank, 0)
                end desc,
                present_values.field_rank asc
        ) as stage_rank
    from present_values
    left join last_changes
        on
            present_values.source_system = last_changes.source_system
            and present_values.lead_id = last_changes.lead_id
            and present_values.field_key = last_changes.field_key
    left join {{ ref('int_salesforce__stage_values') }} as stage_values
        on
            present_values.source_system = stage_values.source_system
            and present_values.field_key = stage_values.field_key
            and {{ normalised('present_values.present_value') }}
            = stage_values.value_key
    left join {{ ref('int_contract__stage_meanings') }} as meanings
        on
            {{ normalised(
                'coalesce(stage_values.stage, present_values.present_value)'
            ) }} = meanings.stage_key
    where
        present_values.present_value is not null
        and coalesce(stage_values.stage, '') != 'ignored'

),

chosen_columns as (

    select
        source_system,
        min(case when value = 'company' then field end) as company_field,
        min(case when value = 'title' then field end) as title_field,
        min(case when value = 'employee_count' then field end)
            as employee_count_field,
        min(case when value = 'industry' then field end) as industry_field,
        min(case when value = 'country' then field end) as country_field,
        min(case when value = 'lead_source' then field end) as lead_source_field,
        min(case when value = 'crm_score' then field end) as crm_score_field
    from {{ ref('stg_salesforce__field_roles') }}
    where role = 'column'
    group by source_system

),

final as (

    select
        leads.source_system,
        leads.load_id,
        'Lead' as source_file,
        leads.source_row,
        leads.lead_id,
        leads.created_date as created_at,
        leads.email,
        {{ salesforce_chosen_value('company', 'Company') }} as company,
        {{ salesforce_chosen_value('title', 'Title') }} as title,
        {{ salesforce_chosen_value('employee_count', 'NumberOfEmployees') }}
            as employee_count,
        {{ salesforce_chosen_value('industry', 'Industry') }} as industry,
        {{ salesforce_chosen_value('country', 'Country') }} as country,
        {{ salesforce_chosen_value('lead_source', 'LeadSource') }} as lead_source,
        leads.owner_id,
        present_stages.current_stage,
        {{ salesforce_chosen_value('crm_score', '') }} as crm_score,
        leads.is_deleted,
        leads.merged_into_lead_id,
        leads.updated_date as updated_at,
        cast(null as varchar) as extra_columns
    from leads
    left join present_stages
        on
            leads.source_system = present_stages.source_system
            and leads.lead_id = present_stages.lead_id
            and present_stages.stage_rank = 1
    left join chosen_columns
        on leads.source_system = chosen_columns.source_system

)

select * from final
