"""Suite of the opportunities, which revenue needs."""

from expectations.check import Check
from expectations.rules import rule_checks
from expectations.source_checks import source_checks

CHECKS: tuple[Check, ...] = (
    Check(
        name="amounts_are_in_a_known_currency",
        headline="{failing} amount{s} in another currency without a rate",
        description="An amount is in the currency of the marts, or currency_rates.csv says what "
        "its currency is worth; another one is unknown, and missing from every sum.",
        severity="warning",
        owner="data",
        runbook="Set lifecycle.currency, and add the currencies of the listed opportunities to "
        "currency_rates.csv.",
        cases="""
            select source_system, opportunity_id, load_id, amount is null as is_broken
            from build.int_contract__opportunities
            where amount_given is not null and problem is null
        """,
        keys=("source_system", "opportunity_id"),
        newest_by="load_id",
    ),
    *rule_checks(
        "won_without_closing_date",
        name="won_opportunities_have_a_closing_date",
        headline="{failing} won deal{s} without a closing date",
        description="An opportunity that is won says when it closed; without it, it counts as open "
        "and its amount is not won.",
        counted="Counts won opportunities, each for its first lead.",
        severity="warning",
        owner="sales",
        runbook="Set the closing date of the listed leads' opportunities; where none has one, map "
        "the column that holds it.",
        keys=("source_system", "lead_id"),
    ),
    *source_checks("opportunities", fresh_days=7.0),
)
