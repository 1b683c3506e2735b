"""The moment that a run looks at, as it is given; what is to change in its configuration."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dagster_project.config.errors import ConfigError
from dagster_project.running.plan import RunOptions, parse_time, plan_run


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-06-30", "UTC", datetime(2026, 6, 30, tzinfo=UTC)),
        ("2026-06-30", "America/New_York", datetime(2026, 6, 30, 4, tzinfo=UTC)),
        ("2026-06-30T09:30", "Asia/Tokyo", datetime(2026, 6, 30, 0, 30, tzinfo=UTC)),
        ("2026-06-30T09:30:00Z", "Asia/Tokyo", datetime(2026, 6, 30, 9, 30, tzinfo=UTC)),
        ("2026-06-30T09:30:00+02:00", "UTC", datetime(2026, 6, 30, 7, 30, tzinfo=UTC)),
    ],
)
def test_a_date_begins_in_the_zone_of_the_reports(text: str, zone: str, moment: datetime) -> None:
    assert parse_time(text, zone) == moment


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="--as-of 'June': not a time; write 2026-06-30"):
        parse_time("June")


def test_former_names_of_checks_work_and_are_named(tmp_path: Path) -> None:
    config = tmp_path / "handoff.yml"
    config.write_text(
        "checks: {rejected_leads_are_recycled: {warn: 0.3}}\n"
        "alerts: {tags: {at_most_seven_reasons_are_in_use: [meeting]}}\n",
        encoding="utf-8",
    )
    plan = plan_run(RunOptions(str(config), input=str(tmp_path), output=str(tmp_path / "out")))
    recycled, reasons = plan.warnings
    assert recycled.startswith(
        f"{config}: checks.rejected_leads_are_recycled: this check is called"
    )
    assert reasons.startswith(f"{config}: alerts.tags.at_most_seven_reasons_are_in_use: ")
