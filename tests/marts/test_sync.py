"""The meeting's agenda and its scorecard: what happened, what waits, and what was agreed on."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import PUBLISHED_FILE, connect
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.reporting.sync import read_agenda
from tests.lifecycle.company_policy import Policy
from tests.marts.conftest import SAMPLE
from tests.marts.cycles import cycle
from tests.warehouse import POLICY_DIR, Warehouse

# A Wednesday: the running week began on 29 June, the last meeting was then.
AS_OF = datetime(2026, 7, 1)
MONDAY = datetime(2026, 6, 22, 12)
LAST, RUNNING = date(2026, 6, 22), date(2026, 6, 29)
GIVEN = ("fct_lead_cycles", "lifecycle_violations", "dim_reps")
KIM = {"rep_sk": "R1", "rep_id": "R1", "source_system": "files", "rep_name": "Kim"}


@pytest.fixture
def agenda(new_warehouse):
    """Builds the agendas on some cycles and broken rules."""

    def build(cycles, violations=(), zone="UTC", **parameters):
        warehouse = new_warehouse()
        warehouse.set_policy(policy_with(**parameters))
        warehouse.decide(AS_OF, timezone=zone)
        models = warehouse.project.models
        warehouse._give(models["fct_lead_cycles"], cycles)
        warehouse._give(models["lifecycle_violations"], violations)
        warehouse._give(models["dim_reps"], [KIM])
        warehouse.build(["calibration_sync"], given=GIVEN)
        return {
            (row["period_start"], row["section"], row["item"]): row
            for row in warehouse.rows("calibration_sync")
        }

    return build


def policy_with(**parameters):
    """The policy that ships with other parameters, in days."""
    shipped = Policy.from_directory(POLICY_DIR)
    rows = [row for row in shipped.rows("rule_parameters") if row["parameter"] not in parameters]
    changed = [
        {"parameter": name, "value": str(value), "unit": "days"}
        for name, value in parameters.items()
    ]
    return shipped.with_rows("rule_parameters", [*rows, *changed])


def rejected(moment, size, reason):
    """Handoffs that were all rejected on a day."""
    return [
        cycle(
            f"{reason}{moment:%m%d}{at}",
            handed_off_at=moment - timedelta(days=200),
            exited_at=moment,
            reason_code=reason,
        )
        for at in range(size)
    ]


def test_the_agenda_lists_what_happened_in_the_period(agenda):
    cycles = [
        *(cycle(f"L{at}", handed_off_at=MONDAY, lead_source="Event") for at in range(2)),
        cycle(
            "A",
            handed_off_at=MONDAY - timedelta(hours=1),
            sales_qualified_at=MONDAY + timedelta(days=1),
            lead_source="Event",
        ),
        cycle(
            "X",
            handed_off_at=MONDAY,
            exited_at=MONDAY + timedelta(days=1),
            reason_code="no_budget",
            sla_status="breached",
            owner_id="R1",
        ),
        cycle("Y", handed_off_at=MONDAY, exited_at=MONDAY + timedelta(days=8)),
    ]
    broken = [
        {"lead_id": "L0", "rule": rule, "detail": text, "occurred_at": MONDAY}
        for rule, text in (("unmapped_stage", "On Hold"), ("unknown_reason", "went dark"))
    ]
    rows = agenda(cycles, [*broken, {**broken[0], "rule": "skipped_stage"}])

    assert {
        (section, item): row["leads"]
        for (start, section, item), row in rows.items()
        if start == LAST
    } == {
        ("passed", "Event"): 3,
        ("passed", "(none)"): 2,
        ("rejected", "no_budget"): 1,
        ("untouched", "R1"): 1,
        ("converted", "Event"): 1,
        ("unmapped_stage", "On Hold"): 1,
        ("unknown_reason", "went dark"): 1,
    }
    passed = rows[LAST, "passed", "Event"]
    assert (passed["lead_ids"], passed["first_at"]) == ("A, L0, L1", MONDAY - timedelta(hours=1))
    assert rows[LAST, "rejected", "no_budget"]["item_label"] == "No budget"
    assert rows[LAST, "untouched", "R1"]["item_label"] == "Kim"
    assert not passed["is_running"]
    missing = rows[RUNNING, "rejected", "(no reason)"]
    assert (missing["item_label"], missing["is_running"]) == ("No reason given", True)
    orders = [row["section_order"] for _, row in sorted(rows.items(), key=lambda item: item[0])]
    assert set(orders) == {1, 2, 4, 5, 7, 8}


def test_a_meeting_every_second_week_covers_two_weeks(agenda):
    """The weeks of 8 and 15 June 2026 belong together, that of 22 June to the next meeting."""
    cycles = [
        cycle(f"L{at}", handed_off_at=MONDAY + timedelta(weeks=at), lead_source="Event")
        for at in (-2, -1, 0)
    ]
    rows = agenda(cycles, sync_period=14)
    assert [(start, row["leads"]) for (start, *_), row in sorted(rows.items())] == [
        (date(2026, 6, 8), 2),
        (date(2026, 6, 22), 1),
    ]


def test_a_meeting_on_wednesdays_looks_at_the_week_up_to_it(agenda):
    tuesday = datetime(2026, 6, 23, 23)
    cycles = [
        cycle("before", handed_off_at=tuesday, lead_source="Event"),
        cycle("after", handed_off_at=tuesday + timedelta(hours=1), lead_source="Event"),
    ]
    rows = agenda(cycles, sync_offset=2)
    assert {start: row["lead_ids"] for (start, *_), row in rows.items()} == {
        date(2026, 6, 17): "before",
        date(2026, 6, 24): "after",
    }
    assert not any(row["is_running"] for row in rows.values()), "as_of is the next meeting's day"


def test_periods_begin_at_midnight_of_the_reporting_time_zone(agenda):
    moments = [datetime(2026, 6, 21, hour) for hour in (14, 15)]
    cycles = [cycle(f"at {at:%H}", handed_off_at=at, lead_source="Event") for at in moments]
    rows = agenda(cycles, zone="Asia/Tokyo")
    assert {start: row["lead_ids"] for (start, *_), row in rows.items()} == {
        date(2026, 6, 15): "at 14",
        date(2026, 6, 22): "at 15",
    }


def test_agendas_begin_with_the_first_whole_period_of_the_history(agenda):
    cycles = [
        cycle(f"L{at}", handed_off_at=MONDAY - timedelta(weeks=at), lead_source="Event")
        for at in range(20)
    ]
    # 1 July less 91 days is Wednesday, 1 April.
    assert min(agenda(cycles))[0] == date(2026, 4, 6)
    assert min(agenda(cycles, sync_history=20))[0] == date(2026, 6, 15)
    # The period before the running one is always there.
    assert min(agenda(cycles, sync_history=1))[0] == date(2026, 6, 22)


def test_what_grew_is_more_than_chance_beside_the_periods_before(agenda):
    """Ten weeks with two rejections of each reason, then eight, four, and four in two days."""
    weeks = [MONDAY - timedelta(weeks=at) for at in range(1, 11)]
    reasons = ("no_budget", "not_icp", "other")
    cycles = [
        *(lost for moment in weeks for reason in reasons for lost in rejected(moment, 2, reason)),
        *rejected(MONDAY, 8, "no_budget"),
        *rejected(MONDAY, 4, "not_icp"),
        *rejected(MONDAY + timedelta(weeks=1), 5, "other"),
    ]
    rows = agenda(cycles)

    def told(start, reason):
        row = rows[start, "rejected", reason]
        return row["previous_leads"], row["usual_leads"], row["has_grown"]

    assert told(LAST, "no_budget") == (2, 2, True)
    assert told(LAST, "not_icp") == (2, 2, False)
    # Nobody was rejected for it in the week before; the running week is two days old.
    assert told(RUNNING, "other") == (0, pytest.approx(20 / 11), True)
    # Of what was before the company began nothing is known.
    assert told(weeks[-1].date(), "other") == (None, None, False)
    assert told(weeks[-2].date(), "other") == (2, 2, False)


def test_an_empty_company_has_an_empty_agenda(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    warehouse.build(["calibration_sync", "sync_scorecard"])
    assert warehouse.rows("calibration_sync") == warehouse.rows("sync_scorecard") == []


def handoff(lead_id, moment, *moves):
    """A lead that becomes an MQL at a moment, and its moves so many hours after it."""
    changes = [(0, "mql", None), *moves]
    return [
        {
            "lead_id": lead_id,
            "changed_at": moment + timedelta(hours=hours),
            "to_stage": stage,
            "reason": reason,
        }
        for hours, stage, reason in changes
    ]


@pytest.fixture
def decisions(new_warehouse):
    """Four handoffs of a Monday noon, whose decision is due two days later."""
    changes = [
        *handoff("in_time", MONDAY, (24, "sal", None)),
        *handoff("rejected_in_time", MONDAY, (48, "rejected", "no_budget")),
        *handoff("late", MONDAY, (49, "sal", None)),
        # Decided after the meeting: overdue at it, not any more.
        *handoff("after_it", MONDAY, (24 * 7, "sal", None)),
        *handoff("never", MONDAY),
        # Not due yet at the meeting.
        *handoff("young", MONDAY + timedelta(days=5, hours=12), (72, "rejected", "no_budget")),
    ]
    leads = sorted({change["lead_id"] for change in changes})
    warehouse = new_warehouse()
    warehouse.load(
        {
            "leads": [
                {"lead_id": name, "created_at": MONDAY, "owner_id": f"of {name}"} for name in leads
            ],
            "stage_changes": changes,
        },
        policy=policy_with(),
    )
    warehouse.decide(AS_OF)
    warehouse.build(["calibration_sync", "sync_scorecard"])
    return warehouse


def test_what_is_overdue_is_told_as_of_the_meeting(decisions):
    rows = decisions.rows("select * from calibration_sync where section = 'overdue'")
    assert {(row["period_start"], row["item"]) for row in rows} == {
        (LAST, "of after_it"),
        (LAST, "of never"),
        (RUNNING, "of never"),
    }
    assert {row["first_at"] for row in rows} == {MONDAY + timedelta(days=2)}
    assert {row["has_grown"] for row in rows} == {None}


def test_promises_are_judged_when_they_are_due(decisions):
    found = {
        (row["period_start"], row["metric"]): (row["numerator"], row["cases"], row["status"])
        for row in decisions.rows("sync_scorecard")
        if row["period_start"] >= LAST
    }
    # Two of five in time at the meeting; the sixth fell due on Tuesday, and was rejected later.
    assert found[LAST, "decided_in_time_rate"] == (2, 5, "too_few")
    assert found[RUNNING, "decided_in_time_rate"] == (2, 6, "too_few")
    assert found[LAST, "reasons_given_rate"] == (1, 1, "too_few")
    # No conversion window has passed yet, and nothing is known of touches.
    assert found[LAST, "mql_to_sal"] == (0, 0, "too_few")
    assert (LAST, "sla_met_rate") not in found


@pytest.fixture(scope="module")
def meeting(project) -> Warehouse:
    """The sample as it was known on the morning of the meeting, with targets of our own."""
    shipped = Policy.from_directory(POLICY_DIR)
    targets = [
        target("", "sla_met_rate", "45", "percent"),
        target("", "sla_met_rate", "40", "percent", since="2026-06-20"),
        target("", "sla_met_rate", "10", "percent", since="2026-07-02"),
        target("four_stage", "sla_met_rate", "0.42", since="2025-01-01"),
        target("", "decided_in_time_rate", "0.592"),
        target("hubspot", "reasons_given_rate", "1"),
        target("", "below_mql_share", "0.38"),
        target("four_stage", "mql_to_sal", "71", "percent"),
        target("hubspot", "mql_to_sql", "71", "percent"),
    ]
    warehouse = Warehouse(project)
    warehouse.set_policy(shipped.with_rows("targets", targets))
    warehouse.read_export(FilesSource(kind="files", path=SAMPLE))
    warehouse.decide(datetime(2026, 6, 29))
    with warehouse.optimized():
        warehouse.build(["calibration_sync", "sync_scorecard"])
    return warehouse


def target(tradition, metric, value, unit="share", since="2025-01-01"):
    """A row of targets.csv."""
    return {
        "tradition": tradition,
        "metric": metric,
        "target": value,
        "unit": unit,
        "owner_team": "sales",
        "valid_from": since,
    }


def test_targets_are_those_of_the_tradition_and_the_day(meeting):
    found = {
        row["metric"]: (row["target_value"], row["status"])
        for row in meeting.rows("sync_scorecard")
        if row["period_start"] == LAST
    }
    # 41.9 %: the tradition's own target goes first, however old.
    assert found["sla_met_rate"] == (0.42, "missed")
    assert found["decided_in_time_rate"] == (0.592, "met"), "exactly at the target"
    assert found["below_mql_share"] == (0.38, "met"), "37.7 %, and less is better"
    assert found["mql_to_sal"] == (0.71, "met")
    assert found["reasons_given_rate"] == found["mql_to_sql"] == (None, "no_target")


def test_a_target_holds_from_its_day_until_the_next(meeting):
    """Those for every tradition only until the tradition has its own."""
    meeting.execute(
        "update policy.targets set valid_from = '2026-06-25' "
        "where tradition = 'four_stage' and metric = 'sla_met_rate'"
    )
    changed = {"int_targets", "sync_scorecard"}
    meeting.build(changed, given=meeting.project.models.keys() - changed)
    rows = meeting.rows("select * from sync_scorecard where metric = 'sla_met_rate'")
    assert len(rows) == 14
    steps = ((date(2026, 6, 25), 0.42), (date(2026, 6, 20), 0.4), (date.min, 0.45))
    for row in rows:
        holds = next(value for begin, value in steps if row["period_end"] >= begin)
        assert row["target_value"] == holds, row["period_start"]


def test_what_came_after_a_meeting_changes_nothing_of_its_figures(sample, meeting):
    figures = """
        select metric, cases, numerator, value, previous_value, cases_from, cases_until
        from sync_scorecard where period_start = ? order by metric
    """
    then, now = (warehouse.rows(figures, [LAST]) for warehouse in (meeting, sample))
    assert then == now
    assert len(then) == 11
    agenda = """
        select section, item, leads, lead_ids from calibration_sync
        where period_start = ? and section in ('passed', 'overdue', 'converted')
        order by section, item
    """
    then, now = (warehouse.rows(agenda, [LAST]) for warehouse in (meeting, sample))
    assert then == now
    assert {row["section"] for row in then} == {"passed", "overdue", "converted"}


def test_a_value_of_too_few_is_nothing_to_compare_with(sample):
    few = one(sample, "select sync_cases from int_run_policy")
    rows = sample.rows("select previous_cases, previous_value from sync_scorecard")
    assert {(row["previous_cases"] or 0) >= few for row in rows} == {True, False}
    assert all(
        ((row["previous_cases"] or 0) >= few) == (row["previous_value"] is not None) for row in rows
    )


def one(warehouse, query, values=()):
    """The only value of a query."""
    return next(iter(warehouse.rows(query, list(values))[0].values()))


def test_the_agenda_of_the_sample_ties_to_the_facts(sample):
    for section, moment, which in (
        ("passed", "handed_off_at", "true"),
        ("rejected", "exited_at", "outcome in ('rejected', 'disqualified')"),
        ("converted", "sales_qualified_at", "true"),
        ("untouched", "handed_off_at", "sla_status = 'breached' and first_touch_at is null"),
    ):
        assert one(
            sample, "select sum(leads) from calibration_sync where section = ?", [section]
        ) == one(
            sample,
            f"select count(*) from fct_lead_cycles where {moment} >= '2026-04-06' and {which}",
        ), section
    for section in ("unmapped_stage", "unknown_reason"):
        assert one(
            sample, "select sum(leads) from calibration_sync where section = ?", [section]
        ) == one(
            sample,
            "select count(*) from lifecycle_violations "
            "where rule = ? and occurred_at >= '2026-04-06'",
            [section],
        ), section
    assert one(
        sample, "select sum(leads) from calibration_sync where section = 'overdue' and is_running"
    ) == one(
        sample,
        "select count(*) from lifecycle_violations where rule = 'handoff_without_decision'",
    )


def test_the_scorecard_of_the_sample_ties_to_the_marts(sample):
    for day, start in (("2026-07-01", RUNNING), ("2026-06-28", LAST)):
        scorecard = sample.rows(
            "select metric, cases, numerator, value from sync_scorecard "
            "where period_start = ? and sort_order < 100 order by metric",
            [start],
        )
        trend = sample.rows(
            "select metric, mature_entered as cases, mature_converted as numerator, "
            "mature_rate as value "
            "from funnel_trend where dimension = 'all' and day = ? order by metric",
            [day],
        )
        assert scorecard == trend
        assert len(trend) == 6
    weeks = "handed_off_at between '2026-06-01' and '2026-06-29'"
    for metric, cases, kept in (
        (
            "sla_met_rate",
            "sla_status in ('met', 'breached') "
            "and sla_due_at between '2026-06-01' and '2026-06-29'",
            "sla_status = 'met'",
        ),
        (
            "decided_in_time_rate",
            "handed_off_basis = 'explicit' and handed_off_at between '2026-05-30' and '2026-06-27'",
            "coalesce(accepted_at, exited_at) <= handed_off_at + interval 48 hour",
        ),
    ):
        assert sample.rows(
            "select cases, numerator from sync_scorecard where period_start = ? and metric = ?",
            [LAST, metric],
        ) == sample.rows(
            f"select count(*) as cases, count(*) filter (where {kept}) as numerator "
            f"from fct_lead_cycles where {cases}"
        ), metric
    assert one(
        sample,
        "select cases from sync_scorecard where period_start = ? and metric = 'below_mql_share'",
        [LAST],
    ) == one(
        sample,
        f"select count(*) from fct_lead_cycles where handed_off_basis = 'explicit' and {weeks}",
    )
    statuses = {row["status"] for row in sample.rows("select status from sync_scorecard")}
    assert statuses == {"met", "missed", "no_target"}


@pytest.fixture(scope="module")
def published(sample, tmp_path_factory):
    """The sample's marts in a file as it is published, open."""
    file = tmp_path_factory.mktemp("published") / PUBLISHED_FILE
    sample.execute(f"attach '{file}' as published")
    sample.execute("create schema published.marts")
    for mart in (
        "build_info",
        "calibration_sync",
        "capacity_thresholds",
        "sync_scorecard",
        "what_stands_out",
    ):
        sample.execute(f"create table published.marts.{mart} as from {mart}")
    sample.execute("detach published")
    with connect(file, read_only=True) as connection:
        yield connection


