"""A change costs one place: five usual ones, made in a scratch copy of the repository.

Each touches only the files that CONTRIBUTING names; the new things work, and no test that has
nothing to do with them turns red. `make exercises` runs the whole suite in the copy.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.warehouse import PUBLISHED_FILE, warehouse_path
from tests.conftest import AS_OF
from tests.scratch_copy import ScratchCopy

GOLDEN = Path("tests") / "golden" / "crm_export"
OF_LEDGER = "source_system = 'ledger'"

pytestmark = [pytest.mark.timeout(7200), pytest.mark.starts_runs]


# What changes like these are likeliest to break.
MOST_SENSITIVE = (
    "tests/config/test_policy.py",
    "tests/dbt_project/test_published_names.py",
    "tests/dbt_project/test_semantic_layer.py",
    "tests/expectations/test_check.py",
    "tests/ingestion/test_dispatch.py",
    "tests/lifecycle/test_models_equal_reference.py::test_models_give_every_golden_cell",
    "tests/lifecycle/test_own_tradition.py",
    "tests/marts/test_ties.py",
    "tests/test_definitions.py",
    "tests/test_documentation.py",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> ScratchCopy:
    """A copy with all five changes, each of which touched no other file."""
    made = ScratchCopy(tmp_path_factory.mktemp("changed") / "repository")
    printed = made.python("-c", "import dagster_project; print(dagster_project.__file__)")
    assert Path(printed.strip()).is_relative_to(made.root)
    changes = (
        add_a_stage_to_a_tradition,
        add_a_mart,
        add_a_check,
        add_a_column_to_a_fact,
        add_a_source_kind,
    )
    for change in changes:
        expected = change(made)
        assert made.changed() == expected, change.__name__
        made.keep()
    return made


@pytest.fixture(scope="module")
def output(copy: ScratchCopy) -> Path:
    """What a run of the changed product left.

    It reads the golden export, and a source of the new kind with a lead in the new stage.
    """
    place, output = copy.root / "var" / "ledger", copy.root / "var" / "output"
    place.mkdir(parents=True)
    (place / "people.csv").write_text(
        "person,since,stage\nL1,2026-01-02,MQL\nL2,2026-01-03,SQL\nL3,2026-01-04,demo held\n"
    )
    config = place / "handoff.yml"
    export = f"{{kind: files, name: crm, path: {copy.root / GOLDEN}}}"
    config.write_text(f"sources: [{{kind: ledger, path: people.csv}}, {export}]\n")
    choices = ("--output", output, "--as-of", AS_OF, "--audit", "warn")
    copy.handoff("run", "--config", config, *choices)
    return output


def read(file: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query over what a run left."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def published(output: Path) -> Path:
    return output / "published" / PUBLISHED_FILE


def add_a_stage_to_a_tradition(copy: ScratchCopy) -> set[str]:
    row = "four_stage,demo,Demo Held,45,accepted,,,sales,true"
    copy.append("seeds/policy/stages.csv", row + "\n")
    return {"seeds/policy/stages.csv"}


def add_a_mart(copy: ScratchCopy) -> set[str]:
    added = copy.add("mart")
    entries = "dbt_project/models/marts/recycling/_recycling__models.yml"
    copy.append(
        entries,
        textwrap.dedent(
            """\
              - name: cycle_starts
                description: "One row per kind of start: how many cycles began so."
                columns:
                  - name: start_kind
                    description: "How the cycle began."
                    data_type: varchar
                    data_tests:
                      - is_key:
                          name: each_start_kind_is_one_row
                          description: "A kind of start is given, and occurs once."
                  - name: cycles
                    description: "Cycles that began so."
                    data_type: bigint

            exposures:
              - name: how_cycles_start
                type: dashboard
                description: "Whether leads are new or come back."
                owner: {name: Revenue operations, email: revops@company.example}
                depends_on:
                  - ref('cycle_starts')
            """
        ).replace("\n  - name: cycle_starts", "  - name: cycle_starts"),
    )
    return added | {entries}


def add_a_check(copy: ScratchCopy) -> set[str]:
    suite = "expectations/dim_leads.py"
    copy.insert(
        suite,
        "\n)\n",
        textwrap.indent(
            textwrap.dedent(
                '''
                Check(
                    name="leads_have_a_country",
                    headline="{failing} lead{s} without a country",
                    description="Few leads lack the country.",
                    severity="warning",
                    owner="marketing",
                    runbook="Ask for the country in the forms.",
                    cases="""
                        select source_system, lead_id, created_at, country is null as is_broken
                        from build.dim_leads
                    """,
                    keys=LEAD,
                    warn=0.10,
                    newest_by="created_at",
                ),'''
            ),
            "    ",
        ),
    )
    return {suite}


def add_a_column_to_a_fact(copy: ScratchCopy) -> set[str]:
    model, entries = (
        f"dbt_project/models/facts/{name}" for name in ("fct_lead_cycles.sql", "_facts__models.yml")
    )
    copy.insert(
        model,
        "\n    from cycles\n    inner join leads",
        ",\n        cast(cycles.exited_at as date) as exit_date",
    )
    copy.insert(
        entries,
        "      - name: exit_stage\n",
        '      - name: exit_date\n        description: "The day of exited_at (UTC)."\n'
        "        data_type: date\n",
    )
    return {model, entries}


def add_a_source_kind(copy: ScratchCopy) -> set[str]:
    added = copy.add("source_kind")
    registered = "dbt_project/dbt_project.yml"
    copy.insert(registered, "    hubspot: [", "    ledger: [leads, stage_changes]\n")
    assert {str(Path(name).parent) for name in added} == {
        "dagster_project/ingestion/ledger",
        "dbt_project/models/staging/ledger",
        "dbt_project/models/conform/ledger",
    }
    return added | {registered}


def test_a_stage_in_a_tradition_is_one_row(output: Path) -> None:
    marts = published(output)
    stages = read(
        marts,
        f"select stage, milestone from marts.fct_lead_stages where lead_id = 'L3' and {OF_LEDGER}",
    )
    assert stages[-1] == ("demo", "accepted")


def test_a_mart_is_one_model_and_its_entry(output: Path) -> None:
    marts = published(output)
    [(cycles,)] = read(marts, "select count(*) from marts.fct_lead_cycles")
    assert sum(count for _, count in read(marts, "from marts.cycle_starts")) == cycles > 0


def test_a_check_is_one_entry(output: Path) -> None:
    name = "leads_have_a_country"
    query = f"select status, cases from quality.check_results where check_name = '{name}'"
    [(leads,)] = read(published(output), "select count(*) from marts.dim_leads")
    assert read(warehouse_path(output), query) == [("passed", leads)]


def test_a_column_on_a_fact_is_one_model_and_its_entry(output: Path) -> None:
    assert read(
        published(output),
        "select count(exit_date) > 0, bool_and(exit_date = exited_at::date) "
        "from marts.fct_lead_cycles where exited_at is not null",
    ) == [(True, True)]


def test_a_source_kind_is_its_folders_and_one_line(output: Path) -> None:
    marts = published(output)
    stages = f"select lead_id, stage from marts.fct_lead_stages where {OF_LEDGER} order by all"
    assert read(marts, stages)[:2] == [("L1", "mql"), ("L2", "sql")]


def test_nothing_else_turns_red(copy: ScratchCopy) -> None:
    if os.environ.get("HANDOFF_EXERCISES"):
        copy.tests("-n", "2", "--dist", "loadfile", "--ignore", "tests/test_changes.py")
    else:
        copy.tests(*MOST_SENSITIVE)
