"""Publishing: whole builds only, one switch, kept builds, roll-back, and what stays inside."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pytest

from dagster_project.config.errors import AuditBlocked, BuildError, ConfigError
from dagster_project.reporting.build_status import published_lines
from dagster_project.running import publishing
from dagster_project.running.audit import SHOWN_BUILDS, ensure_tables
from dagster_project.running.check_history import check_history
from dagster_project.running.publishing import Mart
from expectations.catalogue import FORMER_NAMES

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


def test_the_last_builds_are_kept(output: Path) -> None:
    for number in range(1, 5):
        publish(output, f"b{number}")
    assert publishing.forget_old_builds(output, keep=2) == ["b1", "b2"]
    assert publishing.builds(output) == ["b3", "b4"]


def test_the_published_build_is_kept_however_old(output: Path) -> None:
    for number in range(1, 4):
        publish(output, f"b{number}")
    publishing.publish_build(output, "b1")
    publishing.forget_old_builds(output, keep=1)
    assert publishing.builds(output) == ["b1", "b3"]


def test_the_build_that_was_replaced_is_kept_and_the_one_to_go_back_to(output: Path) -> None:
    for number in range(1, 5):
        publish(output, f"b{number}")
    publishing.roll_back(output, to="b1")
    publish(output, "b5")
    assert publishing.forget_old_builds(output, keep=2) == ["b2", "b3"]
    # Not to b4, from which somebody went back to b1.
    assert publishing.roll_back(output)["build_id"] == "b1"


def test_a_table_that_is_no_mart_any_more_leaves_the_parquet_directory(output: Path) -> None:
    publish(output, "b1")
    publishing.write_build(output, MARTS[:1], facts("b2"))
    publishing.publish_build(output, "b2")
    files = {path.name for path in (output / "published" / "parquet").iterdir()}
    assert files == {"fct_things.parquet"}


def test_without_parquet_there_is_none(output: Path) -> None:
    publishing.write_build(output, MARTS, facts("b1"), parquet=False)
    publishing.publish_build(output, "b1")
    assert not (output / "published" / "parquet").exists()


def test_the_manifest_lists_each_file_of_the_build_with_its_hash(output: Path) -> None:
    seen: list[Any] = []

    page = Path("report", "index.html")

    def write(directory: Path, manifest: Any) -> None:
        with duckdb.connect(str(directory / "lead_lifecycle.duckdb"), read_only=True) as marts:
            seen.extend(marts.execute("select count(*) from marts.fct_things").fetchall())
        (directory / "report").mkdir()
        (directory / page).write_text(manifest["build_id"])

    publishing.write_build(output, MARTS, facts("b1"), pages={page: write})
    publishing.publish_build(output, "b1")
    place = output / "published"
    files = json.loads((place / "manifest.json").read_text())["files"]
    assert {file["path"] for file in files} == {
        "lead_lifecycle.duckdb",
        "parquet/fct_things.parquet",
        "parquet/dim_kinds.parquet",
        "report/index.html",
    }
    for file in files:
        content = (place / file["path"]).read_bytes()
        assert file["bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert seen == [(1000,)]


def test_a_page_that_fails_keeps_no_mart_from_readers_and_is_told_of(output: Path) -> None:
    report, definitions = Path("report", "index.html"), Path("report", "definitions.html")

    def fails(directory: Path, _manifest: Any) -> None:
        (directory / report).parent.mkdir()
        (directory / report.with_suffix(".part")).write_text("<html")
        raise KeyError("no such column")

    told: list[tuple[Path, Exception]] = []
    publishing.write_build(
        output,
        MARTS,
        facts("b1"),
        pages={
            report: fails,
            definitions: lambda directory, _: (directory / definitions).write_text("whole"),
        },
        page_failed=lambda page, error: told.append((page, error)),
    )
    manifest = publishing.publish_build(output, "b1")
    assert manifest["pages_missing"] == ["report/index.html"]
    assert [(page, str(error)) for page, error in told] == [(report, "'no such column'")]
    assert [path.name for path in (output / "published" / "report").iterdir()] == [
        "definitions.html"
    ]
    with duckdb.connect(str(published(output)), read_only=True) as marts:
        assert marts.execute("select count(*) from marts.fct_things").fetchall() == [(1000,)]
    assert dict(published_lines(output))[""].startswith("report/index.html could not be written")


def test_a_build_is_never_written_twice(output: Path) -> None:
    manifest = publish(output, "b1")
    again = publishing.write_build(output, MARTS, facts("b1"))
    assert again == manifest
    with duckdb.connect(str(output / "warehouse.duckdb")) as connection:
        connection.execute("update build.fct_things set amount = 1 where thing_id = 7")
    with pytest.raises(BuildError, match=r"b1 is written already .* start a whole run"):
        publishing.write_build(output, MARTS, facts("b1"))
    with duckdb.connect(str(published(output)), read_only=True) as reader:
        assert reader.execute("select count(*) from marts.fct_things").fetchall() == [(1000,)]


def test_a_build_without_an_audit_or_with_a_failed_one_is_refused(output: Path) -> None:
    publishing.require_audit(output, "b1")
    with pytest.raises(AuditBlocked, match="b2 was not audited"):
        publishing.require_audit(output, "b2")
    # A data test of a hidden model is no check of Dagster's.
    failed = {"check_name": "a_data_test", "status": "blocked", "message": "2 rows"}
    with pytest.raises(AuditBlocked, match="check a_data_test blocks: 2 rows"):
        publishing.require_audit(output, "b1", [failed])
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
    with pytest.raises(ConfigError, match="no build before b1 is kept"):
        publishing.roll_back(output)


def test_roll_back_to_a_build_by_its_id_or_how_that_begins(output: Path) -> None:
    for build in ("20260701-aa", "20260702-bb", "20260702-cc"):
        publish(output, build)
    back = publishing.roll_back(output, to="20260701")
    assert (back["build_id"], back["rolled_back_from"]) == ("20260701-aa", "20260702-cc")
    assert publishing.published_manifest(output) == back
    for to, problem in {
        "20260702": "2 builds begin with it",
        "20260701-aa": "this build is published already",
        "../builds": "no such build is kept",
    }.items():
        with pytest.raises(ConfigError) as refused:
            publishing.roll_back(output, to=to)
        first, *kept = refused.value.problems
        assert f"--to {to}: {problem}; kept are" in first
        assert kept == [
            "  20260701-aa  as of 2026-06-30T00:00:00Z  (published)",
            "  20260702-bb  as of 2026-06-30T00:00:00Z",
            "  20260702-cc  as of 2026-06-30T00:00:00Z",
        ]
    # Forward again: it is no roll-back any more once something else was.
    assert publishing.roll_back(output, to="20260702-cc")["rolled_back_from"] == "20260701-aa"
    publish(output, "20260703-dd")
    manifest = publishing.published_manifest(output)
    assert manifest is not None
    assert "rolled_back_from" not in manifest
    assert manifest["replaces"] == "20260702-cc"


def test_builds_that_came_back_from_a_backup_can_be_published(output: Path) -> None:
    publish(output, "b1")
    (output / "published").unlink()
    assert publishing.roll_back(output, to="b1")["build_id"] == "b1"
    assert published(output).is_file()


def test_publishing_again_what_is_published_is_harmless(output: Path) -> None:
    publish(output, "b1")
    publishing.publish_build(output, "b1")
    names = {path.name for path in (output / "published").iterdir()}
    assert names == {"lead_lifecycle.duckdb", "manifest.json", "parquet"}
    with duckdb.connect(str(published(output)), read_only=True) as reader:
        assert reader.execute("select count(*) from marts.fct_things").fetchall() == [(1000,)]


def test_the_history_of_checks_ends_with_the_build(output: Path) -> None:
    former, now = next(iter(FORMER_NAMES.items()))
    builds = SHOWN_BUILDS + 5
    with duckdb.connect(str(output / "warehouse.duckdb")) as connection:
        connection.execute(
            f"""
            insert into quality.check_results by name
            select
                'b' || number as build_id,
                if(number < {builds}, '{former}', '{now}') as check_name, 'warned' as status,
                timestamp '2026-06-01' + to_days(number::int) as as_of, as_of as ran_at
            from range(1, {builds} + 3) as builds(number)
            """
        )
        # As a release of another time may have written them.
        connection.execute(
            f"""
            insert into quality.check_results by name
            select * replace (ran_at - interval 1 minute as ran_at, 'muted' as status)
            from quality.check_results where build_id = 'b{builds}'
            union all
            select * replace (cast(null as timestamp) as as_of)
            from quality.check_results where build_id = 'b{builds}'
            """
        )
    found = check_history(output, f"b{builds}")
    shown = range(builds - SHOWN_BUILDS + 1, builds + 1)
    assert [row["build_id"] for row in found] == [f"b{number}" for number in shown]
    # A check that was renamed has one history.
    assert {row["check_name"] for row in found} == {now}
    assert check_history(output, "forgotten") == []
    assert check_history(output / "elsewhere", "b1") == []


def test_published_is_a_link_that_may_move_with_its_output(output: Path, tmp_path: Path) -> None:
    publish(output, "b1")
    assert (output / "published").readlink() == Path("builds/b1")
    place = tmp_path / "elsewhere"
    place.mkdir()
    for name in ("builds", "published"):
        shutil.move(output / name, place / name)
    assert publishing.published_manifest(place) is not None


def in_the_old_layout(output: Path, build: str) -> None:
    """What an earlier version published: a directory of its own, hard links into the build's."""
    directory = output / "published"
    (directory / "parquet").mkdir(parents=True)
    manifest = publishing.write_build(output, MARTS, facts(build))
    for name in ("lead_lifecycle.duckdb", *(f"parquet/{mart.name}.parquet" for mart in MARTS)):
        os.link(output / "builds" / build / name, directory / name)
    del manifest["files"]
    (output / "builds" / build / "manifest.json").write_text(json.dumps(manifest))
    (directory / "manifest.json").write_text(json.dumps({**manifest, "published_at": "2026"}))


