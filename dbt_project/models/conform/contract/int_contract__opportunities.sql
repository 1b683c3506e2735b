with delivered as (

    {{ delivered_rows('opportunities') }}

),

as_text as (

    select
        *,
        {{ row_text([
            'opportunity_id', 'lead_id', 'created_at', 'amount', 'currency', 'is_won',
            'closed_at', 'loss_reason', 'owner_id', 'merged_into_opportunity_id',
            'is_deleted'
        ]) | indent(8) }} as row_text
    from delivered

),

cast_rows as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        row_text,
        extra_columns,
        opportunity_id,
        lead_id,
        loss_reason,
        owner_id,
        currency,
        merged_into_opportunity_id,
        created_at as created_at_text,
        amount as amount_text,
        is_won as is_won_text,
        closed_at as closed_at_text,
        is_deleted as is_deleted_text,
        {{ parse_amount('amount') }} as amount,
        {{ parse_boolean('is_won') }} as is_won,
        {{ parse_boolean('is_deleted') }} as is_deleted,
        {{ parse_timestamp('created_at') }} as created_at,
        {{ parse_timestamp('closed_at') }} as closed_at,
        {{ row_as_json([
            'opportunity_id', 'lead_id', 'created_at', 'amount', 'currency', 'is_won',
            'closed_at', 'loss_reason', 'owner_id', 'merged_into_opportunity_id',
            'is_deleted'
        ]) }} as row_json
    from as_text

),

final as (

    select
        *,
        case
            when opportunity_id is null then 'opportunity_id'
            when created_at is null then 'created_at'
        end as problem_column,
        case
            when opportunity_id is null then 'required value is missing'
            when created_at_text is null then 'required value is missing'
            when created_at is null then 'required time can not be read'
        end as problem
    from cast_rows

)

select * from final
