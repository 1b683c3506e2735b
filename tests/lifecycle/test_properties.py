"""What must hold of the models whatever the export: the properties that need no second opinion."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.lifecycle import exports, strategies
from tests.lifecycle.comparison import differences
from tests.lifecycle.exports import DAY, Recipe, Tables
from tests.lifecycle.reference import COLUMNS, Fact, Run
from tests.lifecycle.texts import as_time, plain
from tests.lifecycle.texts import given as given_text
from tests.warehouse import FACTS, SOURCE_SYSTEM, Warehouse, in_utc

Facts = dict[str, list[Fact]]
Property = Callable[..., None]

TRADITIONS = strategies.DEFAULT_POLICY.traditions()
MILESTONES = ("marketing_qualified", "handed_off", "accepted", "sales_qualified", "opportunity")
ID_COLUMNS = {
    "leads": ("lead_id", "merged_into_lead_id", "owner_id"),
    "stage_changes": ("change_id", "lead_id", "changed_by"),
    "activities": ("activity_id", "lead_id", "rep_id"),
    "engagements": ("engagement_id", "lead_id"),
    "opportunities": ("opportunity_id", "lead_id", "owner_id", "merged_into_opportunity_id"),
    "owner_changes": ("lead_id", "owner_id"),
}
# An opportunity may name several leads in one cell; an id in scientific notation stays one.
ONE_ID = re.compile(r"(?<![^;,|\s])(?!\d\.\d+E\+)[^;,|\s]+")
# What makes rows of a table versions of one thing.
KEYS = {
    "leads": ("lead_id",),
    "stage_changes": ("lead_id", "change_id"),
    "activities": ("activity_id",),
    "engagements": ("engagement_id",),
    "opportunities": ("opportunity_id",),
    "owner_changes": ("lead_id",),
}


def holds_for(examples: int) -> Callable[[Property], Property]:
    """Try a property on so many random exports, each in a random tradition and mode."""

    def decorate(test: Property) -> Property:
        tried = settings(
            max_examples=examples,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )(test)
        return given(
            recipe=strategies.recipes(families=80),
            tradition=st.sampled_from(TRADITIONS),
            mode=st.sampled_from(("explicit", "default")),
        )(tried)

    return decorate


def facts_of(warehouse: Warehouse, tables: Tables, run: Run) -> Facts:
    """The models' facts under the default policy."""
    warehouse.load(tables, strategies.DEFAULT_POLICY)
    return warehouse.run(run)


def run_of(recipe: Recipe, tradition: str, mode: str) -> Run:
    """A run at the recipe's moment."""
    return Run(as_of=recipe.as_of, tradition=tradition, acceptance_mode=mode)


def assert_same(first: Facts, second: Facts) -> None:
    """Both hold the same rows, whatever their made ids."""
    found = [line for name in FACTS for line in differences(name, first[name], second[name])]
    assert not found, "\n".join(found)


def of_families(facts: Facts, numbers: range) -> Facts:
    """The rows of some families' leads."""
    names = {f"f{number}" for number in numbers}
    return {
        name: [row for row in rows if row["lead_id"].split("-")[0] in names]
        for name, rows in facts.items()
    }


