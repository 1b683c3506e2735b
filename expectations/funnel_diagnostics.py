"""Suite of ``funnel_diagnostics``: what the runbook calls for action on.

The mart judges; a check only passes its verdict on, so that a diagnostic that calls for action is
shown, alerted and resolved as whatever else fails. One with too few cases, or that the data can't
tell, is not judged. None of them holds the marts back.
"""

from expectations.check import Check, Owner

TABLE = "build.funnel_diagnostics"

# By diagnostic: whose it is, and what is expected.
_DIAGNOSTICS: dict[str, tuple[Owner, str]] = {
    "outcomes": ("sales", "Leads that leave have a reason."),
    "acceptance": ("marketing", "Sales accepts most of what it is handed, and not everything."),
    "definition": ("marketing", "The MQL criteria are neither too loose nor too tight."),
    "qualification_range": ("marketing", "Each segment qualifies within its usual range."),
    "everyone_is_an_mql": ("marketing", "More leads handed off are accepted as often as before."),
    "mql_gaming": ("marketing", "More leads that qualify convert as often as before."),
    "bottleneck": ("sales", "Qualified leads become opportunities."),
    "first_touch": ("sales", "High-intent leads are touched in time."),
    "recycling": ("marketing", "Leads that left are put back into nurture."),
    "qualification_trend": ("marketing", "The share that qualifies does not fall beyond chance."),
    "icp_drift": ("marketing", "Who is won lately is who was won before."),
    "icp_mismatch": ("marketing", "Who is won is who the score puts first."),
    "channel_shift": ("marketing", "The mix of sources does not become weaker."),
    "channel_concentration": ("marketing", "No single channel carries the funnel."),
    "capacity": ("sales", "Reps are handed no more leads than they can work."),
    "score_power": ("marketing", "Leads with a higher score win more often."),
}


def _shown(column: str) -> str:
    """SQL for a value as people read it: a share, or a load of the capacity, as a percentage."""
    percentage = f"format('{{:.3g}}%', 100 * {column})"
    return (
        f"case when unit in ('share', 'load') then {percentage} "
        f"else format('{{:.3g}}', {column}) end"
    )


# The reading and the figures behind it: a share with its numerator; the bound that it is beyond, or
# what it was before.
_SAID = f"""
    reading || ' (' || coalesce(metric, diagnostic)
    || case when segment <> 'all' then ' of ' || segment else '' end
    || coalesce(' ' || {_shown("value")}, '') || ', '
    || case
        when unit = 'share' and numerator is not null
            then format('{{:,}} of ', cast(numerator as bigint))
        else ''
    end
    || format('{{:,}} ', sample_size) || cases || coalesce(' ' || cases_period, '')
    || case
        when value < threshold_low then '; acts below ' || {_shown("threshold_low")}
        when value > threshold_high then '; acts above ' || {_shown("threshold_high")}
        else coalesce('; before: ' || {_shown("previous_value")}, '')
    end
    || ')'
"""

CHECKS: tuple[Check, ...] = tuple(
    Check(
        name=f"diagnostic_{diagnostic}",
        headline=f"the diagnostic {diagnostic} calls for action",
        description=expected,
        severity="warning",
        owner=owner,
        runbook="Read funnel_diagnostics in the order of its steps; each row says what to do next.",
        cases=f"""
            select
                segment, metric, next_step,
                status = 'act' as is_broken,
                status in ('ok', 'watch', 'act') as is_judged,
                {_SAID} as said
            from build.funnel_diagnostics
            where diagnostic = '{diagnostic}'
        """,
        keys=("segment",),
        judged="is_judged",
        told_with=("metric", "said", "next_step"),
    )
    for diagnostic, (owner, expected) in _DIAGNOSTICS.items()
)