def test_the_agenda_is_that_of_the_last_whole_period(published, sample):
    found = read_agenda(published)
    assert (found.period_start, found.period_end) == (LAST, date(2026, 6, 28))
    assert not found.is_running
    assert [rate.metric for rate in found.scorecard][:2] == ["mql_to_sal", "sal_to_sql"]
    sections = {section.name: section for section in found.sections}
    assert list(sections) == ["passed", "rejected", "overdue", "untouched", "converted"]
    for name, section in sections.items():
        # Somebody still has to decide today, whatever was overdue at the meeting's day.
        start = RUNNING if name == "overdue" else LAST
        counts = "select coalesce(sum(leads), 0) from calibration_sync where section = ? and "
        now = one(sample, counts + "period_start = ?", [name, start])
        before = one(sample, counts + "period_start = ?", [name, start - timedelta(weeks=1)])
        assert (section.leads, section.previous_leads) == (now, before), name
        assert section.leads == sum(item.leads for item in section.items)
    assert sections["overdue"].told_on == AS_OF.date()
    oldest_first = [item.first_at for item in sections["overdue"].items]
    assert oldest_first == sorted(oldest_first)


def test_what_is_to_be_decided(published, sample):
    points = {point.about: point for point in read_agenda(published).to_decide}
    assert list(points) == [
        "sla_met_rate",
        "decided_in_time_rate",
        "first_touch",
        "score_power",
        "unmapped_stage",
        "unknown_reason",
        "capacity",
    ]
    assert points["sla_met_rate"].what == "Touched in time: 41.9 % of 124, target 80 % (sales)"
    assert points["first_touch"].what == one(
        sample, "select sentence from what_stands_out where diagnostic = 'first_touch'"
    )
    assert points["unknown_reason"].what == (
        "Reason Chose an internal build is not in the policy: 2 leads"
    )
    threshold = one(
        sample,
        "select threshold from capacity_thresholds "
        "where team = 'all' and is_filling_threshold and period_start = '2026-06-22'",
    )
    assert f"A score of {threshold} or more" in points["capacity"].what


