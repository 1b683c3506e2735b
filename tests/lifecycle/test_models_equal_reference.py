"""The models' rows equal the reference's, cell by cell, in every tradition and acceptance mode."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.lifecycle import exports, golden, reference, strategies
from tests.lifecycle.comparison import all_differences
from tests.lifecycle.exports import Recipe
from tests.lifecycle.reference import COLUMNS, Row, Run
from tests.lifecycle.strategies import COMPANIES, Company
from tests.lifecycle.texts import given as given_text
from tests.warehouse import Warehouse

TRADITIONS = strategies.DEFAULT_POLICY.traditions()
MODES = ("explicit", "default")


def every_way(company: Company) -> list[tuple[str, str]]:
    """All traditions that the company may use, in both modes."""
    return [(tradition, mode) for tradition in company.traditions for mode in MODES]


def assert_models_equal_reference(
    warehouse: Warehouse, recipe: Recipe, company: Company, ways: list[tuple[str, str]]
) -> None:
    """Compare all facts for each of these traditions and modes."""
    tables = exports.export(recipe)
    warehouse.load(tables, company.policy, company.stage_map)
    for tradition, mode in ways:
        run = Run(
            as_of=recipe.as_of,
            tradition=tradition,
            acceptance_mode=mode,
            window_hours=company.window_hours,
            timezone=company.timezone,
            stage_map=company.stage_map,
        )
        result = reference.read(tables, company.policy, run)
        found = all_differences(warehouse.run(run), result)
        assert not found, "\n".join([f"{recipe} {company} {tradition} {mode}", *found])


@pytest.mark.parametrize("tradition", golden.TRADITIONS)
def test_models_give_every_golden_cell(warehouse: Warehouse, tradition: str) -> None:
    with warehouse.optimized():
        warehouse.load(golden.export(), strategies.DEFAULT_POLICY)
        facts = warehouse.run(Run(as_of=golden.AS_OF, tradition=tradition))
    for name in golden.FACTS:
        expected = golden.expected(tradition, name)
        assert golden.same_columns(facts[name], expected) == golden.same_columns(
            expected, expected
        ), name


@pytest.mark.parametrize("tradition", TRADITIONS)
def test_models_equal_reference_on_the_golden_export(warehouse: Warehouse, tradition: str) -> None:
    warehouse.load(golden.export(), strategies.DEFAULT_POLICY)
    for mode in MODES:
        run = Run(as_of=golden.AS_OF, tradition=tradition, acceptance_mode=mode)
        result = reference.read(golden.export(), strategies.DEFAULT_POLICY, run)
        assert not all_differences(warehouse.run(run), result)


@pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.name)
def test_models_equal_reference_for_every_company(warehouse: Warehouse, company: Company) -> None:
    number = COMPANIES.index(company)
    now = exports.NOWS[number % len(exports.NOWS)]
    assert_models_equal_reference(
        warehouse, Recipe(seed=number, as_of=now), company, every_way(company)
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_models_quarantine_the_rows_that_the_reference_does(
    warehouse: Warehouse, seed: int
) -> None:
    recipe = Recipe(seed=seed)
    tables = exports.export(recipe)
    run = Run(as_of=recipe.as_of)
    warehouse.load(tables, strategies.DEFAULT_POLICY)
    warehouse.run(run)
    # Of equal rows only one is listed, so rows are told by what stands in them.
    listed = {
        (row["table_name"], content(row["table_name"], tables[row["table_name"]][at]))
        for row in warehouse.rows("quarantine")
        for at in [row["source_row"] - 1]
    }
    expected = {
        (table, content(table, tables[table][at]))
        for table, at in reference.read(tables, strategies.DEFAULT_POLICY, run).quarantined
    }
    assert expected
    assert listed == expected


def content(table: str, row: Row) -> tuple[str, ...]:
    """A row's cells as text, empty for null."""
    return tuple(given_text(row[column]) or "" for column in COLUMNS[table])


@pytest.mark.parametrize(
    "missing",
    [
        *("owners", "later contacts", "reasons", "reasons of stage_changes"),
        *("reasons of opportunities", *strategies.OPTIONAL_TABLES),
    ],
)
def test_models_equal_reference_when_a_source_fills_little(
    warehouse: Warehouse, missing: str
) -> None:
    recipe = Recipe(
        seed=3,
        families=range(60),
        empty_tables=frozenset({missing} & set(strategies.OPTIONAL_TABLES)),
        without_owners=missing == "owners",
        without_reasons=frozenset(
            table
            for table in ("stage_changes", "opportunities")
            if missing in ("reasons", f"reasons of {table}")
        ),
        only_later=frozenset({"activities", "engagements"} if missing == "later contacts" else ()),
    )
    # The tradition that asks for explicit intent has the most rules to judge.
    ways = [("handoff_first", "default"), ("four_stage", "explicit")]
    assert_models_equal_reference(warehouse, recipe, COMPANIES[0], ways)


def test_models_equal_reference_when_there_is_nothing(warehouse: Warehouse) -> None:
    nothing = Recipe(seed=0, families=range(0))
    assert_models_equal_reference(warehouse, nothing, COMPANIES[0], every_way(COMPANIES[0]))


@settings(
    max_examples=8,
    # An example takes seconds: a failing one is read lead by lead, not shrunk.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(recipe=strategies.recipes(), company=strategies.companies(), data=st.data())
def test_models_equal_reference_on_random_exports(
    warehouse: Warehouse, recipe: Recipe, company: Company, data: st.DataObject
) -> None:
    ways = data.draw(
        st.lists(st.sampled_from(every_way(company)), min_size=1, max_size=3, unique=True)
    )
    with warehouse.optimized():
        assert_models_equal_reference(warehouse, recipe, company, ways)
