with delivered as (

    {{ delivered_rows('leads') }}

),

as_text as (

    select
        delivered.*,
        run_parameters.hash_key,
        {{ row_text([
            'lead_id', 'created_at', 'email', 'company', 'title', 'employee_count',
            'industry', 'country', 'lead_source', 'owner_id', 'current_stage',
            'crm_score', 'is_deleted', 'merged_into_lead_id', 'updated_at'
        ]) | indent(8) }} as row_text
    from delivered
    cross join {{ ref('stg_handoff__run_parameters') }} as run_parameters

),

cast_rows as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        row_text,
        extra_columns,
        lead_id,
        company,
        title,
        industry,
        country,
        lead_source,
        owner_id,
        current_stage,
        merged_into_lead_id,
        created_at as created_at_text,
        employee_count as employee_count_text,
        crm_score as crm_score_text,
        is_deleted as is_deleted_text,
        updated_at as updated_at_text,
        case
            when email is not null
                then {{ keyed_hash('lower(trim(email))', 'hash_key') }}
        end as email_hash,
        case
            when email like '%@%'
                then nullif(lower(trim(split_part(email, '@', -1))), '')
        end as email_domain,
        {{ parse_number('employee_count') }} as employee_count,
        {{ parse_number('crm_score') }} as crm_score,
        {{ parse_boolean('is_deleted') }} as is_deleted,
        {{ parse_timestamp('created_at') }} as created_at,
        {{ parse_timestamp('updated_at') }} as updated_at,
        {{ row_as_json([
            'lead_id', 'created_at', 'email', 'company', 'title', 'employee_count',
            'industry', 'country', 'lead_source', 'owner_id', 'current_stage',
            'crm_score', 'is_deleted', 'merged_into_lead_id', 'updated_at'
        ]) }} as row_json
    from as_text

),

final as (

    select
        *,
        case
            when lead_id is null then 'lead_id'
            when created_at is null then 'created_at'
        end as problem_column,
        case
            when lead_id is null then 'required value is missing'
            when created_at_text is null then 'required value is missing'
            when created_at is null then 'required time can not be read'
        end as problem
    from cast_rows

)

select * from final
