"""A company's own tradition is rows in the policy tables, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from dagster_project.config import policy
from dagster_project.config.warehouse import POLICY_DIR
from tests.lifecycle import reference
from tests.lifecycle.comparison import all_differences
from tests.lifecycle.reference import Policy, Run
from tests.warehouse import PROJECT_ROOT, Warehouse

EXAMPLE = PROJECT_ROOT / "examples" / "own_tradition"
AS_OF = datetime(2026, 6, 30, tzinfo=UTC)

# Lead -> the stages it was put in, a day apart, beginning with 2 March 2026.
STORIES = {
    "by_the_book": ["Lead", "MQL", "SAL", "Meeting Booked", "SQL"],
    "other_words": ["MQL", "SAL", "Demo Scheduled"],
    "without_meeting": ["MQL", "SAL", "SQL"],
    "without_acceptance": ["MQL", "meeting_booked"],
    "lost_after_meeting": ["MQL", "SAL", "Meeting Booked", "Closed Lost"],
    "lost_before_meeting": ["MQL", "SAL", "Closed Lost"],
    "turned_down": ["MQL", "SAL", "Meeting Booked", "Rejected"],
    "moved_back": ["MQL", "SAL", "Meeting Booked", "SQL", "Meeting Booked"],
}


def day(number: int) -> datetime:
    """The moment of a story's stage, the first one being number 1."""
    return datetime(2026, 3, 1 + number, 9, tzinfo=UTC)


def export() -> dict[str, list[dict[str, str]]]:
    """The stories as a CRM export."""
    changes = [
        {
            "change_id": f"{lead}-{number}",
            "lead_id": lead,
            "changed_at": day(number).isoformat(),
            "to_stage": stage,
            "reason": "No budget" if stage in ("Rejected", "Closed Lost") else "",
            "changed_by": "R1",
        }
        for lead, stages in STORIES.items()
        for number, stage in enumerate(stages, start=1)
    ]
    leads = [
        {"lead_id": lead, "created_at": "2026-03-01T00:00:00Z", "owner_id": "R1"}
        for lead in STORIES
    ]
    won = {
        "opportunity_id": "O1",
        "lead_id": "by_the_book",
        "created_at": day(6).isoformat(),
        "amount": "1000",
        "is_won": "true",
        "closed_at": day(8).isoformat(),
        "owner_id": "R1",
    }
    return {"leads": leads, "stage_changes": changes, "opportunities": [won]}


@pytest.fixture(scope="module")
def policy_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped policy with the example's rows appended, as its README says."""
    directory = Path(copytree(POLICY_DIR, tmp_path_factory.mktemp("own") / "policy"))
    for rows in EXAMPLE.glob("*.csv"):
        header, added = rows.read_text("utf-8").split("\n", 1)
        table = directory / rows.name
        shipped = table.read_text("utf-8")
        assert shipped.splitlines()[0] == header
        table.chmod(0o644)
        table.write_text(shipped + added, "utf-8")
    return directory


@pytest.fixture(scope="module")
def facts(warehouse: Warehouse, policy_dir: Path) -> dict[str, list[dict[str, Any]]]:
    warehouse.load(export(), Policy.from_directory(policy_dir))
    return warehouse.run(Run(as_of=AS_OF, tradition="acme"))


def of(facts: dict[str, list[dict[str, Any]]], name: str, lead: str) -> list[dict[str, Any]]:
    """A lead's rows of a fact, in order."""
    rows = [row for row in facts[name] if row["lead_id"] == lead]
    return sorted(rows, key=lambda row: row.get("visit_number") or 0)


def test_example_is_a_sound_policy(policy_dir: Path) -> None:
    assert policy.validate(policy_dir, "acme") == []


