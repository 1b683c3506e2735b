with shares as (

    select * from {{ ref('int_quarter_shares') }}

),

parts as (

    select
        *,
        {{ psi_part('marketing_qualified_share', 'won_share') }} as psi_part,
        {{ psi_part('marketing_qualified_share', 'previous_share') }}
            as psi_part_to_previous
    from shares

),

summed as (

    select
        *,
        sum(psi_part) over (partition by dimension, period_start) as psi,
        sum(psi_part_to_previous) over (
            partition by dimension, period_start
        ) as psi_to_previous
    from parts

),

final as (

    select
        dimension,
        value,
        cast(marketing_qualified as {{ dbt.type_bigint() }}) as marketing_qualified,
        cast(all_marketing_qualified as {{ dbt.type_bigint() }})
            as all_marketing_qualified,
        cast(won as {{ dbt.type_bigint() }}) as won,
        cast(all_won as {{ dbt.type_bigint() }}) as all_won,
        marketing_qualified_share,
        won_share,
        psi_part,
        psi,
        {{ psi_reading('psi') }} as drift,
        psi_to_previous,
        {{ psi_reading('psi_to_previous') }} as drift_to_previous,
        period_start
    from summed

)

select * from final
