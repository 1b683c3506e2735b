"""Whether the score tells who wins, and drift, against SciPy and against sums by hand."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import pytest
from scipy.stats import chi2_contingency, mannwhitneyu

from tests.marts.cycles import cycle

MOMENT = datetime(2026, 2, 3, 10)
AS_OF = datetime(2026, 7, 1)
# Ten leads: score, the CRM's score, won.
TEN = [
    (95, 10, True),
    (80, 20, True),
    (72, 90, False),
    (60, 30, True),
    (60, 40, False),
    (50, 50, False),
    (44, 60, False),
    (30, 70, True),
    (20, None, False),
    (5, 80, False),
]


def band(score):
    """The band by the shipped policy."""
    return "A" if score >= 70 else "B" if score >= 45 else "C" if score >= 20 else "D"


def calibrated(warehouse, leads):
    """score_calibration of leads: score, the CRM's score, won."""
    warehouse.decide(AS_OF)
    warehouse.build_from_cycles(
        ["score_calibration"],
        [scored(at, score, won) for at, (score, _, won) in enumerate(leads)],
        leads=[given_score(at, score) for at, (_, score, _) in enumerate(leads)],
    )
    return warehouse.rows("select * from score_calibration order by score_kind, band_order")


def scored(name, score, won, *, handed_off_at=MOMENT, after=30, **columns):
    """A handed-off cycle of a score, won some days later or not."""
    if won:
        columns["won_at"] = handed_off_at + timedelta(days=after)
    return cycle(
        f"L{name}", handed_off_at=handed_off_at, score=score, score_band=band(score), **columns
    )


def given_score(name, crm_score, **columns):
    """The lead of that cycle, with the score that the CRM says today."""
    lead = f"L{name}"
    return {
        "lead_sk": lead,
        "lead_id": lead,
        "source_system": "files",
        "crm_score": crm_score,
        **columns,
    }


@pytest.fixture
def new_warehouse(new_warehouse):
    """A warehouse whose policy judges a score from ten wins on: fewer rows to write."""

    def make():
        warehouse = new_warehouse()
        warehouse.execute(
            "update warehouse.policy.diagnostics set min_cases = 10 "
            "where diagnostic = 'score_power'"
        )
        return warehouse

    return make


@pytest.fixture
def calibration(new_warehouse):
    """score_calibration of the ten leads."""
    return calibrated(new_warehouse(), TEN)


@pytest.mark.parametrize(
    ("scores", "quartiles"),
    [
        ([50] * 40, {"quartile 2": (40, 10)}),
        ([90] * 10 + [50] * 30, {"quartile 1": (10, 2), "quartile 3": (30, 8)}),
        (list(range(40)), {f"quartile {at}": (10, won) for at, won in enumerate([3, 2, 3, 2], 1)}),
    ],
)
def test_leads_of_one_score_are_in_one_quartile(new_warehouse, scores, quartiles):
    leads = [(50, score, at % 4 == 3) for at, score in enumerate(scores)]
    found = [row for row in calibrated(new_warehouse(), leads) if row["score_kind"] == "crm"]
    assert {row["band"]: (row["cycles"], row["won"]) for row in found} == quartiles
    if len(found) == 1:
        [row] = found
        assert (row["lift"], row["auc"], row["is_monotonic"]) == (1, 0.5, None)


def test_auc_is_the_chance_that_a_winner_had_the_higher_score(calibration):
    winners = [score for score, _, won in TEN if won]
    losers = [score for score, _, won in TEN if not won]
    expected = mannwhitneyu(winners, losers).statistic / (len(winners) * len(losers))

    ours = [row for row in calibration if row["score_kind"] == "handoff"]

    assert {round(row["auc"], 12) for row in ours} == {round(expected, 12)}


def test_auc_of_the_score_that_the_crm_gave(calibration):
    known = [(crm, won) for _, crm, won in TEN if crm is not None]
    winners = [crm for crm, won in known if won]
    losers = [crm for crm, won in known if not won]
    expected = mannwhitneyu(winners, losers).statistic / (len(winners) * len(losers))

    crm = [row for row in calibration if row["score_kind"] == "crm"]

    assert {round(row["auc"], 12) for row in crm} == {round(expected, 12)}
    assert sum(row["cycles"] for row in crm) == len(known)


