"""A check that had too few cases to be judged neither opens nor resolves an incident."""

from tests.alerting.builds import CHECK
from tests.alerting.conftest import Company, leads

WHOLE, TRAILING = CHECK, f"{CHECK}_last_30_days"
OPENED = "New warning for sales: 2 rejections without a reason (2% of 100)"


def test_it_opens_no_incident(company: Company) -> None:
    company.build(0, leads(2), not_judged=(WHOLE, TRAILING))
    assert company.chat.titles == []


def test_it_resolves_no_incident_and_does_not_count_as_seen(company: Company) -> None:
    company.build(0, leads(2))
    with company.store() as store:
        (before,) = store.open_incidents()
    company.build(1, [], not_judged=(WHOLE, TRAILING))
    with company.store() as store:
        assert store.open_incidents() == [before]
    assert company.chat.titles == [OPENED]
    company.build(2, [])
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Resolved"]


def test_a_window_that_failed_is_not_resolved_while_it_is_not_judged(company: Company) -> None:
    company.build(0, leads(2))
    company.build(1, [], not_judged=(TRAILING,))
    # The whole history fails again, without the trailing window, and passes.
    company.build(2, leads(2), not_judged=(TRAILING,))
    company.build(3, [], not_judged=(TRAILING,))
    assert company.chat.titles == [OPENED]
    company.build(4, [])
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Resolved"]


def test_a_window_that_never_failed_is_not_waited_for(company: Company) -> None:
    company.build(0, leads(2), not_judged=(TRAILING,))
    assert "Last 30 days: Not judged: 2 cases, needs 20" in company.chat.messages[0]["message"]
    company.build(1, [], not_judged=(TRAILING,))
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Resolved"]


def test_the_value_before_is_of_a_build_that_was_judged(company: Company) -> None:
    company.build(0, leads(1))
    company.build(1, [], not_judged=(WHOLE, TRAILING))
    company.build(2, leads(3))
    assert "Previous build: 1%" in company.chat.messages[-1]["message"]
