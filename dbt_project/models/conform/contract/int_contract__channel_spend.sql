with delivered as (

    {{ delivered_rows('channel_spend') }}

),

as_text as (

    select
        *,
        {{ row_text([
            'spend_date', 'channel', 'amount'
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
        channel,
        spend_date as spend_date_text,
        amount as amount_text,
        {{ parse_date('spend_date') }} as spend_date,
        {{ parse_amount('amount') }} as amount,
        {{ row_as_json([
            'spend_date', 'channel', 'amount'
        ]) }} as row_json
    from as_text

),

final as (

    select
        *,
        case
            when spend_date is null then 'spend_date'
            when channel is null then 'channel'
            when amount is null then 'amount'
        end as problem_column,
        case
            when spend_date_text is null then 'required value is missing'
            when spend_date is null then 'required date can not be read'
            when channel is null then 'required value is missing'
            when amount_text is null then 'required value is missing'
            when amount is null then 'required number can not be read'
        end as problem
    from cast_rows

)

select * from final
