"""Suite of the opportunities, which revenue needs."""

from expectations.check import Check
from expectations.rules import rule_checks
from expectations.source_checks import source_checks

_AMOUNTS = """
    select source_system, opportunity_id, load_id, {broken} as is_broken
    from build.int_contract__opportunities
    where {there}
"""
_IS_UNREADABLE = "contains(';' || coalesce(unreadable, '') || ';', ';amount;')"

CHECKS: tuple[Check, ...] = (
    Check(
        name="amounts_are_readable",
        headline="{failing} amount{s} that can not be read",
        description="An amount that a source gives is a number with one reading; another one is "
        "unknown, and missing from every sum.",
        severity="error",
        owner="data",
        runbook="Read quality.unreadable_values and quality.column_formats; name the mark of the "
        "decimals in decimal_marks of the mapping, or fix the export.",
        cases=_AMOUNTS.format(
            broken=_IS_UNREADABLE, there=f"amount_given is not null or {_IS_UNREADABLE}"
        ),
        keys=("source_system", "opportunity_id"),
        newest_by="load_id",
        block=0.05,
        blocks_from=5,
    ),
    Check(
        name="amounts_are_in_a_known_currency",
        headline="{failing} amount{s} in another currency without a rate",
        description="An amount is in the currency of the marts, or currency_rates.csv says what "
        "its currency is worth; another one is unknown, and missing from every sum.",
        severity="warning",
        owner="data",
        runbook="Set lifecycle.currency, and add the currencies of the listed opportunities to "
        "currency_rates.csv.",
        cases=_AMOUNTS.format(broken="amount is null", there="amount_given is not null"),
        keys=("source_system", "opportunity_id"),
        newest_by="load_id",
    ),
    *rule_checks(
        "won_without_closing_date",
        name="won_opportunities_have_a_closing_date",
        headline="{failing} won deal{s} without a closing date",
        description="An opportunity that is won says when it closed; without it, it counts as open "
        "and its amount is not won.",
        severity="warning",
        owner="sales",
        runbook="Set the closing date of the listed leads' opportunities; where none has one, map "
        "the column that holds it.",
        keys=("source_system", "lead_id"),
    ),
    *source_checks("opportunities", fresh_days=14.0),
)