def test_lift_is_the_band_over_the_average(calibration):
    ours = {row["band"]: row for row in calibration if row["score_kind"] == "handoff"}

    assert [(row["cycles"], row["won"]) for row in ours.values()] == [
        (3, 2),
        (3, 1),
        (3, 1),
        (1, 0),
    ]
    assert ours["A"]["lift"] == pytest.approx((2 / 3) / 0.4)
    assert ours["A"]["is_monotonic"] is True
    assert ours["D"]["is_above_next_band"] is None


def hanley_mcneil(area, positives, negatives):
    """The standard error of an AUC as the paper gives it (Radiology 143:29, formula 2)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    return math.sqrt(
        (area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2))
        / (positives * negatives)
    )


def test_the_interval_of_an_auc_is_that_of_hanley_and_mcneil(calibration):
    for kind, positives, negatives in (("handoff", 4, 6), ("crm", 4, 5)):
        row = next(row for row in calibration if row["score_kind"] == kind)
        margin = 1.959963984540054 * hanley_mcneil(row["auc"], positives, negatives)
        assert row["auc_lower"] == pytest.approx(max(0, row["auc"] - margin))
        assert row["auc_upper"] == pytest.approx(min(1, row["auc"] + margin))


@pytest.mark.parametrize("won", [True, False])
def test_where_all_or_none_are_won_there_is_no_auc(new_warehouse, won):
    for row in calibrated(new_warehouse(), [(score, None, won) for score in (10, 50, 90)]):
        assert (row["auc"], row["auc_lower"], row["auc_upper"]) == (None, None, None)


@pytest.mark.parametrize(("as_of", "is_mature"), [("2026-06-30", True), ("2026-06-29", False)])
def test_a_young_quarter_is_called_neither_good_nor_bad(new_warehouse, as_of, is_mature):
    """The last handoff of the first quarter has 90 days until the 30th of June."""
    warehouse = new_warehouse()
    warehouse.decide(datetime.fromisoformat(as_of))
    cycles = [scored(at, score, won=score < 50) for at, score in enumerate(range(0, 100, 5))]
    warehouse.build_from_cycles(["score_calibration", "int_score_diagnostics"], cycles)

    rows = warehouse.rows("select * from score_calibration order by band_order")

    assert {row["is_mature"] for row in rows} == {is_mature}
    assert {row["is_monotonic"] for row in rows} == {False if is_mature else None}
    assert {row["auc"] for row in rows} == {0}
    assert rows[0]["is_above_next_band"] is (False if is_mature else None)
    assert diagnosis(warehouse, "handoff")["status"] == ("act" if is_mature else "too_few")


def test_who_wins_late_or_fell_from_the_sky_does_not_count(new_warehouse):
    """Ninety days are the window; a handoff that a deal implies was no handoff."""
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    cycles = [
        scored("in time", 90, True, after=90),
        scored("late", 80, True, after=91),
        scored("open", 75, False),
        scored("implied", 95, True, handed_off_basis="implied"),
    ]
    warehouse.build_from_cycles(["score_calibration"], cycles)

    [row] = warehouse.rows("score_calibration")

    assert (row["cycles"], row["won"], row["won_in_window"]) == (3, 2, 1)
    assert (row["quarter_won"], row["quarter_won_in_window"]) == (2, 1)
    assert row["win_rate"] == pytest.approx(1 / 3)
    assert row["auc"] == 1


def test_the_score_of_the_crm_is_that_of_the_handoff_where_it_is_known(new_warehouse):
    """Today the won has the higher score, at the handoff it had the lower one."""
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    names = {"won": 10, "lost": 20, "none": None, "today": None}
    warehouse.build_from_cycles(
        ["score_calibration"],
        [scored(name, 50, name == "won") for name in names],
        leads=[given_score(name, 99 if name == "won" else 1) for name in names],
        scores=[
            {
                "lead_cycle_id": f"L{name}-1",
                "crm_score_at_handoff": score,
                "is_crm_score_known": name != "today",
            }
            for name, score in names.items()
        ],
    )

    rows = warehouse.rows("select * from score_calibration where score_kind = 'crm'")

    assert {(row["score_basis"], row["quarter_cycles"], row["auc"]) for row in rows} == {
        ("at_handoff", 2, 0),
        ("as_of_today", 1, None),
    }


def test_the_score_at_qualification_is_judged_on_all_that_qualified(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    qualified = {"marketing_qualified_at": datetime(2025, 12, 30)}
    warehouse.build_from_cycles(
        ["score_calibration"],
        [
            scored("won", 20, True, **qualified),
            scored("handed off", 90, False, **qualified),
            cycle("Lkept", score=10, score_band="D", **qualified),
            scored("at once", 40, False, marketing_qualified_basis="implied"),
        ],
        scores=[
            {
                "lead_cycle_id": f"L{name}-1",
                "qualification_score": score,
                "qualification_score_band": band(score),
                "is_crm_score_known": False,
            }
            for name, score in (("won", 80), ("handed off", 10), ("kept", 10), ("at once", 40))
        ],
    )

    rows = warehouse.rows("select * from score_calibration")

    assert {
        (row["score_kind"], row["score_basis"], row["period_start"], row["quarter_cycles"])
        for row in rows
    } == {
        ("qualification", "at_qualification", date(2025, 10, 1), 3),
        ("handoff", "at_handoff", date(2026, 1, 1), 3),
    }
    assert {row["score_kind"]: row["auc"] for row in rows} == {"qualification": 1, "handoff": 0}


def test_the_score_is_frozen_at_qualification_and_at_the_handoff(new_warehouse):
    """One asked for a demo a month before qualifying, one came to a webinar at that moment; both
    came to another one at the handoff. What is more than a year back counts for neither."""
    warehouse = new_warehouse()
    qualified, handed_off = datetime(2026, 1, 10, 9), datetime(2026, 3, 15, 9)
    engagements = [
        ("slow", "demo_request", qualified - timedelta(days=31)),
        ("fast", "webinar_attended", qualified),
        *(
            (lead, "pricing_page_view", qualified - timedelta(days=366))
            for lead in ("slow", "fast")
        ),
        *((lead, "webinar_attended", handed_off) for lead in ("slow", "fast")),
    ]
    warehouse.load(
        {
            "leads": [
                {"lead_id": lead, "created_at": datetime(2025, 1, 1)} for lead in ("slow", "fast")
            ],
            "stage_changes": [
                {"lead_id": lead, "changed_at": moment, "to_stage": stage}
                for lead in ("slow", "fast")
                for moment, stage in ((qualified, "MQL"), (handed_off, "SQL"))
            ],
            "engagements": [
                {"lead_id": lead, "kind": kind, "occurred_at": at, "engagement_id": str(number)}
                for number, (lead, kind, at) in enumerate(engagements)
            ],
        }
    )
    warehouse.decide(AS_OF, "hubspot")
    warehouse.build(["fct_lead_cycles", "fct_cycle_scores"])
    points = dict(
        warehouse.execute("select signal, interest_points from policy.signals").fetchall()
    )
    demo, webinar = points["demo_request"], points["webinar_attended"]

    rows = warehouse.rows("from fct_cycle_scores join fct_lead_cycles using (lead_cycle_id)")

    assert {row["lead_id"]: (row["qualification_score"], row["score"]) for row in rows} == {
        "slow": (demo - 10, demo + webinar),
        "fast": (webinar, 2 * webinar),
    }
    for row in rows:
        assert row["qualification_score_band"] == band(row["qualification_score"])
        assert row["is_crm_score_known"] is False


def test_the_score_of_the_crm_at_the_handoff_comes_from_its_history(new_warehouse):
    """The last value up to the handoff; where the history begins later, nobody knows."""
    warehouse = new_warehouse()
    handed_off = datetime(2026, 3, 15, 9)
    history = {
        "moved on": {-9: 10, -1: 20, 1: 90},
        "at that moment": {-9: 10, 0: 30},
        "cleared": {-9: 10, -1: None},
        "later": {1: 90},
        "silent": {},
    }
    warehouse.load(
        {
            "leads": [{"lead_id": lead, "created_at": datetime(2026, 1, 1)} for lead in history],
            "stage_changes": [
                {"lead_id": lead, "changed_at": handed_off, "to_stage": "SQL"} for lead in history
            ],
        }
    )
    warehouse.decide(AS_OF, "hubspot")
    warehouse.execute(
        "create or replace table warehouse.build.int_hubspot__crm_scores "
        "(source_system text, lead_id text, crm_score double, changed_at timestamp)"
    )
    for lead, values in history.items():
        for hours, score in values.items():
            warehouse.execute(
                "insert into warehouse.build.int_hubspot__crm_scores values ('files', ?, ?, ?)",
                [lead, score, handed_off + timedelta(hours=hours)],
            )
    warehouse.build(["fct_lead_cycles", "fct_cycle_scores"], given=["int_hubspot__crm_scores"])

    rows = warehouse.rows("from fct_cycle_scores join fct_lead_cycles using (lead_cycle_id)")

    assert {
        row["lead_id"]: (row["is_crm_score_known"], row["crm_score_at_handoff"]) for row in rows
    } == {
        "moved on": (True, 20),
        "at that moment": (True, 30),
        "cleared": (True, None),
        "later": (False, None),
        "silent": (False, None),
    }


# Whether a score still tells who wins


def diagnosis(warehouse, segment):
    """The one row of int_score_diagnostics or int_drift_diagnostics of a score or dimension."""
    is_score = segment in ("handoff", "crm")
    view = "int_score_diagnostics" if is_score else "int_drift_diagnostics"
    query = f"select * from {view} where segment = ? and diagnostic <> 'icp_drift'"
    [row] = warehouse.rows(query, [segment])
    return row


def quarter_of_wins(won_scores, others=200, moment=MOMENT):
    """Handoffs of a quarter: so many that were not won, spread over all scores, and these won."""
    lost = [
        scored(f"{moment:%y%m}l{at}", at * 100 / others, False, handed_off_at=moment)
        for at in range(others)
    ]
    won = [
        scored(f"{moment:%y%m}w{at}", score, True, handed_off_at=moment)
        for at, score in enumerate(won_scores)
    ]
    return lost + won


def spread(number, mean):
    """So many scores over a range of 60 around a mean."""
    return [mean + 60 * ((at + 0.5) / number - 0.5) for at in range(number)]


@pytest.mark.parametrize(
    ("won_scores", "status"),
    [
        (spread(16, 48.5), "act"),
        (spread(16, 30), "act"),
        (spread(16, 58), "watch"),
        (spread(16, 70), "ok"),
        (spread(9, 70), "too_few"),
        ([], "too_few"),
    ],
    ids=["a coin", "upside down", "perhaps chance", "tells", "nine won", "none won"],
)
def test_a_score_is_good_only_where_chance_is_ruled_out(new_warehouse, won_scores, status):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    warehouse.build_from_cycles(["int_score_diagnostics"], quarter_of_wins(won_scores))

    row = diagnosis(warehouse, "handoff")

    assert row["status"] == status
    assert row["sample_size"] == len(won_scores)
    if len(won_scores) == 16:
        error = hanley_mcneil(row["value"], 16, 200)
        deviate = (row["value"] - 0.5) / error
        assert row["p_value"] == pytest.approx(math.erfc(abs(deviate) / math.sqrt(2)), rel=1e-6)


def test_a_small_quarter_is_judged_with_those_before_it(new_warehouse):
    """Five won of the last mature quarter and eight of the one before are enough together; pairs
    are compared within a quarter, so that another level of all scores changes nothing."""
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    before = datetime(2025, 11, 5)
    cycles = quarter_of_wins(spread(5, 70), others=50)
    cycles += quarter_of_wins(spread(8, 70), others=50, moment=before)
    cycles += quarter_of_wins(spread(50, 20), others=50, moment=datetime(2025, 8, 5))
    cycles += quarter_of_wins(spread(50, 20), others=50, moment=datetime(2026, 5, 5))
    warehouse.build_from_cycles(["int_score_diagnostics", "int_score_quarters"], cycles)
    judged = [
        row
        for row in warehouse.rows("int_score_quarters")
        if row["period_start"] in (date(2026, 1, 1), date(2025, 10, 1))
    ]
    pairs = [row["won_in_window"] * row["not_won_in_window"] for row in judged]

    row = diagnosis(warehouse, "handoff")

    assert (row["sample_size"], row["status"]) == (13, "ok")
    assert row["value"] == pytest.approx(
        sum(part["auc"] * weight for part, weight in zip(judged, pairs, strict=True)) / sum(pairs)
    )


def test_a_score_of_today_is_not_judged_by_what_was_won_before(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    cycles = quarter_of_wins(spread(16, 70))
    leads = [given_score(row["lead_id"][1:], row["score"]) for row in cycles]
    warehouse.build_from_cycles(["int_score_diagnostics"], cycles, leads=leads)
    assert diagnosis(warehouse, "crm")["status"] == "too_few"
    assert "today" in diagnosis(warehouse, "crm")["reading"]

    known = [
        {
            "lead_cycle_id": row["lead_cycle_id"],
            "crm_score_at_handoff": row["score"],
            "is_crm_score_known": True,
        }
        for row in cycles
    ]
    warehouse.build_from_cycles(["int_score_diagnostics"], cycles, leads=leads, scores=known)
    assert diagnosis(warehouse, "crm")["status"] == "ok"


# Drift


def won_in(moment, segments, **columns):
    """Won cycles of a moment: so many of each segment."""
    return [
        cycle(f"{moment:%y%m}{segment}{at}", won_at=moment, segment=segment, **columns)
        for segment, number in segments.items()
        for at in range(number)
    ]


LAST, BEFORE_LAST = datetime(2026, 5, 4), datetime(2026, 2, 4)


def drifted(warehouse, *cycles):
    """icp_drift by segment in the last quarter that is over, and the diagnostics."""
    warehouse.decide(AS_OF)
    warehouse.build_from_cycles(
        ["icp_drift", "int_drift_diagnostics"], [row for given in cycles for row in given]
    )
    return warehouse.rows(
        "select * from icp_drift where dimension = 'segment' and period_start = '2026-04-01'"
    )


@pytest.mark.parametrize(
    ("before", "now", "drift"),
    [
        ((40, 20), (20, 40), "major"),
        ((130, 70), (92, 108), "moderate"),
        ((40, 20), (37, 23), "stable"),
        ((20, 12), (12, 20), "stable"),
        ((20, 9), (9, 20), "too_few"),
        ((140, 60), (115, 85), "stable"),
        ((50, 0), (50, 0), "too_few"),
    ],
    ids=["major", "moderate", "same", "by chance", "too few", "sure but small", "one value"],
)
def test_who_is_won_drifts_only_beyond_chance(new_warehouse, before, now, drift):
    names = ("smb", "enterprise")
    warehouse = new_warehouse()

    rows = drifted(
        warehouse,
        won_in(BEFORE_LAST, dict(zip(names, before, strict=True))),
        won_in(LAST, dict(zip(names, now, strict=True))),
    )

    assert {row["drift_to_previous"] for row in rows} == {drift}
    assert {row["drift"] for row in rows} == {"too_few"}, "nobody has the best score"
    shares = [(one / sum(now), other / sum(before)) for one, other in zip(now, before, strict=True)]
    if 0 not in now:
        psi = sum((one - other) * math.log(one / other) for one, other in shares)
        assert rows[0]["psi_to_previous"] == pytest.approx(psi)
        exact = chi2_contingency([before, now], correction=False).pvalue
        assert rows[0]["p_value_to_previous"] == pytest.approx(exact, abs=0.012)
    else:
        assert rows[0]["p_value_to_previous"] is None


def test_rare_values_are_one_in_the_test(new_warehouse):
    """Of six industries four are rare: together they are tested as one."""
    warehouse = new_warehouse()
    before = {"a": 30, "b": 30, "c": 2, "d": 3, "e": 1, "f": 4}
    now = {"a": 48, "b": 12, "c": 4, "d": 0, "e": 3, "f": 3}

    rows = drifted(warehouse, won_in(BEFORE_LAST, before), won_in(LAST, now))

    table = [[30, 30, 10], [48, 12, 10]]
    exact = chi2_contingency(table).pvalue
    [p_value] = {row["p_value_to_previous"] for row in rows}
    assert p_value == pytest.approx(exact, abs=0.002)
    assert {row["drift_to_previous"] for row in rows} == {"major"}


@pytest.mark.parametrize(("rewarded", "status"), [("enterprise", "act"), ("smb", "ok")])
def test_who_is_won_is_held_against_what_the_score_rewards(new_warehouse, rewarded, status):
    """Forty of the best band were handed off in the quarter in which forty smb were won."""
    warehouse = new_warehouse()
    best = [
        scored(at, 90, False, handed_off_at=LAST, segment=rewarded if at < 34 else "mid_market")
        for at in range(40)
    ]
    others = [scored(f"o{at}", 30, False, handed_off_at=LAST, segment="smb") for at in range(90)]

    rows = drifted(warehouse, won_in(LAST, {"smb": 34, "mid_market": 6}), best, others)

    assert {row["drift"] for row in rows} == {"major" if status == "act" else "stable"}
    assert diagnosis(warehouse, "segment")["status"] == status
    assert sum(row["rewarded"] for row in rows) == {row["all_rewarded"] for row in rows}.pop() == 40


def test_industries_are_those_of_the_leads(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    warehouse.build_from_cycles(
        ["icp_drift"],
        [cycle("L1", won_at=LAST), cycle("L2", won_at=LAST)],
        leads=[given_score("1", None, industry="retail")],
    )
    rows = warehouse.rows("select value, won from icp_drift where dimension = 'industry'")
    assert {row["value"]: row["won"] for row in rows} == {"retail": 1, "(none)": 1}


def test_who_converts_is_no_drift(new_warehouse):
    """Enterprise wins more often than it qualifies, in every quarter the same."""
    warehouse = new_warehouse()
    quarters = [
        [
            *won_in(moment, {"enterprise": 30, "smb": 10}),
            *(
                cycle(f"{moment:%y%m}q{at}", marketing_qualified_at=moment, segment="smb")
                for at in range(200)
            ),
        ]
        for moment in (BEFORE_LAST, LAST)
    ]

    rows = drifted(warehouse, *quarters)

    assert {row["drift_to_previous"] for row in rows} == {"stable"}
    shares = {"smb": (10 / 40, 210 / 240), "enterprise": (30 / 40, 30 / 240)}
    psi = sum((won - qualified) * math.log(won / qualified) for won, qualified in shares.values())
    assert {round(row["psi_to_qualified"], 12) for row in rows} == {round(psi, 12)}


def test_nothing_drifts_and_nothing_is_judged_without_cycles(new_warehouse):
    warehouse = new_warehouse()
    assert drifted(warehouse) == []
    warehouse.build(["int_score_diagnostics"])
    found = warehouse.rows("from int_score_diagnostics union all from int_drift_diagnostics")
    assert {(row["status"], row["sample_size"]) for row in found} == {
        ("too_few", 0),
        ("not_applicable", 0),
    }
    assert len(found) == 2 + 2 * 3


def test_the_sample_has_too_few_customers_to_call_them_drifted(sample):
    rows = sample.rows("icp_drift")
    assert rows
    assert {row["drift_to_previous"] for row in rows} == {"too_few"}
    assert "major" not in {row["drift"] for row in rows}
    assert {row["dimension"] for row in rows} == {"segment", "industry", "lead_source"}


def test_the_score_of_the_sample_is_not_called_good(sample):
    """In the last three mature quarters chance is not ruled out."""
    [row] = sample.rows(
        "select * from funnel_diagnostics where diagnostic = 'score_power' and segment = 'handoff'"
    )
    assert (row["status"], round(row["value"], 2)) == ("act", 0.57)
    assert row["next_step"]


def test_bands_and_shares_of_the_sample_tie_to_the_facts(sample):
    def one(query):
        return next(iter(sample.rows(query)[0].values()))

    for column in ("cycles", "accepted", "sales_qualified", "won"):
        counted = "*" if column == "cycles" else f"{column}_at"
        assert one(
            f"select sum({column}) from score_calibration where score_kind = 'handoff'"
        ) == one(
            f"select count({counted}) from fct_lead_cycles where handed_off_basis = 'explicit'"
        )
    for row in sample.rows(
        "select dimension, sum(marketing_qualified) as qualified, sum(won) as won "
        "from icp_drift group by dimension"
    ):
        assert row["qualified"] == one("select count(marketing_qualified_at) from fct_lead_cycles")
        assert row["won"] == one("select count(won_at) from fct_lead_cycles")
