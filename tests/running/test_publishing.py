"""Publishing: whole builds only, kept builds, roll-back, and what stays inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.errors import AuditBlocked, BuildError, ConfigError
from dagster_project.running import publishing
from dagster_project.running.audit import ensure_tables
from dagster_project.running.publishing import Mart

MARTS = [
    Mart(
        name="fct_things",
        relation='"build"."fct_things"',
        description="One row per thing; the owner's.",
        columns={
            "thing_id": "Id of the thing.",
            "amount": "What it's worth.",
        },
        key=("thing_id",),
    ),
    Mart(name="dim_kinds", relation='"build"."dim_kinds"', description="One row per kind."),
]


def facts(build_id: str) -> dict[str, Any]:
    return {
        "build_id": build_id,
        "as_of": "2026-06-30T00:00:00Z",
        "tradition": "four_stage",
        "acceptance_mode": "explicit",
        "acceptance_window_hours": None,
        "timezone": "UTC",
        "policy_fingerprint": "f" * 64,
        "audit_mode": "block",
        "sources": [{"name": "files", "kind": "files"}],
    }


@pytest.fixture
def output(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema build")
        connection.execute("create schema quality")
        connection.execute("create schema raw")
        connection.execute("create table raw.run_parameters as select 'secret' as hash_key")
        connection.execute(
            "create table build.fct_things as "
            "select 1000 - i as thing_id, i * 0.5 as amount from range(1000) as numbers(i)"
        )
        connection.execute(
            "create table build.dim_kinds as select * from (values ('b'), ('a')) as t(kind)"
        )
        connection.execute("create table build.int_inside as select 1 as x")
        ensure_tables(connection)
        connection.execute(
            "insert into quality.check_results by name "
            "select 'b1' as build_id, 'a_check' as check_name, 'passed' as status, "
            "'all is well' as message, "
            '\'[{"lead_id": "L1"}]\' as sample_keys'
        )
    return tmp_path


def publish(output: Path, build_id: str) -> dict[str, object]:
    publishing.write_build(output, MARTS, facts(build_id))
    return publishing.publish_build(output, build_id)


def published(output: Path) -> Path:
    return output / "published" / "lead_lifecycle.duckdb"


def test_only_the_marts_are_published_in_the_order_of_their_key(output: Path) -> None:
    publish(output, "b1")
    with duckdb.connect(str(published(output)), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() order by all"
        ).fetchall()
        ids = connection.execute("select thing_id from marts.fct_things").fetchall()
        kinds = connection.execute("select kind from marts.dim_kinds").fetchall()
    assert tables == [("marts", "dim_kinds"), ("marts", "fct_things")]
    assert ids == sorted(ids)
    assert kinds == [("a",), ("b",)]


def test_older_versions_of_duckdb_can_read_the_published_file(output: Path) -> None:
    publish(output, "b1")
    with duckdb.connect(str(published(output)), read_only=True) as connection:
        versions = connection.execute(
            "select tags['storage_version'] from duckdb_databases() where not internal"
        ).fetchall()
    assert versions == [("v1.0.0+",)]


def test_descriptions_become_comments(output: Path) -> None:
    publish(output, "b1")
    with duckdb.connect(str(published(output)), read_only=True) as connection:
        table = connection.execute(
            "select comment from duckdb_tables() where table_name = 'fct_things'"
        ).fetchall()
        column = connection.execute(
            "select comment from duckdb_columns() where column_name = 'amount'"
        ).fetchall()
    assert table == [("One row per thing; the owner's.",)]
    assert column == [("What it's worth.",)]


def test_the_manifest_has_counts_and_checks_but_no_samples(output: Path) -> None:
    manifest = publish(output, "b1")
    assert manifest["row_counts"] == {"fct_things": 1000, "dim_kinds": 2}
    (check,) = manifest["checks"]
    assert check["check_name"] == "a_check"
    assert (check["status"], check["message"]) == ("passed", "all is well")
    assert "sample_keys" not in check
    on_disk = (output / "published" / "manifest.json").read_text()
    assert json.loads(on_disk) == manifest
    assert "L1" not in on_disk
    assert "secret" not in on_disk


def test_the_same_build_twice_has_the_same_rows_in_the_same_order(output: Path) -> None:
    rows = []
    for build in ("b1", "b2"):
        publish(output, build)
        file = output / "builds" / build / "parquet" / "fct_things.parquet"
        rows.append(duckdb.sql(f"select * from '{file}'").fetchall())
    assert rows[0] == rows[1]


def test_a_failed_build_leaves_nothing_and_what_is_published_stays(output: Path) -> None:
    publish(output, "b1")
    missing = Mart(name="gone", relation='"build"."gone"', description="")
    with pytest.raises(BuildError, match="writing build b2 failed"):
        publishing.write_build(output, [*MARTS, missing], facts("b2"))
    assert publishing.builds(output) == ["b1"]
    manifest = publishing.published_manifest(output)
    assert manifest is not None
    assert manifest["build_id"] == "b1"


def test_an_open_reader_keeps_its_build(output: Path) -> None:
    publish(output, "b1")
    with duckdb.connect(str(published(output)), read_only=True) as reader:
        with duckdb.connect(str(output / "warehouse.duckdb")) as connection:
            connection.execute("delete from build.fct_things")
        publish(output, "b2")
        assert reader.execute("select count(*) from marts.fct_things").fetchall() == [(1000,)]
    with duckdb.connect(str(published(output)), read_only=True) as reader:
        assert reader.execute("select count(*) from marts.fct_things").fetchall() == [(0,)]


def test_the_last_builds_are_kept_and_leftovers_go(output: Path) -> None:
    for number in range(1, 5):
        publish(output, f"b{number}")
    (output / "builds" / "b0-killed").mkdir()
    removed = publishing.forget_old_builds(output, keep=2)
    assert removed == ["b0-killed", "b1", "b2"]
    assert publishing.builds(output) == ["b3", "b4"]


def test_the_published_build_is_kept_however_old(output: Path) -> None:
    for number in range(1, 4):
        publish(output, f"b{number}")
    publishing.publish_build(output, "b1")
    publishing.forget_old_builds(output, keep=1)
    assert publishing.builds(output) == ["b1", "b3"]


def test_a_table_that_is_no_mart_any_more_leaves_the_parquet_directory(output: Path) -> None:
    publish(output, "b1")
    publishing.write_build(output, MARTS[:1], facts("b2"))
    publishing.publish_build(output, "b2")
    files = {path.name for path in (output / "published" / "parquet").iterdir()}
    assert files == {"fct_things.parquet"}


def test_without_parquet_there_is_none(output: Path) -> None:
    publishing.write_build(output, MARTS, facts("b1"), parquet=False)
    publishing.publish_build(output, "b1")
    assert list((output / "published" / "parquet").iterdir()) == []


def test_a_build_without_an_audit_or_with_a_failed_one_is_refused(output: Path) -> None:
    publishing.require_audit(output, "b1")
    with pytest.raises(AuditBlocked, match="b2 was not audited"):
        publishing.require_audit(output, "b2")
    with duckdb.connect(str(output / "warehouse.duckdb")) as connection:
        connection.execute("update quality.check_results set status = 'errored'")
    with pytest.raises(AuditBlocked, match="check a_check blocks"):
        publishing.require_audit(output, "b1")


def test_roll_back_needs_a_build_before(output: Path) -> None:
    with pytest.raises(ConfigError, match="nothing is published"):
        publishing.roll_back(output)
    publish(output, "b1")
    with pytest.raises(ConfigError, match="no build before b1 is kept"):
        publishing.roll_back(output)
    publish(output, "b2")
    assert publishing.roll_back(output)["build_id"] == "b1"


def test_publishing_again_what_is_published_is_harmless(output: Path) -> None:
    publish(output, "b1")
    publishing.publish_build(output, "b1")
    names = {path.name for path in (output / "published").iterdir()}
    assert names == {"lead_lifecycle.duckdb", "manifest.json", "parquet"}
    with duckdb.connect(str(published(output)), read_only=True) as reader:
        assert reader.execute("select count(*) from marts.fct_things").fetchall() == [(1000,)]
