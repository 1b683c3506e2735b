with shares as (

    select * from {{ ref('int_quarter_shares') }}

),

tests as (

    select * from {{ ref('int_drift_tests') }}

),

parts as (

    select
        *,
        {{ psi_part('won_share', 'rewarded_share') }} as psi_part,
        {{ psi_part('won_share', 'previous_won_share') }} as psi_part_to_previous,
        {{ psi_part('won_share', 'marketing_qualified_share') }}
            as psi_part_to_qualified
    from shares

),

final as (

    select
        parts.dimension,
        parts.value,
        cast(parts.marketing_qualified as {{ dbt.type_bigint() }})
            as marketing_qualified,
        cast(parts.all_marketing_qualified as {{ dbt.type_bigint() }})
            as all_marketing_qualified,
        cast(parts.rewarded as {{ dbt.type_bigint() }}) as rewarded,
        cast(parts.all_rewarded as {{ dbt.type_bigint() }}) as all_rewarded,
        cast(parts.won as {{ dbt.type_bigint() }}) as won,
        cast(parts.all_won as {{ dbt.type_bigint() }}) as all_won,
        cast(parts.previous_won as {{ dbt.type_bigint() }}) as previous_won,
        cast(parts.all_previous_won as {{ dbt.type_bigint() }}) as all_previous_won,
        parts.marketing_qualified_share,
        parts.rewarded_share,
        parts.won_share,
        parts.previous_won_share,
        parts.psi_part,
        to_score.psi,
        to_score.p_value,
        to_score.drift,
        parts.psi_part_to_previous,
        to_previous.psi as psi_to_previous,
        to_previous.p_value as p_value_to_previous,
        to_previous.drift as drift_to_previous,
        sum(parts.psi_part_to_qualified) over (
            partition by parts.dimension, parts.period_start
        ) as psi_to_qualified,
        parts.period_start
    from parts
    inner join tests as to_score
        on
            parts.dimension = to_score.dimension
            and parts.period_start = to_score.period_start
            and to_score.compared_with = 'rewarded'
    inner join tests as to_previous
        on
            parts.dimension = to_previous.dimension
            and parts.period_start = to_previous.period_start
            and to_previous.compared_with = 'previous_won'

)

select * from final