def test_own_stage_is_a_visit_between_its_neighbours(facts: dict[str, Any]) -> None:
    visits = of(facts, "fct_lead_stages", "by_the_book")
    assert [(row["stage"], row["milestone"], row["transition_kind"]) for row in visits] == [
        ("lead", "captured", "enter"),
        ("mql", "handed_off", "forward"),
        ("sal", "accepted", "forward"),
        ("meeting_booked", "accepted", "forward"),
        ("sql", "sales_qualified", "forward"),
        ("opportunity", "opportunity", "forward"),
        ("customer", "won", "forward"),
    ]
    assert [row["entered_at"] for row in visits] == [
        day(number) for number in (1, 2, 3, 4, 5, 6, 8)
    ]
    assert visits[3]["stage_label"] == "Meeting Booked"
    assert visits[3]["duration_hours"] == 24
    assert not of(facts, "lifecycle_violations", "by_the_book")


def test_milestones_of_the_cycle_come_from_the_rows(facts: dict[str, Any]) -> None:
    (cycle,) = of(facts, "fct_lead_cycles", "by_the_book")
    assert cycle["handed_off_at"] == day(2)
    assert (cycle["accepted_at"], cycle["acceptance_kind"]) == (day(3), "explicit")
    assert (cycle["sales_qualified_at"], cycle["sales_qualified_basis"]) == (day(5), "explicit")
    assert cycle["opportunity_at"] == day(6)
    assert (cycle["won_at"], cycle["outcome"]) == (day(8), "won")


def test_own_stage_alone_is_acceptance(facts: dict[str, Any]) -> None:
    (cycle,) = of(facts, "fct_lead_cycles", "without_acceptance")
    assert (cycle["accepted_at"], cycle["acceptance_kind"]) == (day(2), "explicit")
    assert cycle["sales_qualified_at"] is None


def test_alias_and_label_lead_to_the_own_stage(facts: dict[str, Any]) -> None:
    assert of(facts, "fct_lead_stages", "other_words")[-1]["stage"] == "meeting_booked"


@pytest.mark.parametrize(
    ("lead", "rule", "move"),
    [
        ("without_meeting", "skipped_stage", "sal > sql"),
        ("without_acceptance", "skipped_stage", "mql > meeting_booked"),
        ("moved_back", "backward_transition", "sql > meeting_booked"),
    ],
)
def test_moves_around_the_own_stage_follow_the_path(
    facts: dict[str, Any], lead: str, rule: str, move: str
) -> None:
    found = of(facts, "lifecycle_violations", lead)
    assert (rule, move) in [(row["rule"], row["detail"]) for row in found]


def test_override_allows_one_move_and_no_other(facts: dict[str, Any]) -> None:
    after, before = (
        of(facts, "fct_lead_stages", f"lost_{when}_meeting")[-1] for when in ("after", "before")
    )
    assert (after["transition_kind"], after["is_valid_transition"]) == ("exit", True)
    assert (before["transition_kind"], before["is_valid_transition"]) == ("exit", False)
    invalid = {
        row["lead_id"]
        for row in facts["lifecycle_violations"]
        if row["rule"] == "invalid_transition"
    }
    assert invalid == {"lost_before_meeting"}


def test_exit_from_the_own_stage_counts_as_accepted_before(facts: dict[str, Any]) -> None:
    last = of(facts, "fct_lead_stages", "turned_down")[-1]
    assert (last["transition_kind"], last["is_valid_transition"]) == ("exit", True)
    (cycle,) = of(facts, "fct_lead_cycles", "turned_down")
    assert (cycle["outcome"], cycle["reason_code"]) == ("disqualified", "no_budget")


def test_another_tradition_does_not_know_the_own_stage(
    warehouse: Warehouse, policy_dir: Path
) -> None:
    warehouse.load(export(), Policy.from_directory(policy_dir))
    shipped = warehouse.run(Run(as_of=AS_OF, tradition="four_stage"))
    found = of(shipped, "lifecycle_violations", "by_the_book")
    assert [(row["rule"], row["detail"]) for row in found] == [("unmapped_stage", "Meeting Booked")]


@pytest.mark.parametrize("mode", ["explicit", "default"])
def test_models_equal_reference_in_the_own_tradition(
    warehouse: Warehouse, policy_dir: Path, mode: str
) -> None:
    own = Policy.from_directory(policy_dir)
    warehouse.load(export(), own)
    run = Run(as_of=AS_OF, tradition="acme", acceptance_mode=mode)
    found = all_differences(warehouse.run(run), reference.read(export(), own, run))
    assert not found
