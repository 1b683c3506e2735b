with source_rows as (

    {{ rows_of_files('channel_spend') | indent(4) }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        spend_date,
        channel,
        amount,
        extra_columns
    from source_rows

)

select * from final
