"""Whether the score tells who wins, and drift, against SciPy and against sums by hand."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import pytest
from scipy.stats import mannwhitneyu

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
    cycles = [
        cycle(
            f"L{at}",
            handed_off_at=MOMENT,
            score=score,
            score_band=band(score),
            **({"won_at": MOMENT + timedelta(days=30)} if won else {}),
        )
        for at, (score, _, won) in enumerate(leads)
    ]
    warehouse.execute(
        "create table warehouse.build.dim_leads "
        "(source_system text, lead_id text, crm_score double)"
    )
    for at, (_, crm_score, _) in enumerate(leads):
        warehouse.execute(
            "insert into warehouse.build.dim_leads values ('files', ?, ?)", [f"L{at}", crm_score]
        )
    given = ("fct_lead_cycles", "dim_leads", "dim_reps")
    warehouse._give(warehouse.project.models["fct_lead_cycles"], cycles)
    warehouse.build(["score_calibration"], given=given)
    return warehouse.rows("select * from score_calibration order by score_kind, band_order")


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


def test_psi_by_hand(new_warehouse):
    """Ten qualified: six smb, four enterprise; of the won one is smb, three are enterprise."""
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    segments = ["smb"] * 6 + ["enterprise"] * 4
    won = {0, 6, 7, 8}
    warehouse.build_from_cycles(
        ["icp_drift"],
        [
            cycle(
                f"L{at}",
                marketing_qualified_at=MOMENT,
                segment=segment,
                **({"won_at": MOMENT + timedelta(days=9)} if at in won else {}),
            )
            for at, segment in enumerate(segments)
        ],
    )
    expected = (0.6 - 0.25) * math.log(0.6 / 0.25) + (0.4 - 0.75) * math.log(0.4 / 0.75)

    rows = warehouse.rows("select * from icp_drift where dimension = 'segment'")

    assert {row["period_start"] for row in rows} == {date(2026, 1, 1)}
    assert {round(row["psi"], 12) for row in rows} == {round(expected, 12)}
    assert {row["drift"] for row in rows} == {"major"}
    assert {row["psi_to_previous"] for row in rows} == {None}
    assert sum(row["marketing_qualified"] for row in rows) == 10


def test_nobody_won_is_no_drift(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    warehouse.build_from_cycles(["icp_drift"], [cycle("L", marketing_qualified_at=MOMENT)])

    rows = warehouse.rows("select psi, drift from icp_drift")

    assert rows
    assert {(row["psi"], row["drift"]) for row in rows} == {(None, None)}


def test_bands_and_shares_of_the_sample_tie_to_the_facts(whole_sample):
    def one(query):
        return next(iter(whole_sample.rows(query)[0].values()))

    for column in ("cycles", "accepted", "sales_qualified", "won"):
        counted = "*" if column == "cycles" else f"{column}_at"
        assert one(
            f"select sum({column}) from score_calibration where score_kind = 'handoff'"
        ) == one(f"select count({counted}) from fct_lead_cycles where handed_off_at is not null")
    for row in whole_sample.rows(
        "select dimension, sum(marketing_qualified) as qualified, sum(won) as won "
        "from icp_drift group by dimension"
    ):
        assert row["qualified"] == one("select count(marketing_qualified_at) from fct_lead_cycles")
        assert row["won"] == one("select count(won_at) from fct_lead_cycles")