def test_the_next_publication_replaces_the_directory_of_an_earlier_version(output: Path) -> None:
    in_the_old_layout(output, "b1")
    with duckdb.connect(str(published(output)), read_only=True) as reader:
        publish(output, "b2")
        assert reader.execute("select count(*) from marts.fct_things").fetchall() == [(1000,)]
    assert (output / "published").readlink() == Path("builds/b2")
    assert publishing.roll_back(output)["build_id"] == "b1"
    assert published(output).is_file()


def test_a_directory_that_no_run_published_is_left_alone(output: Path) -> None:
    (output / "published").mkdir()
    (output / "published" / "mine.xlsx").touch()
    with pytest.raises(BuildError, match="no run published it; move it elsewhere"):
        publish(output, "b1")
    assert (output / "published" / "mine.xlsx").exists()


def no_link(*_: object, **__: object) -> NoReturn:
    """As on a file system, or for a Windows account, that has no links."""
    raise OSError("Operation not permitted")


def test_where_links_are_not_possible_it_copies_and_says_so(output: Path) -> None:
    for build in ("b1", "b2"):
        publishing.write_build(output, MARTS, facts(build))
        manifest = publishing.publish_build(output, build, link=no_link)
        assert not (output / "published").is_symlink()
        assert publishing.published_manifest(output) == manifest
        assert not published(output).samefile(output / "builds" / build / "lead_lifecycle.duckdb")
        [notice] = publishing.notices(manifest)
        assert "no links are possible" in notice
    assert sorted(path.name for path in output.iterdir()) == [
        *("builds", "published", "warehouse.duckdb")
    ]
    # Where the switch fails half-way, what was published is still there.
    with pytest.raises(BuildError, match="publishing build b1 failed"):
        publishing.publish_build(output, "b1", link=lambda *_, **__: None)
    assert publishing.published_id(output) == "b2"
    # From a copy to a link and back, as where an output moves.
    assert publishing.notices(publish(output, "b3")) == []
    assert (output / "published").is_symlink()
    publishing.publish_build(output, "b2", link=no_link)
    assert not (output / "published").is_symlink()
    assert publishing.published_id(output) == "b2"


