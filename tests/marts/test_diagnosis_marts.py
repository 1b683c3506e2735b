"""What drives a change, and what a diagnostic says."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from dagster_project.ingestion.files.settings import FilesSource
from tests.marts.conftest import OTHER_MARTS, SAMPLE
from tests.marts.cycles import cycle
from tests.warehouse import Warehouse

AS_OF = datetime(2026, 7, 1)
LONG_AGO = datetime(2026, 2, 10, 12)
BEFORE = datetime(2026, 2, 20, 12)
LATELY = datetime(2026, 5, 20, 12)
# In the last four weeks, and once in each four weeks of the history before.
JUST_NOW = datetime(2026, 6, 8, 12)
HISTORY = [JUST_NOW - timedelta(days=28 * at) for at in range(1, 7)]


@pytest.fixture
def diagnosed(new_warehouse):
    """Builds the diagnosis marts on some cycles and rule cases."""

    def build(cycles, cases=(), reps=(), names=("funnel_diagnostics",)):
        warehouse = new_warehouse()
        warehouse.decide(AS_OF)
        warehouse.execute(
            "create table warehouse.build.int_rule_cases "
            "(rule text, is_broken boolean, occurred_at timestamp)"
        )
        for case in cases:
            warehouse.execute("insert into warehouse.build.int_rule_cases values (?, ?, ?)", case)
        models = warehouse.project.models
        warehouse._give(models["fct_lead_cycles"], cycles)
        warehouse._give(models["dim_reps"], reps)
        warehouse._give(models["dim_leads"], ())
        warehouse._give(models["fct_cycle_scores"], ())
        given = ("fct_lead_cycles", "dim_reps", "dim_leads", "fct_cycle_scores", "int_rule_cases")
        warehouse.build(names, given=given)
        return warehouse

    return build


def cohort(moment, size, *, accepted=0, qualified=0, prefix="L", opportunity=0, **columns):
    """Handed-off cycles of one moment: so many qualified, so many more only accepted."""
    made = []
    for at in range(size):
        reached = {"handed_off_at": moment}
        if at < qualified:
            reached["sales_qualified_at"] = moment + timedelta(days=5)
            reached["accepted_at"] = moment + timedelta(days=1)
        elif at < qualified + accepted:
            reached["accepted_at"] = moment + timedelta(days=1)
        if at < opportunity:
            reached["opportunity_at"] = moment + timedelta(days=9)
        made.append(cycle(f"{prefix}{moment:%m}{at}", **reached, **columns))
    return made


def rep(name, team, weekly, role="sdr", is_active=True):
    """A rep of the source of the cycles."""
    return {
        "rep_sk": name,
        "rep_id": name,
        "source_system": "files",
        "role": role,
        "team": team,
        "weekly_capacity": weekly,
        "is_active": is_active,
    }


def status(warehouse, diagnostic, segment="all"):
    """Status of a diagnostic."""
    rows = warehouse.rows(
        "select status from funnel_diagnostics where diagnostic = ? and segment = ?",
        [diagnostic, segment],
    )
    assert len(rows) == 1
    return rows[0]["status"]


def test_kitagawa_by_hand(diagnosed):
    """Before: six of a good source (three qualify), four of a weak one (one does); then two and
    eight, of which one and four qualify: the rate of the weak source doubles, the mix shifts."""
    cycles = [
        *cohort(BEFORE, 6, qualified=3, lead_source="Good", prefix="G"),
        *cohort(BEFORE, 4, qualified=1, lead_source="Weak", prefix="W"),
        *cohort(LATELY, 2, qualified=1, lead_source="Good", prefix="g"),
        *cohort(LATELY, 8, qualified=4, lead_source="Weak", prefix="w"),
    ]
    warehouse = diagnosed(cycles, names=["conversion_drivers"])

    rows = {
        row["value"]: row
        for row in warehouse.rows(
            "select * from conversion_drivers "
            "where period_pair = 'rolling_window' and dimension = 'lead_source' "
            "and metric = 'mql_to_sql'"
        )
    }

    assert rows["Good"]["total_change"] == pytest.approx(0.5 - 0.4)
    assert rows["Good"]["rate_part"] == 0
    assert rows["Weak"]["rate_part"] == pytest.approx((0.5 - 0.25) * (0.4 + 0.8) / 2)
    assert rows["Good"]["mix_part"] == pytest.approx((0.2 - 0.6) * (0.5 - 0.45))
    assert rows["Weak"]["mix_part"] == pytest.approx((0.8 - 0.4) * (0.375 - 0.45))
    assert sum(row["change_part"] for row in rows.values()) == pytest.approx(0.1)


def test_the_drivers_of_the_sample_sum_to_the_change(sample):
    sums = sample.rows(
        "select sum(change_part) as parts, max(total_change) as change from conversion_drivers "
        "where period_pair = 'rolling_window' group by metric, dimension"
    )
    assert len(sums) == 4 * 6
    for row in sums:
        assert row["parts"] == pytest.approx(row["change"], abs=1e-12)


@pytest.mark.parametrize(
    ("accepted", "expected"), [(40, "act"), (38, "act"), (30, "ok"), (12, "act"), (13, "ok")]
)
def test_acceptance_is_too_high_at_95_percent_and_too_low_at_30(diagnosed, accepted, expected):
    assert status(diagnosed(cohort(LONG_AGO, 40, accepted=accepted)), "acceptance") == expected


@pytest.mark.parametrize(("qualified", "expected"), [(2, "act"), (10, "ok"), (30, "act")])
def test_the_criteria_are_too_loose_or_too_tight(diagnosed, qualified, expected):
    assert status(diagnosed(cohort(LONG_AGO, 40, qualified=qualified)), "definition") == expected


@pytest.mark.parametrize(
    ("segment", "qualified", "expected"),
    [
        ("smb", 1, "watch"),
        ("smb", 4, "ok"),
        ("enterprise", 20, "watch"),
        ("enterprise", 12, "ok"),
    ],
)
def test_segments_have_ranges_of_their_own(diagnosed, segment, qualified, expected):
    """4 of 40 and 12 of 40 are outside, too, but may be chance."""
    built = diagnosed(cohort(LONG_AGO, 40, qualified=qualified, segment=segment))
    assert status(built, "qualification_range", segment) == expected


def test_few_cases_are_not_judged(diagnosed):
    assert status(diagnosed(cohort(LONG_AGO, 29, accepted=29)), "acceptance") == "too_few"


def test_what_no_stage_records_is_not_judged(diagnosed):
    """Who is qualified was accepted, but who is rejected at first sight shows nowhere."""
    [row] = diagnosed(cohort(LONG_AGO, 40)).rows(
        "select * from funnel_diagnostics where diagnostic = 'acceptance'"
    )
    assert (row["status"], row["next_step"]) == ("not_applicable", None)
    assert row["reading"] == "No stage records what sales accepts"


def test_the_policy_says_how_many_cases_are_enough(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    warehouse.execute("update warehouse.policy.diagnostics set min_cases = 41")
    warehouse.build_from_cycles(["funnel_diagnostics"], cohort(LONG_AGO, 40, qualified=2))
    assert status(warehouse, "definition") == "too_few"


def test_a_diagnostic_without_its_row_is_not_made(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    warehouse.execute("delete from warehouse.policy.diagnostics where step > 3")
    warehouse.build_from_cycles(["funnel_diagnostics"], cohort(LONG_AGO, 40, qualified=2))
    rows = warehouse.rows("select distinct diagnostic from funnel_diagnostics order by all")
    assert [row["diagnostic"] for row in rows] == ["acceptance", "definitions", "outcomes"]


@pytest.mark.parametrize(
    ("size", "accepted", "qualified", "everyone", "gaming"),
    [
        (100, 30, 0, "act", "too_few"),
        (100, 10, 10, "act", "act"),
        (50, 30, 15, "ok", "ok"),
        # No more leads than before: what falls does not fall by the volume.
        (50, 10, 4, "watch", "ok"),
        # A fifth more leads is what 50 in four weeks differ by from one to the next.
        (60, 20, 5, "watch", "ok"),
        # One chance in twenty comes every few months.
        (50, 26, 14, "ok", "ok"),
    ],
)
def test_more_volume_of_less_worth(diagnosed, size, accepted, qualified, everyone, gaming):
    cycles = cohort(JUST_NOW, size, accepted=accepted, qualified=qualified)
    for at, moment in enumerate(HISTORY):
        usual = 15 if qualified else 0
        cycles += cohort(moment, 50, accepted=30, qualified=usual, prefix=f"H{at}")
    built = diagnosed(cycles)
    assert status(built, "everyone_is_an_mql") == everyone
    assert status(built, "mql_gaming") == gaming


@pytest.mark.parametrize(("left_over", "expected"), [(0, "act"), (40, "ok")])
def test_more_of_the_leads_of_a_quiet_month_are_handed_off(diagnosed, left_over, expected):
    """As many handoffs as ever, from half of the leads."""
    cycles = cohort(JUST_NOW, 50, accepted=10, qualified=4)
    for at, moment in enumerate(HISTORY):
        cycles += cohort(moment, 50, accepted=30, qualified=15, prefix=f"H{at}")
        cycles += [cycle(f"C{at}-{lead}", cycle_started_at=moment) for lead in range(40)]
    cycles += [cycle(f"N{lead}", cycle_started_at=JUST_NOW) for lead in range(left_over)]
    assert status(diagnosed(cycles), "mql_gaming") == expected


@pytest.mark.parametrize(("opportunities", "expected"), [(5, "watch"), (20, "ok")])
def test_qualified_leads_that_stop_there(diagnosed, opportunities, expected):
    built = diagnosed(cohort(LONG_AGO, 50, qualified=40, opportunity=opportunities))
    assert status(built, "bottleneck") == expected


@pytest.mark.parametrize(("breached", "expected"), [(10, "act"), (5, "ok")])
def test_high_intent_that_waits(diagnosed, breached, expected):
    cycles = cohort(LATELY, 40, intent_tier="hand_raise", sla_status="met")
    for row in cycles[:breached]:
        row["sla_status"] = "breached"
    assert status(diagnosed(cycles), "first_touch") == expected


@pytest.mark.parametrize(
    ("rule", "diagnostic", "broken", "expected"),
    [
        ("rejection_reason_missing", "outcomes", 8, "act"),
        ("rejection_reason_missing", "outcomes", 2, "ok"),
        ("not_recycled", "recycling", 12, "watch"),
        ("not_recycled", "recycling", 4, "ok"),
    ],
)
def test_outcomes_and_recycling_follow_the_rules(diagnosed, rule, diagnostic, broken, expected):
    cases = [(rule, at < broken, LATELY) for at in range(40)]
    assert status(diagnosed([], cases), diagnostic) == expected


@pytest.mark.parametrize(("weekly", "expected"), [(2, "watch"), (10, "ok")])
def test_reps_are_overloaded(diagnosed, weekly, expected):
    built = diagnosed([*cohort(LONG_AGO, 1), *cohort(LATELY, 60)], reps=[rep("R1", None, weekly)])
    assert status(built, "capacity") == expected


@pytest.mark.parametrize(("of_sales", "expected"), [(0, "watch"), (4, "watch"), (40, "ok")])
def test_capacity_is_that_of_those_who_receive_handoffs(diagnosed, of_sales, expected):
    """Two a week are 25 in 90 days; who closes deals gets a handoff now and then."""
    reps = [rep("S", None, 2), rep("A", None, 20, role="ae")]
    cycles = cohort(LATELY, 40, owner_id="S")
    cycles += cohort(LATELY, of_sales, owner_id="A", prefix="A")
    cycles += cohort(LATELY, 9, owner_id="unknown", prefix="U")
    built = diagnosed(cycles, reps=reps)
    [row] = built.rows("select * from funnel_diagnostics where diagnostic = 'capacity'")
    assert row["status"] == expected
    assert row["numerator"] == 40 + (of_sales if of_sales > 4 else 0)


def test_an_unknown_capacity_is_not_judged(diagnosed):
    assert status(diagnosed(cohort(LATELY, 60)), "capacity") == "not_applicable"


@pytest.mark.parametrize(("of_one", "expected"), [(36, "act"), (20, "ok")])
def test_one_channel_carries_the_funnel(diagnosed, of_one, expected):
    cycles = cohort(LATELY, 40, lead_source="Event")
    for row in cycles[of_one:]:
        row["lead_source"] = "Email"
    assert status(diagnosed(cycles), "channel_concentration") == expected


@pytest.mark.parametrize(("qualified", "expected"), [(10, "act"), (48, "ok")])
def test_a_fall_is_called_one_when_the_sample_says_so(diagnosed, qualified, expected):
    before = cohort(BEFORE, 100, qualified=50)
    built = diagnosed([*before, *cohort(LATELY, 100, qualified=qualified)])
    assert status(built, "qualification_trend") == expected


@pytest.mark.parametrize(
    ("qualified", "expected", "reading"),
    [
        (1740, "ok", "A fall beyond chance, and too small to act on"),
        (1690, "act", "Fewer handoffs become sales qualified, and it is not chance"),
    ],
)
def test_of_many_handoffs_a_small_fall_is_none(diagnosed, qualified, expected, reading):
    before = cohort(BEFORE, 2000, qualified=1800)
    built = diagnosed([*before, *cohort(LATELY, 2000, qualified=qualified)])
    query = (
        "select status, reading from funnel_diagnostics where diagnostic = 'qualification_trend'"
    )
    assert built.rows(query) == [{"status": expected, "reading": reading}]


def test_a_shift_to_weak_sources_is_told_when_it_costs(diagnosed):
    first = cohort(HISTORY[1], 1, prefix="first")
    cycles = [
        *first,
        *cohort(HISTORY[0], 120, qualified=60, lead_source="Event", prefix="e"),
        *cohort(HISTORY[0], 30, qualified=1, lead_source="Email", prefix="m"),
        *cohort(JUST_NOW, 20, qualified=10, lead_source="Event", prefix="e"),
        *cohort(JUST_NOW, 80, qualified=4, lead_source="Email", prefix="m"),
    ]
    assert status(diagnosed(cycles), "channel_shift") == "act"
    by_chance = [
        *first,
        *cohort(HISTORY[0], 80, qualified=40, lead_source="Event", prefix="e"),
        *cohort(HISTORY[0], 30, qualified=1, lead_source="Email", prefix="m"),
        *cohort(JUST_NOW, 70, qualified=35, lead_source="Event", prefix="e"),
        *cohort(JUST_NOW, 30, qualified=1, lead_source="Email", prefix="m"),
    ]
    assert status(diagnosed(by_chance), "channel_shift") == "ok"
    # Two leads more of a weak source while every source converts less: chance, and no shift.
    all_fall = [
        *first,
        *cohort(HISTORY[0], 80, qualified=60, lead_source="Event", prefix="e"),
        *cohort(HISTORY[0], 30, qualified=2, lead_source="Email", prefix="m"),
        *cohort(JUST_NOW, 78, qualified=20, lead_source="Event", prefix="e"),
        *cohort(JUST_NOW, 22, qualified=1, lead_source="Email", prefix="m"),
    ]
    assert status(diagnosed(all_fall), "channel_shift") == "ok"
    same_mix = [
        *first,
        *cohort(HISTORY[0], 80, qualified=40, lead_source="Event"),
        *cohort(JUST_NOW, 80, qualified=20, lead_source="Event"),
    ]
    assert status(diagnosed(same_mix), "channel_shift") == "ok"
    costs_little = [
        *first,
        *cohort(HISTORY[0], 320, qualified=96, lead_source="Event", prefix="e"),
        *cohort(HISTORY[0], 80, qualified=22, lead_source="Email", prefix="m"),
        *cohort(JUST_NOW, 160, qualified=48, lead_source="Event", prefix="e"),
        *cohort(JUST_NOW, 240, qualified=66, lead_source="Email", prefix="m"),
    ]
    assert status(diagnosed(costs_little), "channel_shift") == "ok"


def test_sources_without_a_past_say_nothing_of_a_shift(diagnosed):
    """Each webinar is a source of its own, and all of them convert less than before."""
    cycles = [
        row
        for at, moment in enumerate(HISTORY)
        for row in cohort(moment, 50, qualified=15, lead_source=f"Webinar {at}")
    ]
    cycles += cohort(JUST_NOW, 50, qualified=5, lead_source="Webinar 7")
    assert status(diagnosed(cycles), "channel_shift") == "too_few"


def test_a_young_company_is_not_held_against_weeks_before_its_first(diagnosed):
    """Twelve weeks of the same volume; the share falls in the last four."""
    cycles = [row for moment in HISTORY[:2] for row in cohort(moment, 100, qualified=40)]
    cycles += cohort(HISTORY[1] - timedelta(days=4), 1)
    built = diagnosed([*cycles, *cohort(JUST_NOW, 100, qualified=20)])
    assert status(built, "mql_gaming") == "ok"
    first_weeks = diagnosed(cohort(JUST_NOW, 100, qualified=20))
    assert status(first_weeks, "mql_gaming") == "too_few"


def test_the_load_of_a_young_company_is_that_of_its_weeks(diagnosed):
    """Sixty in three weeks are more than ten a week can work."""
    built = diagnosed(cohort(JUST_NOW, 60), reps=[rep("R1", None, 10)])
    assert status(built, "capacity") == "watch"


def test_a_history_of_windows_is_seen_as_each_window_ended(diagnosed):
    late = [
        cycle(f"T{at}", handed_off_at=moment, sales_qualified_at=moment + timedelta(days=days))
        for at, (moment, days) in enumerate([(HISTORY[5], 20), (HISTORY[5], 30), (JUST_NOW, 20)])
    ]
    late.append(cycle("first", handed_off_at=HISTORY[5] - timedelta(days=10)))
    [row] = diagnosed(late, names=["conversion_drivers"]).rows(
        "select * from conversion_drivers "
        "where period_pair = 'change' and metric = 'mql_to_sql' and dimension = 'segment'"
    )
    assert (row["previous_entered"], row["previous_converted"]) == (2, 1)
    assert (row["current_entered"], row["current_converted"]) == (1, 1)
    assert (row["previous_from"], row["current_from"]) == (
        (AS_OF - timedelta(days=196)).date(),
        (AS_OF - timedelta(days=28)).date(),
    )


@pytest.mark.parametrize(
    ("lately", "expected"),
    [(("smb", "mid_market"), "ok"), (("smb", "enterprise"), "act"), (("smb",) * 9, "too_few")],
)
def test_who_is_won_lately_is_not_who_was(diagnosed, lately, expected):
    """Sixty before, half of them in each segment; lately 24, or nine, which are too few."""
    cycles = [
        cycle(f"B{at}", won_at=BEFORE, segment=("smb", "mid_market")[at % 2]) for at in range(60)
    ]
    size = 9 if expected == "too_few" else 24
    cycles += [
        cycle(f"W{at}", won_at=JUST_NOW, segment=lately[at % len(lately)]) for at in range(size)
    ]
    assert status(diagnosed(cycles), "icp_drift", "segment") == expected


TOLD_OTHERWISE = {
    # MQL is the handoff of the sample. Where SQL is, its SQL has no stage of its own.
    "hubspot": {"MQL": "sql", "SQL": "ignored"},
    "winning_by_design": {"MQL": "sql", "SQL": "ignored"},
    "handoff_first": {"MQL": "sql", "SQL": "ignored"},
    "salesforce": {},
}


@pytest.fixture(scope="module", params=TOLD_OTHERWISE)
def told_otherwise(request, project):
    """The diagnostics of the sample as a company of another tradition tells it."""
    warehouse = Warehouse(project)
    names = TOLD_OTHERWISE[request.param]
    warehouse.read_export(FilesSource(kind="files", path=SAMPLE, stage_names=names))
    warehouse.decide(AS_OF, request.param)
    warehouse.build(["funnel_diagnostics"])
    return warehouse, not names


def test_one_world_has_one_diagnosis_in_every_tradition(told_otherwise, sample):
    warehouse, tells_qualified = told_otherwise
    statuses, expected = (
        {
            (row["diagnostic"], row["segment"]): row["status"]
            for row in built.rows("select * from funnel_diagnostics")
        }
        for built in (warehouse, sample)
    )
    assert expected["acceptance", "all"] == "ok"
    if not tells_qualified:
        expected["bottleneck", "all"] = "not_applicable"
    assert statuses == expected


def test_a_fall_of_the_sample_is_never_one_of_its_channels(project):
    """No two windows of the sample differ beyond chance, whatever day they end on."""
    warehouse = Warehouse(project)
    warehouse.read_export(FilesSource(kind="files", path=SAMPLE))
    warehouse.decide(AS_OF)
    warehouse.build(["fct_lead_cycles", "dim_stages", "dim_milestones"])
    given = ("fct_lead_cycles", "dim_stages", "dim_milestones")
    for day in range(0, 168, 6):
        warehouse.execute(
            f"update warehouse.raw.run_parameters set as_of = timestamp '2026-07-01' "
            f"- interval {day} day"
        )
        warehouse.build(["int_channel_shift"], given=given)
        [row] = warehouse.rows("select * from int_channel_shift")
        assert row["status"] in ("ok", "too_few")


def test_what_stands_out_is_said_with_figure_sample_and_comparison(diagnosed):
    cycles = cohort(LONG_AGO, 40, qualified=2, segment="smb")
    cycles += cohort(BEFORE, 100, qualified=50)
    cycles += cohort(JUST_NOW, 100, qualified=10, intent_tier="hand_raise", sla_status="met")
    for row in cycles[-30:]:
        row["sla_status"] = "breached"
    built = diagnosed(cycles, names=["what_stands_out"])
    rows = built.rows("select * from what_stands_out order by place")
    assert [(row["diagnostic"], row["status"]) for row in rows] == [
        ("everyone_is_an_mql", "act"),
        ("mql_gaming", "act"),
        ("first_touch", "act"),
        ("qualification_trend", "act"),
        ("channel_concentration", "act"),
    ]
    assert rows[2]["sentence"] == (
        "High-intent leads wait too long for the first touch: "
        "30 % (30 of 100 hand-raisers and high-intent handoffs in the last 90 days); "
        "usual: at most 20 %"
    )
    assert rows[3]["sentence"] == (
        "Fewer handoffs become sales qualified, and it is not chance: "
        "MQL to SQL 10 % (10 of 100 handoffs in the last 90 days); before: 37 % (p below 0.001)"
    )
    assert all(row["next_step"] for row in rows)


def test_what_stands_out_names_the_rate_and_when_its_cases_are_of(diagnosed):
    cycles = cohort(LONG_AGO, 40, qualified=30, segment="smb")
    rows = diagnosed(cycles, names=["what_stands_out"]).rows("from what_stands_out")
    assert (
        "Above the usual SMB range: MQL to SQL 75 % (30 of 40 handoffs 180 to 91 days ago); "
        "usual: 15 % to 30 %"
    ) in [row["sentence"] for row in rows]


def test_the_diagnostics_read_in_the_order_of_the_runbook(sample):
    rows = sample.rows("select * from funnel_diagnostics order by step")
    assert [row["diagnostic"] for row in rows][:3] == ["outcomes", "definitions", "acceptance"]
    for row in rows:
        assert row["reading"]
        assert (row["next_step"] is not None) == (row["status"] in ("act", "watch"))
    periods = {(row["diagnostic"], row["segment"]): row["cases_period"] for row in rows}
    assert periods["acceptance", "all"] == "180 to 91 days ago"
    assert periods["first_touch", "all"] == "in the last 90 days"
    assert periods["mql_gaming", "all"] == "in the last 28 days"
    assert periods["channel_shift", "all"] == "in the last 28 days"
    assert periods["icp_mismatch", "segment"] == "2026-04-01 to 2026-06-30"
    assert periods["score_power", "handoff"] == "handed off 2025-07-01 to 2026-03-31"


def test_the_load_of_the_sample_is_that_of_its_sdrs(sample):
    [row] = sample.rows("select * from funnel_diagnostics where diagnostic = 'capacity'")
    assert (row["status"], row["numerator"]) == ("watch", 387)
    assert row["value"] == pytest.approx(387 / (24 * 90 / 7))


def scored(owner_id, *scores):
    """Cycles handed off in one week with these scores."""
    reached = {"handed_off_at": LATELY, "scored_at": LATELY}
    return [
        cycle(f"{owner_id}{at}", **reached, owner_id=owner_id, score=score)
        for at, score in enumerate(scores)
    ]


def thresholds(diagnosed, reps, cycles):
    """capacity_thresholds: team -> threshold -> row."""
    built = diagnosed(cycles, reps=reps, names=["capacity_thresholds"])
    teams = {}
    for row in built.rows("select * from capacity_thresholds order by team, threshold"):
        teams.setdefault(row["team"], {})[row["threshold"]] = row
    return teams


def filling(of_team):
    """The threshold that fills a team, and why there is none."""
    [found] = {(row["filling_threshold"], row["filling_status"]) for row in of_team.values()}
    flagged = [at for at, row in of_team.items() if row["is_filling_threshold"]]
    assert flagged == [found[0]] * (found[0] is not None)
    return found


def test_the_threshold_that_fills_the_team(diagnosed):
    """From scores below 0 to those above 100, in steps of five that any score reaches."""
    teams = thresholds(diagnosed, [rep("N", "north", 3)], scored("N", -7, 15, 35, 57, 55, 112))
    rows = teams["north"]
    assert {at: row["leads_at_or_above"] for at, row in rows.items()} == {
        -10: 6,
        15: 5,
        35: 4,
        55: 3,
        110: 1,
    }
    assert filling(rows) == filling(teams["all"]) == (55, "found")
    assert [at for at, row in rows.items() if row["is_within_capacity"]] == [55, 110]
    assert rows[35]["capacity_load"] == pytest.approx(4 / 3)
    assert {row["scored_leads"] for row in rows.values()} == {6}


def test_each_team_has_the_capacity_of_its_reps_who_receive_handoffs(diagnosed):
    """The closers' 50 a week are nobody's capacity: they own one handoff of 21."""
    reps = [
        rep("N", "north", 2),
        rep("left", "north", 9, is_active=False),
        rep("closer", "north", 50, role="ae"),
        rep("S", "south", 4),
        rep("T", None, 1),
    ]
    cycles = scored("N", *range(0, 50, 5)) + scored("S", *[40] * 4, *[20] * 4)
    cycles += scored("closer", 90) + scored("T", 90) + scored("stranger", 90) + scored(None, 90)
    teams = thresholds(diagnosed, reps, cycles)
    assert {team: (rows[0]["weekly_capacity"], filling(rows)) for team, rows in teams.items()} == {
        "all": (7, (45, "found")),
        "north": (2, (45, "found")),
        "south": (4, (25, "found")),
    }
    assert teams["north"][0]["scored_leads"] == 11
    assert teams["all"][0]["scored_leads"] == 22
    assert {row["leads_at_or_above"] for row in (teams["south"][45], teams["south"][90])} == {0}


@pytest.mark.parametrize(
    ("reps", "expected"),
    [
        ([rep("N", "north", 3)], (10, "found")),
        ([rep("N", "north", 4)], (None, "too_few_leads")),
        ([rep("N", "north", 1)], (None, "too_many_at_the_top")),
        ([rep("N", "north", None)], (None, "capacity_unknown")),
        ([rep("N", "north", 5, is_active=False)], (None, "no_capacity")),
        ([rep("N", "north", 0)], (None, "no_capacity")),
    ],
)
def test_where_no_threshold_fills_the_team_it_says_why(diagnosed, reps, expected):
    teams = thresholds(diagnosed, reps, scored("N", 10, 60, 64))
    assert filling(teams["north"]) == filling(teams["all"]) == expected


def test_without_reps_capacity_is_unknown_and_there_is_no_team(diagnosed):
    teams = thresholds(diagnosed, [], scored("N", 10, 60))
    assert list(teams) == ["all"]
    assert filling(teams["all"]) == (None, "capacity_unknown")


def test_where_no_owner_is_known_everybody_receives(diagnosed):
    reps = [rep("N", "north", 1), rep("closer", "north", 1, role="ae")]
    teams = thresholds(diagnosed, reps, scored(None, 10, 60, 70))
    assert list(teams) == ["all"]
    assert filling(teams["all"]) == (60, "found")


def test_a_team_called_all_is_not_the_whole(diagnosed):
    teams = thresholds(diagnosed, [rep("A", "all", 1)], scored("A", 10) + scored(None, 60))
    assert list(teams) == ["all"]
    assert {row["scored_leads"] for row in teams["all"].values()} == {2}


def test_a_change_of_the_definitions_is_told(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    warehouse.execute(
        "insert into warehouse.policy.definition_versions values (2, '2026-06-01', 'both', 'new')"
    )
    warehouse.build_from_cycles(["funnel_diagnostics"], [])
    assert status(warehouse, "definitions") == "watch"
    assert status(warehouse, "qualification_trend") == "too_few"


def test_the_thresholds_of_the_sample_tie_to_the_facts(sample):
    def one(query):
        return next(iter(sample.rows(query)[0].values()))

    for team, least in (("all", -20), ("all", 0), ("all", 105), ("emea", 35)):
        of_team = "true" if team == "all" else f"team = '{team}'"
        assert one(
            "select sum(leads_at_or_above) from capacity_thresholds "
            f"where team = '{team}' and threshold = {least}"
        ) == one(
            "select count(*) from fct_lead_cycles left join dim_reps on owner_id = rep_id "
            f"where score >= {least} and {of_team}"
        )
    weekly = sample.rows("select distinct team, weekly_capacity from capacity_thresholds")
    assert {row["team"]: row["weekly_capacity"] for row in weekly} == {
        "all": 24,
        "amer": 14,
        "apac": 2,
        "emea": 8,
    }


def test_every_named_rate_is_in_the_catalog(sample):
    rows = sample.rows("select metric, mart from metric_catalog")
    assert {"mql_to_sal", "mql_to_sql", "auc", "psi"} <= {row["metric"] for row in rows}
    for row in rows:
        assert row["mart"] in sample.project.models


def test_marts_of_nothing_are_empty_and_raise_nothing(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    not_empty = {"funnel_diagnostics", "metric_catalog"}
    names = [name for name in OTHER_MARTS if name not in not_empty]
    warehouse.build([*names, "funnel_diagnostics"])
    for name in names:
        assert warehouse.rows(f"select * from {name}") == []
    statuses = {row["status"] for row in warehouse.rows("select status from funnel_diagnostics")}
    assert statuses == {"too_few", "ok", "not_applicable"}
