"""An open incident goes on when its check gets another name or table."""

import pytest

from expectations.catalogue import FORMER_NAMES
from tests.alerting.builds import CHECK
from tests.alerting.conftest import Company, leads

FORMER = "rejections_say_why"


@pytest.fixture
def company_of_before(company: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """A company with an incident that the release before opened and somebody works on."""
    monkeypatch.setitem(FORMER_NAMES, FORMER, CHECK)
    company.build(0, leads(2))
    with company.store() as store:
        store.execute(
            "update incidents set check_name = ?1, place = 'build.before', "
            "finding = replace(finding, ?2, ?1), "
            "acknowledged_at = opened_at, acknowledged_by = 'Ada'",
            [FORMER, CHECK],
        )
    return company


def test_it_is_the_same_incident_under_the_new_name(company_of_before: Company) -> None:
    company_of_before.build(1, leads(2))
    with company_of_before.store() as store:
        (incident,) = store.open_incidents()
    assert (incident["check_name"], incident["place"]) == (CHECK, "build.fct_lead_stages")
    assert (incident["acknowledged_by"], incident["builds"]) == ("Ada", 2)
    assert [title.split()[0] for title in company_of_before.chat.titles] == ["New"]


def test_it_grows_and_is_resolved_under_the_new_name(company_of_before: Company) -> None:
    company_of_before.build(1, leads(3))
    company_of_before.build(2, [])
    titles = [title.split()[0] for title in company_of_before.chat.titles]
    assert titles == ["New", "Growing", "Resolved"]


def test_it_stays_open_while_the_check_is_not_judged(company_of_before: Company) -> None:
    windows = (CHECK, f"{CHECK}_last_30_days")
    company_of_before.build(1, [], not_judged=windows)
    assert [title.split()[0] for title in company_of_before.chat.titles] == ["New"]


def test_tags_under_the_former_name_are_those_of_the_check(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMER_NAMES, FORMER, CHECK)
    company.alerts = {
        "tags": {FORMER: ["sdr"]},
        "routes": [{"tags": ["sdr"], "channels": ["chat"]}],
    }
    company.build(0, leads(2))
    assert len(company.chat.titles) == 1
