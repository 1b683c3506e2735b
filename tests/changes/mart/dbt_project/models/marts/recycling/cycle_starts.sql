with cycles as (

    select * from {{ ref('fct_lead_cycles') }}

),

final as (

    select
        start_kind,
        count(*) as cycles
    from cycles
    group by start_kind

)

select * from final
