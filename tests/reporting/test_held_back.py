"""The page of a build that was held back, from what its audit left in the warehouse."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.reporting.pages.held_back import forget_held_back, write_held_back
from dagster_project.running.audit import ensure_tables

BUILD = "20260701T000000-abcd1234"
DATA_TEST = {
    "check_name": "each_lead_is_one_row",
    "table_name": "dim_leads",
    "status": "blocked",
    "message": "3 rows",
}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
        warehouse.execute("create schema quality; create schema build")
        ensure_tables(warehouse)
        warehouse.execute(
            "create table build.dim_leads as select 'L1' as lead_id; "
            f"create table build.build_info as select '{BUILD}' as build_id"
        )
    return tmp_path


def audited(output: Path, status: str) -> None:
    with duckdb.connect(str(output / "warehouse.duckdb")) as warehouse:
        warehouse.execute(
            """
            insert into quality.check_results by name
            select ? as build_id, 'leads_have_<b>names</b>' as check_name, ? as status,
                'leads' as suite,
                'Leads have names.' as description, '25% (1 of 4)' as message,
                'Ask for names.' as runbook, 'sales' as owner, timestamp '2026-07-01' as as_of
            """,
            [BUILD, status],
        )


def test_it_says_what_stops_the_build_and_what_to_do(output: Path) -> None:
    audited(output, "blocked")
    docs = output / "data_docs" / "leads.html"
    docs.parent.mkdir()
    docs.touch()
    passed = {**DATA_TEST, "check_name": "each_reason_is_one_row", "status": "passed"}
    path = write_held_back(output, BUILD, [DATA_TEST, passed])
    assert path is not None
    page = path.read_text(encoding="utf-8")
    # The checks are counted as everywhere, without the tests of the data.
    assert "<dd>0 passed, 0 warned, 1 blocked</dd>" in page
    assert 'href="../data_docs/leads.html#leads_have_&lt;b&gt;names' in page
    assert "2 checks stop it" in page
    assert "Leads have names. Found: 25% (1 of 4) (<a href=" in page
    assert ">leads_have_&lt;b&gt;names&lt;/b&gt;</a>)" in page
    assert "Ask for names. Owner: sales." in page
    assert "each_lead_is_one_row" in page
    assert "nothing: no build was published yet" in page
    assert "<script" not in page
    forget_held_back(output)
    assert not path.exists()


def test_a_build_without_a_lead_says_that_first(output: Path) -> None:
    audited(output, "passed")
    with duckdb.connect(str(output / "warehouse.duckdb")) as warehouse:
        warehouse.execute("delete from build.dim_leads")
    path = write_held_back(output, BUILD)
    assert path is not None
    page = path.read_text(encoding="utf-8")
    assert "There is no lead, so nothing is published" in page
    assert "--audit warn" not in page


def test_a_build_that_nothing_stops_or_that_is_there_has_no_page(output: Path) -> None:
    audited(output, "warned")
    assert write_held_back(output, BUILD) is None
    written = output / "builds" / BUILD / "manifest.json"
    written.parent.mkdir(parents=True)
    written.touch()
    assert write_held_back(output, BUILD, [DATA_TEST]) is None
    assert not (output / "held_back").exists()