@holds_for(4)
def test_the_order_of_rows_does_not_matter(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    tables, run = exports.export(recipe), run_of(recipe, tradition, mode)
    before = facts_of(warehouse, tables, run)
    for rows in tables.values():
        Random(recipe.seed).shuffle(rows)
    assert_same(facts_of(warehouse, tables, run), before)


@holds_for(4)
def test_an_export_may_come_in_several_loads(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    rng, run = Random(recipe.seed), run_of(recipe, tradition, mode)
    tables = exports.export(recipe)
    at_once: Tables = {}
    in_parts: Tables = {}
    for table, rows in tables.items():
        loads: dict[tuple[str, ...], int] = defaultdict(lambda: rng.randint(1, 4))
        at_once[table] = [{**row, "load_id": 1} for row in rows]
        in_parts[table] = [{**row, "load_id": loads[_key(table, row)]} for row in rows]
    assert_same(facts_of(warehouse, in_parts, run), facts_of(warehouse, at_once, run))


def _key(table: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The row's id; the whole row where it has none."""
    key = exports.texts(dict(row), KEYS[table])
    if key[-1].strip():
        return key
    return exports.texts(dict(row), [column for column in row if column != "load_id"])


@holds_for(4)
def test_more_leads_change_no_other_lead(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    run, some = run_of(recipe, tradition, mode), range(50)
    few = facts_of(warehouse, exports.export(replace(recipe, families=some)), run)
    many = facts_of(warehouse, exports.export(recipe), run)
    assert_same(of_families(many, some), of_families(few, some))


@holds_for(4)
def test_other_ids_in_the_same_order_change_nothing_else(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    tables, run = exports.export(recipe), run_of(recipe, tradition, mode)
    before = facts_of(warehouse, tables, run)
    # Ids decide ties, so the new ones sort as the old ones do.
    renamed: Tables = {
        table: [{**row, **_renamed(table, row)} for row in rows] for table, rows in tables.items()
    }
    after = facts_of(warehouse, renamed, run)
    for rows in after.values():
        for row in rows:
            for column in {"lead_id", "survivor_lead_id", "changed_by", "owner_id"} & set(row):
                row[column] = row[column] and row[column].removeprefix("new ")
            if row.get("rule") == "won_without_closing_date":
                row["detail"] = row["detail"].removeprefix("new ")
    assert_same(after, before)


def _renamed(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: ONE_ID.sub(r"new \g<0>", str(row[column])) for column in _given_ids(table, row)}


@holds_for(4)
def test_relabelled_leads_change_no_other_lead(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    run, rng = run_of(recipe, tradition, mode), Random(recipe.seed)
    half = range(len(recipe.families) // 2)
    others = range(half.stop, recipe.families.stop)
    before = facts_of(warehouse, exports.export(recipe), run)
    labels: dict[str, str] = defaultdict(lambda: f"{rng.random()}")
    relabelled: Tables = {
        table: [
            {
                **row,
                **{
                    column: ONE_ID.sub(lambda found: labels[found[0]], str(row[column]))
                    for column in _given_ids(table, row)
                },
            }
            for row in rows
        ]
        for table, rows in exports.export(replace(recipe, families=half)).items()
    }
    rest = exports.export(replace(recipe, families=others))
    after = facts_of(warehouse, exports.join([relabelled, rest]), run)
    assert_same(of_families(after, others), of_families(before, others))


def _given_ids(table: str, row: Mapping[str, Any]) -> list[str]:
    return [column for column in ID_COLUMNS[table] if given_text(row[column])]


@holds_for(4)
def test_sources_with_the_same_ids_do_not_mix(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    run = run_of(recipe, tradition, mode)
    here = exports.export(recipe)
    there = exports.export(replace(recipe, seed=recipe.seed + 1, empty_tables=frozenset()))
    alone = facts_of(warehouse, here, run)
    marked: Tables = {
        table: [{**row, "source_system": "elsewhere"} for row in rows]
        for table, rows in there.items()
    }
    both = facts_of(warehouse, exports.join([here, marked]), run)
    of_here = {
        name: [row for row in rows if row["source_system"] == SOURCE_SYSTEM]
        for name, rows in both.items()
    }
    assert_same(of_here, alone)


@holds_for(6)
def test_a_later_moment_changes_no_closed_observed_visit(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    tables = exports.export(recipe)
    # A deal closed before it was created, or one that is merged into another, is only known later
    # than it happened.
    tables["opportunities"] = [
        {**row, "merged_into_opportunity_id": None}
        for row in tables["opportunities"]
        if _is_in_order(row)
    ]
    earlier = replace(recipe, as_of=recipe.as_of - (recipe.seed % 40) * DAY)
    before = facts_of(warehouse, tables, run_of(earlier, tradition, mode))
    after = facts_of(warehouse, tables, run_of(recipe, tradition, mode))
    # A lead that becomes known later may bring older history into a merge.
    growing = {
        row["lead_id"].split("-")[0]
        for row in before["lead_accounting"]
        if row["bucket"] == "not yet known"
    }
    later = {(row["lead_id"], row["visit_number"]): row for row in after["fct_lead_stages"]}
    for visit in before["fct_lead_stages"]:
        settled = visit["lead_id"].split("-")[0] not in growing
        if settled and visit["history_quality"] == "observed" and visit["exited_at"]:
            now = later[visit["lead_id"], visit["visit_number"]]
            # The first owner change ever says that the lead had no owner before it.
            assert {**now, "owner_id": None} == {**visit, "owner_id": None}


def _is_in_order(row: Mapping[str, Any]) -> bool:
    created_at, closed_at = as_time(row["created_at"]), as_time(row["closed_at"])
    return not (created_at and closed_at and closed_at < created_at)


@holds_for(4)
def test_milestones_of_a_cycle_are_in_order(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    facts = facts_of(warehouse, exports.export(recipe), run_of(recipe, tradition, mode))
    for cycle in facts["fct_lead_cycles"]:
        reached = [cycle[f"{milestone}_at"] for milestone in (*MILESTONES, "won")]
        moments = [cycle["cycle_started_at"], *(moment for moment in reached if moment)]
        assert moments == sorted(moments), cycle
        # Reaching a milestone implies all before it.
        assert [bool(moment) for moment in reached] == sorted(map(bool, reached), reverse=True)
        if cycle["exited_at"] and reached[0]:
            assert reached[0] <= cycle["exited_at"]


@holds_for(4)
def test_visits_tile_time(warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str) -> None:
    facts = facts_of(warehouse, exports.export(recipe), run_of(recipe, tradition, mode))
    visits: dict[str, list[Fact]] = defaultdict(list)
    for row in sorted(facts["fct_lead_stages"], key=lambda each: each["visit_number"]):
        visits[row["lead_id"]].append(row)
    for path in visits.values():
        assert [row["visit_number"] for row in path] == list(range(1, len(path) + 1))
        assert [row["is_current"] for row in path] == [False] * (len(path) - 1) + [True]
        assert path[-1]["exited_at"] is None
        assert path[0]["from_stage"] is None
        for before, after in pairwise(path):
            assert before["exited_at"] == after["entered_at"] >= before["entered_at"]
            assert before["stage"] == after["from_stage"] != after["stage"]
    cycles = {(row["lead_id"], row["cycle_number"]) for row in facts["fct_lead_cycles"]}
    assert cycles == {(row["lead_id"], row["cycle_number"]) for row in facts["fct_lead_stages"]}


@holds_for(6)
def test_every_stage_change_is_accounted_for(
    warehouse: Warehouse, recipe: Recipe, tradition: str, mode: str
) -> None:
    tables = exports.export(recipe)
    facts = facts_of(warehouse, tables, run_of(recipe, tradition, mode))
    usable = _usable_changes(warehouse, tables)
    account = {row["lead_id"]: row for row in facts["lead_accounting"]}
    survivor_of = {lead_id: row["survivor_lead_id"] or lead_id for lead_id, row in account.items()}
    in_marts = {
        lead_id
        for lead_id, survivor in survivor_of.items()
        if account[survivor]["bucket"] == "in marts"
    }
    changes = [
        {column: in_utc(value) for column, value in row.items()}
        for row in warehouse.rows("int_stage_changes")
    ]
    # Duplicates are one change; changes of leads that are left out are none.
    expected = {_change_key(row) for row in usable if row["lead_id"] in in_marts}
    assert len(changes) == len(expected)
    with_id = {key for key in expected if len(key) == 2}
    assert with_id <= {(row["lead_id"], row["change_id"]) for row in changes}
    for change in changes:
        survivor = survivor_of[change["lead_id"]]
        assert _is_accounted_for(change, survivor, facts, recipe), change


def _usable_changes(warehouse: Warehouse, tables: Tables) -> list[dict[str, str | int | None]]:
    """The changes that are not in quarantine; of equal rows only one is listed there."""
    rows = tables["stage_changes"]
    quarantined = {
        _content(rows[row["source_row"] - 1])
        for row in warehouse.rows("quarantine")
        if row["table_name"] == "stage_changes"
    }
    return [row for row in rows if _content(row) not in quarantined]


def _content(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(given_text(row[column]) or "" for column in COLUMNS["stage_changes"])


def _change_key(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The lead record and the change's id; the whole row where it has none."""
    if given_text(row["change_id"]):
        return str(row["lead_id"]), str(row["change_id"])
    return _content(row)


def _is_accounted_for(change: Fact, survivor: str, facts: Facts, recipe: Recipe) -> bool:
    if change["changed_at"] > recipe.as_of:
        return change["fate"] == "late"
    if given_text(change["to_stage_raw"]) is None:
        return change["fate"] == "clear"
    return any(
        row["lead_id"] == survivor and _holds(row, change) for row in facts["fct_lead_stages"]
    ) or any(
        row["lead_id"] == survivor
        and row["rule"] == "unmapped_stage"
        and plain(row["detail"]) == plain(change["to_stage_raw"])
        for row in facts["lifecycle_violations"]
    )


def _holds(visit: Fact, change: Fact) -> bool:
    """Whether the change lies in the visit."""
    begun = visit["entered_at"] <= change["changed_at"]
    over = visit["exited_at"] is not None and visit["exited_at"] < change["changed_at"]
    return visit["stage"] == change["to_stage"] and begun and not over