def test_the_agenda_of_another_period_is_told_as_of_then(published):
    found = read_agenda(published, date(2026, 5, 20))
    assert (found.period_start, found.period_end) == (date(2026, 5, 18), date(2026, 5, 24))
    # What stands out today is no finding of then.
    assert not {"first_touch", "score_power", "capacity"} & {
        point.about for point in found.to_decide
    }
    assert {section.told_on for section in found.sections} == {date(2026, 5, 24)}
    running = read_agenda(published, RUNNING)
    assert running.is_running
    with pytest.raises(ConfigError, match="no agenda of that day; there are those of 2026-04-06"):
        read_agenda(published, date(2026, 7, 6))


def test_where_nothing_happened_there_is_no_agenda(tmp_path):
    with connect(tmp_path / "empty.duckdb") as empty:
        empty.execute("create schema marts")
        for mart in ("calibration_sync", "sync_scorecard"):
            empty.execute(
                f"create table marts.{mart} "
                "(period_start date, period_end date, is_running boolean)"
            )
        assert read_agenda(empty) is None


def test_a_build_of_an_earlier_release_has_no_agenda(tmp_path):
    with connect(tmp_path / "old.duckdb") as old:
        old.execute("create schema marts")
        with pytest.raises(ConfigError, match="an earlier release made it"):
            read_agenda(old)