def test_a_kill_at_any_moment_heals_at_the_next_start(output: Path) -> None:
    publish(output, "b1")
    builds = output / "builds"
    # While a build was written, its manifest replaced, the link made.
    (builds / "b2").mkdir()
    (builds / "b2" / "lead_lifecycle.duckdb").write_bytes(b"half")
    (builds / "b1" / ".manifest.json.new").write_text("{")
    (output / ".published.new").symlink_to("builds/b2")
    publishing.remove_leftovers(output)
    assert publishing.builds(output) == [path.name for path in builds.iterdir()] == ["b1"]
    assert not (builds / "b1" / ".manifest.json.new").exists()
    # Between the two renames by which a copy takes the place of another.
    publishing.publish_build(output, "b1", link=no_link)
    (output / "published").rename(output / ".published.old")
    shutil.copytree(builds / "b1", output / ".published.new")
    publishing.remove_leftovers(output)
    assert publishing.published_id(output) == "b1"
    assert not list(output.glob(".published*"))


# Reads until it is told to stop, and prints what it read: the directory once per reading, then
# everything by the path that this was; and the DuckDB file as BI does, by the path of the link.
READER = """
import duckdb, json, os, sys
published = sys.argv[1]
while not os.path.exists(sys.argv[2]):
    place = os.path.realpath(published)
    with open(f"{place}/manifest.json") as file:
        manifest = json.load(file)
    seen = {os.path.basename(place), manifest["build_id"]}
    with duckdb.connect(f"{place}/lead_lifecycle.duckdb", read_only=True) as marts:
        seen |= {row for row, in marts.execute("select build_id from marts.build_info").fetchall()}
    for mart in ("build_info", "fct_things"):
        rows = duckdb.execute(f"select distinct build_id from '{place}/parquet/{mart}.parquet'")
        seen |= {row for row, in rows.fetchall()}
    with duckdb.connect(f"{published}/lead_lifecycle.duckdb", read_only=True) as marts:
        by_path = marts.execute(
            "select distinct build_id from marts.build_info "
            "union select distinct build_id from marts.fct_things"
        ).fetchall()
    print(json.dumps([sorted(seen), by_path]), flush=True)
"""


