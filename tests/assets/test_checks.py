"""What Dagster shows of a check."""

from pathlib import Path

import pytest

from dagster_project.assets.checks import as_check_result, asked, check_specs
from dagster_project.running.execute import BLOCKS
from expectations.catalogue import known_checks
from expectations.check import TRAILING_SUFFIX, Outcome, Status

REASONS = "rejected_leads_have_a_reason"


@pytest.mark.parametrize(("status", "shown"), [("not_judged", "not judged"), ("passed", "passed")])
def test_the_verdict_stands_first(status: Status, shown: str) -> None:
    """Dagster has no third one: only words tell a check that was not judged from a passed one."""
    outcome = Outcome(known_checks()["leads_are_fresh"], status)
    result = as_check_result([outcome], Path("index.html"))
    assert result.passed
    name, told = next(iter(result.metadata.items()))
    assert (name, told.value) == ("status", shown)
    assert (result.description or "").startswith("Not judged: ") == (status == "not_judged")


WINDOWS = [known_checks()[REASONS + suffix] for suffix in ("", TRAILING_SUFFIX)]


def test_the_windows_of_a_check_are_one_result_which_the_worse_decides() -> None:
    whole, recent = WINDOWS
    windows = [
        Outcome(whole, "passed", observed=0.1, cases=100, failing=10),
        Outcome(recent, "blocked", observed=0.5, cases=40, failing=20, stops_publication=True),
    ]
    result = as_check_result(windows, Path("index.html"))
    assert (result.check_name, result.passed, result.severity.value) == (REASONS, False, "ERROR")
    assert (result.description or "").startswith("50% (20 of 40) over the trailing 30 days")
    assert next(iter(result.metadata.values())).value == "blocked"
    assert result.metadata["failing, whole history"].value == 10
    assert result.metadata["failing, trailing 30 days"].value == 20
    # By the name that its threshold is set by.
    (line,) = result.metadata[BLOCKS].value
    assert line.startswith(f"check {recent.name} of fct_lead_stages blocks: 50% (20 of 40)")


def test_each_window_that_blocks_has_its_line() -> None:
    windows = [
        Outcome(check, "blocked", observed=0.5, cases=40, failing=20, stops_publication=True)
        for check in WINDOWS
    ]
    result = as_check_result(windows, Path("index.html"))
    assert [line.split()[1] for line in result.metadata[BLOCKS].value] == [
        check.name for check in WINDOWS
    ]
    assert (result.description or "").count("50% (20 of 40)") == 2


def test_a_check_that_is_asked_for_runs_over_both_windows() -> None:
    assert asked({REASONS}) == {check.name for check in WINDOWS}
    assert asked({spec.name for spec in check_specs()}) == known_checks().keys()
