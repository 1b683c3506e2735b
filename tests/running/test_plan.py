"""The moment that a run looks at, as it is given."""

from datetime import UTC, datetime

import pytest

from dagster_project.config.errors import ConfigError
from dagster_project.running.plan import parse_time


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