@contextmanager
def reading(output: Path) -> Iterator[subprocess.Popen[str]]:
    """A reader in a process of its own; it has read once when the block begins."""
    stop = output / "stop"
    command = [sys.executable, "-c", READER, str(output / "published"), str(stop)]
    said = output / "said"
    with said.open("w") as stream:
        reader = subprocess.Popen(command, stdout=stream, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_readings(reader, said, 1)
        yield reader
    finally:
        stop.touch()
        _, complaint = reader.communicate(timeout=60)
    assert reader.returncode == 0, complaint


def wait_for_readings(reader: subprocess.Popen[str], said: Path, number: int) -> None:
    while len(said.read_text().splitlines()) < number:
        assert reader.poll() is None, reader.stderr and reader.stderr.read()
        time.sleep(0.002)


def test_readers_see_one_build_through_50_publications_and_5_roll_backs(tmp_path: Path) -> None:
    marts = [
        Mart(name=name, relation=f'"build"."{name}"', description="", key=("build_id",))
        for name in ("build_info", "fct_things")
    ]

    def write(number: int) -> str:
        build = f"b{number:02d}"
        with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
            connection.execute("create schema if not exists build")
            connection.execute(
                f"create or replace table build.build_info as select '{build}' as build_id"
            )
            connection.execute(
                "create or replace table build.fct_things as from build.build_info, range(99)"
            )
        publishing.write_build(tmp_path, marts, facts(build))
        return build

    publishing.publish_build(tmp_path, write(0))
    said = tmp_path / "said"
    roll_backs = 0
    with reading(tmp_path) as reader:
        for number in range(1, 51):
            publishing.publish_build(tmp_path, write(number))
            if number % 10 == 0:
                roll_backs += publishing.roll_back(tmp_path)["build_id"] == f"b{number - 1:02d}"
            publishing.forget_old_builds(tmp_path, keep=5)
            # A build stays while five more are written: longer than a reading takes.
            wait_for_readings(reader, said, len(said.read_text().splitlines()) + 1)
    assert roll_backs == 5
    readings = [json.loads(line) for line in said.read_text().splitlines()]
    assert [seen for seen, _ in readings if len(seen) != 1] == []
    assert [by_path for _, by_path in readings if len(by_path) != 1] == []
    assert len({seen[0] for seen, _ in readings}) > 40
