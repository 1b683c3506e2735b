"""What Dagster shows of a check."""

from pathlib import Path

import pytest

from dagster_project.assets.checks import as_check_result
from expectations.catalogue import known_checks
from expectations.check import Outcome, Status


@pytest.mark.parametrize(("status", "shown"), [("not_judged", "not judged"), ("passed", "passed")])
def test_the_verdict_stands_first(status: Status, shown: str) -> None:
    """Dagster has no third one: only words tell a check that was not judged from a passed one."""
    outcome = Outcome(known_checks()["leads_are_fresh"], status)
    result = as_check_result(outcome, Path("index.html"))
    assert result.passed
    name, told = next(iter(result.metadata.items()))
    assert (name, told.value) == ("status", shown)
    assert (result.description or "").startswith("Not judged: ") == (status == "not_judged")
