{#
    Rates and what may be concluded from them. Every macro gives null where there is nothing to
    divide by; none of them raises.
#}

{# Numerator over denominator; null when the denominator is zero or null. #}
{% macro rate(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif({{ denominator }}, 0))
{%- endmacro %}

{# Sum of the known amounts of the rows that fit: 0 without such rows, null when none is known. #}
{% macro known_amount(amount, condition) -%}
    case
        when count(*) filter (where {{ condition }}) = 0 then 0
        else sum({{ amount }}) filter (where {{ condition }})
    end
{%- endmacro %}

{# The 97.5 % point of the normal distribution: what 95 % intervals are made with. #}
{% macro normal_quantile_975() -%}
    1.959963984540054
{%- endmacro %}

{# The 99.5 % point: for what is looked for every day in short windows. #}
{% macro normal_quantile_995() -%}
    2.575829303548901
{%- endmacro %}

{#
    Lower and upper bound of the 95 % Wilson interval of a rate; null without trials. Exactly 0 when
    none succeeded and exactly 1 when all did, whatever the last bits of the formula say.
#}
{% macro wilson_lower(successes, trials) -%}
    case
        when {{ trials }} > 0 and {{ successes }} = 0 then 0.0
        when {{ trials }} > 0 then {{ wilson_bound(successes, trials, '-') }}
    end
{%- endmacro %}

{% macro wilson_upper(successes, trials) -%}
    case
        when {{ trials }} > 0 and {{ successes }} = {{ trials }} then 1.0
        when {{ trials }} > 0 then {{ wilson_bound(successes, trials, '+') }}
    end
{%- endmacro %}

{% macro wilson_bound(successes, trials, sign) -%}
    {%- set deviate = normal_quantile_975() | trim -%}
    (
        {{ successes }} + {{ deviate }} * {{ deviate }} / 2
        {{ sign }} {{ deviate }} * sqrt(
            cast({{ successes }} as double)
            * ({{ trials }} - {{ successes }}) / {{ trials }}
            + {{ deviate }} * {{ deviate }} / 4
        )
    ) / ({{ trials }} + {{ deviate }} * {{ deviate }})
{%- endmacro %}

{#
    z of the two-proportion test with pooled variance: positive when the first rate is the higher
    one. Null without trials on either side, or when all or none succeeded on both.
#}
{% macro two_proportion_z(successes, trials, other_successes, other_trials) -%}
    case
        when
            {{ trials }} > 0
            and {{ other_trials }} > 0
            and {{ successes }} + {{ other_successes }} > 0
            and {{ successes }} + {{ other_successes }}
            < {{ trials }} + {{ other_trials }}
            then (
                cast({{ successes }} as double) / {{ trials }}
                - cast({{ other_successes }} as double) / {{ other_trials }}
            ) / sqrt(
                cast({{ successes }} + {{ other_successes }} as double)
                / ({{ trials }} + {{ other_trials }})
                * (
                    {{ trials }} + {{ other_trials }}
                    - {{ successes }} - {{ other_successes }}
                )
                / ({{ trials }} + {{ other_trials }})
                * (1.0 / {{ trials }} + 1.0 / {{ other_trials }})
            )
    end
{%- endmacro %}

{#
    z of the test of two counts (Przyborowski and Wilenski 1940, in its normal form), the second one
    over a period that is `times` as long: positive when there is more of the first. Null when both
    are 0, or the second period is empty.
#}
{% macro two_count_z(count, other_count, times) -%}
    case
        when {{ count }} + {{ other_count }} > 0 and {{ times }} > 0
            then ({{ times }} * {{ count }} - {{ other_count }})
            / sqrt(cast({{ times }} * ({{ count }} + {{ other_count }}) as double))
    end
{%- endmacro %}

{#
    Whether the two samples can carry a two-proportion test: at least five successes and five
    failures are to be expected on both sides under the pooled rate.
#}
{% macro is_testable(successes, trials, other_successes, other_trials) -%}
    coalesce(
        least({{ trials }}, {{ other_trials }})
        * least(
            {{ successes }} + {{ other_successes }},
            {{ trials }} + {{ other_trials }} - {{ successes }} - {{ other_successes }}
        )
        >= 5 * ({{ trials }} + {{ other_trials }})
        and least({{ trials }}, {{ other_trials }}) > 0,
        false
    )
{%- endmacro %}

{#
    Two-sided p value of a z, by the Chebyshev fit of the complementary error function: its relative
    error is below 1.2e-7 everywhere. Engines have no error function in common.
#}
{% macro two_sided_p(deviate) -%}
    {%- set step = "(1.0 / (1.0 + 0.5 * abs(" ~ deviate ~ ") / sqrt(2.0)))" -%}
    case
        when {{ deviate }} is not null
            then least(1.0, {{ step }} * exp(
                - {{ deviate }} * {{ deviate }} / 2.0 - 1.26551223
                + {{ step }} * (1.00002368 + {{ step }} * (0.37409196
                + {{ step }} * (0.09678418 + {{ step }} * (-0.18628806
                + {{ step }} * (0.27886807 + {{ step }} * (-1.13520398
                + {{ step }} * (1.48851587 + {{ step }} * (-0.82215223
                + {{ step }} * 0.17087277))))))))
            ))
    end
{%- endmacro %}

{#
    Standard error of an area under the ROC curve by Hanley and McNeil (1982) from the number of
    positives and of negatives; null where the area is. Zero where it is 0 or 1.
#}
{% macro auc_standard_error(area, positives, negatives) -%}
    sqrt(
        (
            {{ area }} * (1 - {{ area }})
            + ({{ positives }} - 1)
            * ({{ area }} / (2 - {{ area }}) - {{ area }} * {{ area }})
            + ({{ negatives }} - 1)
            * (
                2 * {{ area }} * {{ area }} / (1 + {{ area }})
                - {{ area }} * {{ area }}
            )
        ) / nullif(cast({{ positives }} as double) * {{ negatives }}, 0)
    )
{%- endmacro %}

{# Lower and upper bound of the 95 % interval of such an area, from its standard error. #}
{% macro auc_lower(area, standard_error) -%}
    case
        when {{ area }} is not null
            then greatest(
                0.0, {{ area }} - {{ normal_quantile_975() }} * {{ standard_error }}
            )
    end
{%- endmacro %}

{% macro auc_upper(area, standard_error) -%}
    case
        when {{ area }} is not null
            then least(
                1.0, {{ area }} + {{ normal_quantile_975() }} * {{ standard_error }}
            )
    end
{%- endmacro %}

{#
    Deviate of the normal distribution that is as far out as a chi-square value, by Wilson and
    Hilferty (1931); null without degrees of freedom.
#}
{% macro chi_square_deviate(chi_square, freedom) -%}
    case
        when {{ freedom }} > 0
            then (
                power({{ chi_square }} / {{ freedom }}, 1 / 3.0)
                - (1 - 2 / (9.0 * {{ freedom }}))
            ) / sqrt(2 / (9.0 * {{ freedom }}))
    end
{%- endmacro %}

{# Upper p value of a z: how often chance alone gives one at least as high. #}
{% macro upper_tail_p(deviate) -%}
    case
        when {{ deviate }} >= 0 then ({{ two_sided_p(deviate) }}) / 2
        else 1 - ({{ two_sided_p(deviate) }}) / 2
    end
{%- endmacro %}

{#
    One category's part of the population stability index between two shares; an empty category
    counts as one in ten thousand, as is usual. Null when a side has no cases at all.
#}
{% macro psi_part(actual, expected) -%}
    (
        (greatest({{ actual }}, 0.0001) - greatest({{ expected }}, 0.0001))
        * ln(greatest({{ actual }}, 0.0001) / greatest({{ expected }}, 0.0001))
        + 0 * {{ actual }} + 0 * {{ expected }}
    )
{%- endmacro %}

{# The dimensions in which customers may drift; a company's size is its segment. #}
{% macro drift_dimensions() -%}
    {{ return(['segment', 'industry', 'lead_source']) }}
{%- endmacro %}

{# The usual bands of the population stability index. #}
{% macro psi_reading(index) -%}
    case
        when {{ index }} < 0.1 then 'stable'
        when {{ index }} < 0.25 then 'moderate'
        when {{ index }} is not null then 'major'
    end
{%- endmacro %}
