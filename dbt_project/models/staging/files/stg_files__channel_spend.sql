with source_rows as (

    select * from {{ source('files', 'channel_spend') }}

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
