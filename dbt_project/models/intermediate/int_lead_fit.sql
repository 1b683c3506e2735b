with matches as (

    select * from {{ ref('int_lead_fit_matches') }}

),

final as (

    select
        lead_key,
        sum(fit_points) as fit_score
    from matches
    group by lead_key

)

select * from final
