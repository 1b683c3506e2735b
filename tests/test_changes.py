"""A change costs one place: five usual ones, each made in a scratch copy of the repository.

Only the files that CONTRIBUTING names are touched; the new thing works, and no test that has
nothing to do with it turns red. `make exercises` runs the whole suite in each copy.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.warehouse import PUBLISHED_FILE, warehouse_path
from tests.conftest import AS_OF
from tests.scratch_copy import ScratchCopy

GOLDEN = Path("tests") / "golden" / "crm_export"
OUTPUT = Path("var") / "tried"

pytestmark = [pytest.mark.timeout(7200), pytest.mark.starts_runs]


@pytest.fixture
def copy(tmp_path: Path) -> ScratchCopy:
    made = ScratchCopy(tmp_path / "repository")
    printed = made.python("-c", "import dagster_project; print(dagster_project.__file__)")
    assert Path(printed.strip()).is_relative_to(made.root)
    return made


def run(copy: ScratchCopy, *arguments: str | Path) -> None:
    """Run the copy's product on a small export and publish."""
    arguments = arguments or ("--input", GOLDEN)
    copy.handoff("run", *arguments, "--output", OUTPUT, "--as-of", AS_OF, "--audit", "warn")


def read(copy: ScratchCopy, query: str, *, inside: bool = False) -> list[tuple[Any, ...]]:
    """The rows of a query over what the run published, or over its warehouse."""
    output = copy.root / OUTPUT
    file = warehouse_path(output) if inside else output / "published" / PUBLISHED_FILE
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def nothing_turns_red(copy: ScratchCopy, most_sensitive: Iterable[str]) -> None:
    """The tests that a change like this is likeliest to break pass; all, where asked for."""
    if os.environ.get("HANDOFF_EXERCISES"):
        copy.tests("-n", "2", "--dist", "loadfile", "--ignore", "tests/test_changes.py")
    else:
        copy.tests(*most_sensitive)


def test_a_stage_in_a_tradition_is_one_row(copy: ScratchCopy) -> None:
    row = "four_stage,demo,Demo Held,45,accepted,,,sales,true"
    copy.append("seeds/policy/stages.csv", row + "\n")
    assert copy.changed() == {"seeds/policy/stages.csv"}

    export = copy.root / "var" / "tiny"
    export.mkdir(parents=True)
    (export / "leads.csv").write_text("lead_id,created_at\nL1,2026-06-01\n")
    (export / "stage_changes.csv").write_text(
        "lead_id,changed_at,to_stage\n"
        "L1,2026-06-02,MQL\nL1,2026-06-03,SAL\nL1,2026-06-04,demo held\n"
    )
    run(copy, "--input", export)
    visits = read(copy, "select stage, milestone from marts.fct_lead_stages order by entered_at")
    assert visits[-1] == ("demo", "accepted")
    assert read(copy, "from marts.lifecycle_violations") == []

    nothing_turns_red(
        copy,
        (
            "tests/config/test_policy.py",
            "tests/lifecycle/test_reference.py",
            "tests/lifecycle/test_own_tradition.py",
            "tests/ingestion/test_discovery.py",
        ),
    )


def test_a_mart_is_one_model_and_its_entry(copy: ScratchCopy) -> None:
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
                      - unique:
                          name: each_start_kind_is_one_row
                          description: "A kind of start occurs once."
                      - not_null:
                          name: every_start_has_a_kind
                          description: "No row is without its kind."
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
    assert copy.changed() == added | {entries}

    run(copy)
    published = read(copy, "from marts.cycle_starts")
    assert (
        sum(count for _, count in published)
        == read(copy, "select count(*) from marts.fct_lead_cycles")[0][0]
    )

    nothing_turns_red(
        copy,
        (
            "tests/dbt_project/test_published_names.py",
            "tests/dbt_project/test_semantic_layer.py",
            "tests/test_documentation.py",
            "tests/test_definitions.py",
        ),
    )


def test_a_check_is_one_entry(copy: ScratchCopy) -> None:
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
    assert copy.changed() == {suite}

    run(copy)
    ((status, cases),) = read(
        copy,
        "select status, cases from quality.check_results where check_name = 'leads_have_a_country'",
        inside=True,
    )
    assert status == "passed"
    assert cases == read(copy, "select count(*) from marts.dim_leads")[0][0]

    nothing_turns_red(
        copy,
        ("tests/expectations/test_check.py", "tests/test_definitions.py"),
    )


def test_a_column_on_a_fact_is_one_model_and_its_entry(copy: ScratchCopy) -> None:
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
    assert copy.changed() == {model, entries}

    run(copy)
    assert read(
        copy,
        "select count(exit_date) > 0, bool_and(exit_date = exited_at::date) "
        "from marts.fct_lead_cycles where exited_at is not null",
    ) == [(True, True)]

    nothing_turns_red(
        copy,
        (
            "tests/dbt_project/test_published_names.py",
            "tests/dbt_project/test_semantic_layer.py",
            "tests/marts/test_ties.py",
            "tests/lifecycle/test_models_equal_reference.py",
            *("-k", "golden or tie or published or layer or mart"),
        ),
    )


def test_a_source_kind_is_its_folders_and_one_line(copy: ScratchCopy) -> None:
    added = copy.add("source_kind")
    registered = "dbt_project/dbt_project.yml"
    copy.insert(registered, "    hubspot: [", "    ledger: [leads, stage_changes]\n")
    assert copy.changed() == added | {registered}
    assert {str(Path(name).parent) for name in added} == {
        "dagster_project/ingestion/ledger",
        "dbt_project/models/staging/ledger",
        "dbt_project/models/conform/ledger",
    }

    tried = copy.root / "var" / "ledger"
    tried.mkdir(parents=True)
    (tried / "people.csv").write_text("person,since,stage\nL1,2026-01-02,MQL\nL2,2026-01-03,SQL\n")
    (tried / "handoff.yml").write_text("sources: [{kind: ledger, path: people.csv}]\n")
    run(copy, "--config", tried / "handoff.yml")
    assert read(copy, "select lead_id, stage from marts.fct_lead_stages order by 1") == [
        ("L1", "mql"),
        ("L2", "sql"),
    ]

    nothing_turns_red(
        copy,
        (
            "tests/ingestion/test_dispatch.py",
            "tests/config/test_settings.py",
            "tests/test_definitions.py",
            "tests/test_documentation.py",
        ),
    )
