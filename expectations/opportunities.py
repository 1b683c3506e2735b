"""Suite of the opportunities, which revenue needs."""

from expectations.check import Check
from expectations.rules import rule_checks
from expectations.source_checks import source_checks

CHECKS: tuple[Check, ...] = (
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
