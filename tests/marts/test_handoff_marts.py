"""What sales does with handed-off leads: in time or not, accepted or not, and why not."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from expectations.case_counts import count_cases
from expectations.catalogue import known_checks
from tests.marts.cycles import cycle

MONDAY = datetime(2026, 3, 2, 9)
AS_OF = datetime(2026, 7, 1)
MARTS = ("handoff_sla", "rep_acceptance", "rejection_reasons")
REPS = [
    {"rep_id": "R1", "source_system": "files", "team": "North", "weekly_capacity": 2},
    {"rep_id": "R2", "source_system": "files", "team": "South", "weekly_capacity": None},
]


@pytest.fixture
def built(new_warehouse):
    """Builds the handoff marts on some cycles."""

    def build(cycles, as_of=AS_OF, reps=REPS, **choices):
        warehouse = new_warehouse()
        warehouse.decide(as_of, **choices)
        warehouse.build_from_cycles(MARTS, cycles, reps)
        return warehouse

    return build


def touched(lead_id, minutes, **columns):
    """A hand-raiser of R1, first touched after so many minutes."""
    return cycle(
        lead_id,
        handed_off_at=MONDAY,
        intent_tier="hand_raise",
        owner_id="R1",
        first_touch_at=MONDAY + timedelta(minutes=minutes),
        touched_before_handoff=minutes < 0,
        speed_to_lead_minutes=max(minutes, 0),
        sla_status="met" if minutes <= 5 else "breached",
        **columns,
    )


def test_a_week_of_hand_raisers_by_hand(built):
    untouched = {"handed_off_at": MONDAY, "intent_tier": "hand_raise", "owner_id": "R1"}
    warehouse = built(
        [
            touched("A", -10),
            touched("B", 4),
            touched("C", 20),
            touched("D", 120, number=2, start_kind="requalified"),
            cycle("E", **untouched, sla_status="breached"),
            cycle("F", **untouched, sla_status="open"),
            cycle("G", **untouched, sla_status="not_applicable"),
            cycle("H", **untouched, handed_off_basis="implied", sla_status="unknown"),
        ]
    )
    [row] = warehouse.rows("select * from handoff_sla")
    assert (row["period_start"], row["intent_tier"], row["owner_id"]) == (
        MONDAY.date(),
        "hand_raise",
        "R1",
    )
    assert (row["handed_off"], row["handed_off_implied"]) == (7, 1)
    assert (row["touched"], row["touched_before_handoff"]) == (4, 1)
    assert (row["met"], row["breached"], row["open"], row["not_applicable"]) == (2, 3, 1, 1)
    assert (row["judged"], row["met_rate"]) == (5, 0.4)
    assert row["touched_rate"] == pytest.approx(4 / 7)
    # Minutes 0, 4, 20, 120.
    assert row["median_minutes_to_touch"] == 12
    assert row["p90_minutes_to_touch"] == pytest.approx(20 + 0.7 * 100)
    assert (row["handed_off_new"], row["handed_off_requalified"]) == (6, 1)
    assert (row["met_requalified"], row["breached_requalified"]) == (0, 1)
    assert (row["owner_team"], row["tier_rank"]) == ("North", 1)


def test_nothing_judged_has_no_rate(built):
    [row] = built([cycle("A", handed_off_at=MONDAY)], reps=[]).rows("select * from handoff_sla")
    assert (row["judged"], row["met_rate"], row["median_minutes_to_touch"]) == (0, None, None)
    assert (row["owner_id"], row["owner_team"]) == ("(none)", None)


def handed(lead_id, band="A", owner="R1", day=0, **columns):
    """A handoff of March to an owner."""
    return cycle(
        lead_id,
        handed_off_at=MONDAY + timedelta(days=day),
        owner_id=owner,
        score_band=band,
        **columns,
    )


def accepted(kind):
    """The columns of a cycle accepted in March."""
    return {"accepted_at": MONDAY + timedelta(days=2), "acceptance_kind": kind}


def test_a_month_of_a_rep_by_hand(built):
    warehouse = built(
        [
            handed("A", **accepted("explicit")),
            handed("B", **accepted("default"), is_late_rejection=True),
            handed("C", sales_qualified_at=MONDAY + timedelta(days=3)),
            handed("D", exited_at=MONDAY + timedelta(days=1)),
            handed("E"),
            handed("F", handed_off_basis="implied", **accepted("implied")),
            handed("G", number=2, **accepted("explicit")),
            handed("H", band="B"),
            handed("I", owner="R2"),
        ]
    )
    rows = {
        (row["owner_id"], row["score_band"]): row
        for row in warehouse.rows("select * from rep_acceptance")
    }
    row = rows["R1", "A"]
    assert row["period_start"] == date(2026, 3, 1)
    assert (row["handed_off"], row["handed_off_implied"]) == (6, 1)
    assert (row["accepted"], row["rejected"], row["pending"]) == (4, 1, 1)
    kinds = [row[f"accepted_{kind}"] for kind in ("explicit", "implied", "inferred", "default")]
    assert (kinds, row["late_rejected"]) == ([2, 1, 0, 1], 1)
    assert row["acceptance_rate"] == pytest.approx(4 / 6)
    assert row["rejection_rate"] == pytest.approx(1 / 6)
    assert row["acceptance_rate_of_decided"] == pytest.approx(4 / 5)
    assert (row["handed_off_requalified"], row["accepted_requalified"]) == (1, 1)
    # The load is the owner's, whatever the band and basis: 8 leads in 31 days.
    assert row["owner_handed_off"] == rows["R1", "B"]["owner_handed_off"] == 8
    assert row["owner_handed_off_per_week"] == pytest.approx(8 * 7 / 31)
    assert row["capacity_used"] == pytest.approx(8 * 7 / 31 / 2)
    assert (rows["R2", "A"]["weekly_capacity"], rows["R2", "A"]["capacity_used"]) == (None, None)


def test_the_load_of_a_running_month_is_by_the_days_that_have_passed(built):
    warehouse = built([handed("A"), handed("B")], as_of=datetime(2026, 3, 7, 18))
    [row] = warehouse.rows("select * from rep_acceptance")
    assert row["owner_handed_off_per_week"] == pytest.approx(2)
    assert row["capacity_used"] == pytest.approx(1)


def rejected(lead_id, reason, **columns):
    """A handoff that sales sent back in March."""
    return cycle(
        lead_id,
        handed_off_at=MONDAY,
        exited_at=MONDAY + timedelta(days=1),
        exit_kind="rejected",
        reason_code=reason,
        owner_id="R1",
        score_band="A",
        lead_source="Event",
        **columns,
    )


def test_reasons_have_shares_and_say_where_the_leak_is(built):
    warehouse = built(
        [
            rejected("A", "not_icp"),
            rejected("B", "not_icp", number=2),
            rejected("C", "bad_data"),
            rejected("D", None),
            rejected("E", "unknown", outcome="disqualified"),
            cycle("F", handed_off_at=MONDAY),
            cycle("G", won_at=MONDAY, exited_at=MONDAY + timedelta(days=9)),
        ]
    )
    rows = {
        (row["outcome"], row["reason_code"]): row
        for row in warehouse.rows("select * from rejection_reasons")
    }
    assert set(rows) == {
        ("rejected", "not_icp"),
        ("rejected", "bad_data"),
        ("rejected", "(none)"),
        ("disqualified", "unknown"),
    }
    row = rows["rejected", "not_icp"]
    assert (row["exited"], row["outcome_exited"], row["share"]) == (2, 4, 0.5)
    assert (row["exited_new"], row["exited_requalified"]) == (1, 1)
    assert (row["leak"], rows["rejected", "bad_data"]["leak"]) == ("scoring", "data")
    assert (
        rows["rejected", "(none)"]["leak"] == rows["disqualified", "unknown"]["leak"] == "unknown"
    )
    assert rows["disqualified", "unknown"]["share"] == 1


def test_service_levels_of_the_sample_are_those_of_plain_sql(sample):
    expected = sample.rows(
        """
        select
            date_trunc('week', handed_off_at)::date as period_start,
            intent_tier,
            coalesce(owner_id, '(none)') as owner_id,
            count(*) as handed_off,
            count(first_touch_at) as touched,
            count(*) filter (where sla_status = 'met') as met,
            count(*) filter (where sla_status = 'breached') as breached,
            median(speed_to_lead_minutes) as median_minutes_to_touch
        from fct_lead_cycles
        where handed_off_basis = 'explicit'
        group by all order by all
        """
    )
    found = sample.rows(
        "select period_start, intent_tier, owner_id, handed_off, touched, met, breached, "
        "median_minutes_to_touch from handoff_sla where handed_off > 0 order by all"
    )
    assert len(expected) > 200
    assert found == expected


def test_no_handoffs_no_rows(built):
    warehouse = built([], reps=[])
    for mart in MARTS:
        assert warehouse.rows(f"select * from {mart}") == []


# Lead -> its engagements before the handoff, as hours before and kind; its attributes; what it
# lacks. By the shipped policy fit has to be 1, interest 10.
ASKED_FOR = {
    "all_of_it": ([(1, "demo_request")], {}, set()),
    "no_fit": ([(1, "demo_request")], {"employee_count": None}, {"fit"}),
    "one_download": ([(1, "document_downloaded")], {}, {"interest", "engaged"}),
    "two_downloads": ([(1, "document_downloaded"), (2, "document_downloaded")], {}, set()),
    "a_webinar": ([(1, "webinar_attended")], {}, {"interest"}),
    "one_and_left": (
        [(2, "document_downloaded"), (1, "unsubscribed")],
        {},
        {"interest", "engaged"},
    ),
    "too_long_ago": ([(24 * 366, "demo_request")], {}, {"interest", "engaged"}),
    "afterwards": ([(-1, "demo_request")], {}, {"interest", "engaged"}),
    "nobody": ([(1, "demo_request")], {"email": None, "company": None}, {"email", "company"}),
}


def handed_over(warehouse, asked_for=ASKED_FOR, **rules):
    """Leads of a source, and two of one that holds neither engagements nor companies."""
    known = {
        "created_at": MONDAY - timedelta(days=400),
        "email": "a@buyer.example",
        "company": "Buyer",
        "employee_count": 200,
        "lead_source": "Web",
    }
    elsewhere = {"company": None, "source_system": "bought"}
    leads = [
        *({**known, "lead_id": lead, **own} for lead, (_, own, _) in asked_for.items()),
        {**known, **elsewhere, "lead_id": "small", "employee_count": 5},
        {**known, **elsewhere, "lead_id": "large", "email": None, "lead_source": "List"},
        {**known, "lead_id": "implied"},
        {**known, "lead_id": "waiting"},
    ]
    stages = {"implied": "SQL", "waiting": "Lead"}
    warehouse.load(
        {
            "leads": leads,
            "stage_changes": [
                {
                    "change_id": f"{lead['lead_id']}-handoff",
                    "lead_id": lead["lead_id"],
                    "source_system": lead.get("source_system"),
                    "changed_at": MONDAY,
                    "to_stage": stages.get(lead["lead_id"], "MQL"),
                }
                for lead in leads
            ],
            "engagements": [
                {
                    "engagement_id": f"{lead}-{hours}",
                    "lead_id": lead,
                    "kind": kind,
                    "occurred_at": MONDAY - timedelta(hours=hours),
                }
                for lead, (before, _, _) in asked_for.items()
                for hours, kind in before
            ],
        }
    )
    for requirement, is_active in rules.items():
        warehouse.execute(
            "update warehouse.policy.qualification_rules set is_active = ? where requirement = ?",
            [is_active, requirement],
        )
    warehouse.decide(AS_OF)
    warehouse.build(["mql_quality"])
    return warehouse


@pytest.fixture
def judged(new_warehouse):
    """The handoffs of ASKED_FOR, judged by the shipped policy."""
    return handed_over(new_warehouse())


def test_a_handoff_is_held_against_each_requirement(judged):
    cases = judged.rows(
        "select lead_id, requirement from int_qualification_cases "
        "where not is_met and source_system = 'files'"
    )
    lacking = {lead: set() for lead in ASKED_FOR}
    for case in cases:
        lacking[case["lead_id"]].add(case["requirement"])
    assert lacking == {lead: lacks for lead, (_, _, lacks) in ASKED_FOR.items()}


def test_only_handoffs_in_their_own_right_are_judged(judged):
    rows = judged.rows("select distinct lead_id from int_qualification_cases")
    assert {row["lead_id"] for row in rows} == {*ASKED_FOR, "small", "large"}


def test_a_requirement_is_asked_where_the_source_can_tell(judged):
    cases = judged.rows("select * from int_qualification_cases where source_system = 'bought'")
    assert {(case["lead_id"], case["requirement"]): case["is_met"] for case in cases} == {
        ("small", "fit"): False,
        ("large", "fit"): True,
        ("small", "email"): True,
        ("large", "email"): False,
        **{
            (lead, requirement): None
            for lead in ("small", "large")
            for requirement in ("company", "interest", "engaged")
        },
    }


def test_the_definition_by_month_source_and_requirement(judged):
    rows = judged.rows("select * from mql_quality")
    counted = {
        (row["lead_source"], row["requirement"]): (row["handed_off"], row["judged"], row["below"])
        for row in rows
    }
    assert counted == {
        ("Web", "fit"): (10, 10, 2),
        ("Web", "interest"): (10, 9, 5),
        ("Web", "engaged"): (10, 9, 4),
        ("Web", "email"): (10, 10, 1),
        ("Web", "company"): (10, 9, 1),
        ("Web", "all"): (10, 10, 8),
        ("List", "fit"): (1, 1, 0),
        ("List", "interest"): (1, 0, 0),
        ("List", "engaged"): (1, 0, 0),
        ("List", "email"): (1, 1, 1),
        ("List", "company"): (1, 0, 0),
        ("List", "all"): (1, 1, 1),
    }
    assert {row["period_start"] for row in rows} == {date(2026, 3, 1)}
    shares = {(row["lead_source"], row["requirement"]): row["below_share"] for row in rows}
    assert shares["Web", "all"] == pytest.approx(0.8)
    assert shares["List", "company"] is None


def test_the_check_counts_those_that_miss_anything(judged):
    check = known_checks()["handed_off_leads_meet_the_mql_definition"]
    [found] = count_cases(judged.connection, [check])
    assert (found.cases, found.failing) == (11, 9)
    lacking = {key["lead_id"]: key["below"] for key in found.keys}
    assert lacking["nobody"] == "company, email"
    assert lacking["small"] == "fit"
    judged.execute("delete from warehouse.build.int_qualification_cases")
    [found] = count_cases(judged.connection, [check])
    assert found.status == "not_judged"


def test_a_company_asks_for_something_else(new_warehouse):
    asked_for = {
        "eleven": ([(1, "page_view")], {"employee_count": 11, "title": "Buyer"}, None),
        "nine": ([(1, "page_view")], {"employee_count": 9}, None),
        "unknown": ([(1, "page_view")], {"employee_count": None}, None),
    }
    shipped = ("fit", "interest", "email", "company", "engaged")
    built = handed_over(
        new_warehouse(), asked_for, employees=True, title=True, **dict.fromkeys(shipped, False)
    )
    cases = built.rows("select * from int_qualification_cases where source_system = 'files'")
    assert {(case["lead_id"], case["requirement"]): case["is_met"] for case in cases} == {
        ("eleven", "employees"): True,
        ("nine", "employees"): False,
        ("unknown", "employees"): False,
        ("eleven", "title"): True,
        ("nine", "title"): False,
        ("unknown", "title"): False,
    }


def test_the_quality_of_the_sample_ties_to_the_facts(sample):
    rows = sample.rows(
        "select requirement, sum(judged) as judged, sum(below) as below from mql_quality group by 1"
    )
    [facts] = sample.rows(
        "select count(*) as judged, count(*) filter (where fit_score <= 0) as fit, "
        "count(*) filter (where interest_score < 10) as interest "
        "from fct_lead_cycles where handed_off_basis = 'explicit'"
    )
    below = {row["requirement"]: row["below"] for row in rows}
    assert {row["judged"] for row in rows} == {facts["judged"]}
    assert (below["fit"], below["interest"]) == (facts["fit"], facts["interest"]) == (349, 128)
    assert (below["all"], below["email"], below["company"]) == (442, 0, 0)
