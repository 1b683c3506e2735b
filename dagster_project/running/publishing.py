"""Write, audit, publish, roll back: the one door out.

A build that passed its audit is written to a directory of its own and only then shown: the
published DuckDB file is replaced by one rename, so that readers see whole builds only, and who
holds the old file open keeps the old build. Nothing here knows Dagster.

What leaves the warehouse are the public models of the dbt project, and nothing else: raw rows,
quarantine, samples of failing rows and the key of the e-mail hashes stay inside.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.errors import AuditBlocked, BuildError, ConfigError, NoLeads
from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    MARTS_SCHEMA,
    PUBLISHED_FILE,
    QUALITY_SCHEMA,
    connect,
    records,
    warehouse_path,
)

BUILDS_DIRECTORY = "builds"
PUBLISHED_DIRECTORY = "published"
PARQUET_DIRECTORY = "parquet"
MANIFEST_FILE = "manifest.json"

# What has no history in a CRM: a replay of an earlier moment sees these as last loaded.
NOT_REPLAYED = (
    "attributes of leads (company, title, size, industry, country, source, scores)",
    "merges of leads",
    "deletions of leads",
    "names and teams of reps",
)

# The first thing said of a build without a single lead.
NO_LEAD = "there is no lead, so nothing is published"

# What the manifest says of a check: everything but the samples of failing rows.
_NOTE_COLUMNS = "source_system, kind, severity, place, note, row_count, what_to_do"
# Most important first.
NOTES_ORDER = "severity desc, kind_rank, row_count desc nulls last, source_system, place, note"
_CHECK_COLUMNS = (
    "check_name, table_name, severity, owner, status, observed, unit, cases, failing_rows, "
    'warn_threshold, block_threshold, "window", message'
)


@dataclass(frozen=True)
class Mart:
    """A public model. ``key``: the columns that identify a row, in the order to sort by."""

    name: str
    relation: str
    description: str
    columns: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()


def public_marts(manifest: Mapping[str, Any]) -> list[Mart]:
    """The public models of a dbt manifest, by name."""
    marts = [
        Mart(
            name=node["alias"],
            relation=f'"{node["schema"]}"."{node["alias"]}"',
            description=" ".join(node["description"].split()),
            columns={
                name: " ".join((column["description"] or "").split())
                for name, column in node["columns"].items()
            },
            key=tuple(node.get("primary_key") or ()),
        )
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node.get("access") == "public"
    ]
    return sorted(marts, key=lambda mart: mart.name)


def write_build(
    output: Path,
    marts: list[Mart],
    facts: Mapping[str, Any],
    *,
    data_tests: Sequence[Mapping[str, Any]] = (),
    parquet: bool = True,
    threads: int | None = None,
    memory_limit: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Write a build of the warehouse to ``builds/<build id>`` and return its manifest.

    The manifest is written last: a directory without one is no build. Raises ``BuildError`` when
    the disk is full or a mart is missing.
    """
    build_id = facts["build_id"]
    directory = output / BUILDS_DIRECTORY / build_id
    try:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        connection = connect(
            directory / PUBLISHED_FILE,
            threads=threads,
            memory_limit=memory_limit,
            for_everyone=True,
        )
        try:
            connection.execute(f"attach {literal(warehouse_path(output))} as inside (read_only)")
            counts = _copy_marts(connection, marts, progress)
            checks, notes = _checks(connection, build_id), _notes(connection)
            connection.execute("detach inside")
            if parquet:
                (directory / PARQUET_DIRECTORY).mkdir()
                for name in counts:
                    file = directory / PARQUET_DIRECTORY / f"{name}.parquet"
                    connection.execute(
                        f'copy {MARTS_SCHEMA}."{name}" to {literal(file)} '
                        "(format parquet, compression zstd)"
                    )
        finally:
            connection.close()
        manifest = {
            **facts,
            "row_counts": counts,
            "checks": checks,
            "data_tests": list(data_tests),
            "notes": notes,
            "not_restored_by_a_replay": list(NOT_REPLAYED),
            "handoff_version": version("handoff"),
            "built_at": _now(),
        }
        _write_json(directory / MANIFEST_FILE, manifest)
    except (duckdb.Error, OSError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise BuildError(
            f"writing build {facts['build_id']} failed: {_first_line(error)}"
        ) from error
    return manifest


def require_audit(output: Path, build_id: str) -> None:
    """Refuse a build that was not audited, or that its audit stopped.

    In a whole run the blocking checks come first anyway; this holds when somebody runs the
    publication alone. Raises ``AuditBlocked``.
    """
    with _beside(warehouse_path(output)) as connection:
        checks = _checks(connection, build_id)
    if not checks:
        raise AuditBlocked(f"build {build_id} was not audited; run the checks first")
    blocking = blocking_failures({"checks": checks})
    if blocking:
        raise AuditBlocked(f"build {build_id}: check {name} blocks" for name in blocking)


@contextmanager
def _beside(warehouse: Path) -> Iterator[DuckDBPyConnection]:
    """A connection that reads the warehouse as ``inside``, as the one that writes a build does."""
    with connect(Path(":memory:")) as connection:
        connection.execute(f"attach {literal(warehouse)} as inside (read_only)")
        yield connection


def require_leads(output: Path) -> None:
    """Refuse a build without a single lead, whatever its audit said: readers keep the one before.

    Raises ``NoLeads`` with what was noticed about leads.
    """
    if missing := without_leads(output):
        raise NoLeads(missing)


def with_cause(output: Path, run_id: str, error: AuditBlocked) -> AuditBlocked:
    """Why a run was held back, the cause first: without a single lead many a check fails, too."""
    missing = without_leads(output, run_id)
    return NoLeads(dict.fromkeys([*missing, *error.problems])) if missing else error


def without_leads(output: Path, run_id: str | None = None) -> list[str]:
    """What to say of a build without a single lead, and what was noticed; nothing of others.

    ``run_id``: only if that run built what is in the warehouse.
    """
    if not warehouse_path(output).is_file():
        return []
    with _beside(warehouse_path(output)) as connection:
        try:
            [(is_empty,)] = connection.execute(
                f"""
                select
                    (? is null or bool_or(split_part(build_id, '-', -1) = ?))
                    and not exists (from inside.{BUILD_SCHEMA}.dim_leads)
                from inside.{BUILD_SCHEMA}.build_info
                """,
                [run_id, run_id and run_id[:8]],
            ).fetchall()
        except duckdb.CatalogException:
            return []  # the run did not get that far
        if not is_empty:
            return []
        about_leads = [
            _note(note) for note in _notes(connection) if str(note["place"]).startswith("leads")
        ]
    return [NO_LEAD, *about_leads]


def publish_build(output: Path, build_id: str, **additions: Any) -> dict[str, Any]:
    """Show a written build: one rename for the DuckDB file, then Parquet, the manifest last.

    ``additions`` go into the published manifest. Returns it.
    """
    build = output / BUILDS_DIRECTORY / build_id
    published = output / PUBLISHED_DIRECTORY
    manifest = {**_read_json(build / MANIFEST_FILE), "published_at": _now(), **additions}
    try:
        (published / PARQUET_DIRECTORY).mkdir(parents=True, exist_ok=True)
        _replace(build / PUBLISHED_FILE, published / PUBLISHED_FILE)
        files = sorted((build / PARQUET_DIRECTORY).glob("*.parquet"))
        for file in files:
            _replace(file, published / PARQUET_DIRECTORY / file.name)
        for stale in set((published / PARQUET_DIRECTORY).iterdir()):
            if stale.name not in {file.name for file in files}:
                stale.unlink()
        _write_json(published / MANIFEST_FILE, manifest)
    except OSError as error:
        raise BuildError(f"publishing build {build_id} failed: {_first_line(error)}") from error
    return manifest


def forget_old_builds(output: Path, keep: int) -> list[str]:
    """Remove all but the last ``keep`` builds, and what a killed run left; returns what went.

    The published build always stays.
    """
    current = (published_manifest(output) or {}).get("build_id")
    kept = set(builds(output)[-keep:]) | {current}
    removed = []
    for directory in sorted((output / BUILDS_DIRECTORY).glob("*")):
        if directory.name not in kept:
            shutil.rmtree(directory, ignore_errors=True)
            removed.append(directory.name)
    return removed


def builds(output: Path) -> list[str]:
    """The whole builds that are kept, oldest first."""
    return sorted(
        path.parent.name for path in (output / BUILDS_DIRECTORY).glob("*/" + MANIFEST_FILE)
    )


def published_manifest(output: Path) -> dict[str, Any] | None:
    """The manifest of what is published; None when nothing is."""
    path = output / PUBLISHED_DIRECTORY / MANIFEST_FILE
    return _read_json(path) if path.is_file() else None


def blocking_failures(manifest: Mapping[str, Any]) -> list[str]:
    """The checks and data tests that would have kept a build from being published, by name."""
    return [
        check["check_name"]
        for check in [*manifest.get("checks", []), *manifest.get("data_tests", [])]
        if check["status"] in {"blocked", "errored"}
    ]


def _note(note: Mapping[str, Any]) -> str:
    """What was noticed, where, how often and what to do, in a line."""
    place = ": ".join(filter(None, (note["source_system"], note["place"], note["note"])))
    count = f" ({note['row_count']:,})" if note["row_count"] else ""
    return place + count + (f"; {note['what_to_do']}" if note["what_to_do"] else "")


def roll_back(output: Path) -> dict[str, Any]:
    """Publish the build before the current one again; returns its manifest.

    Raises ``ConfigError`` when there is none.
    """
    current = published_manifest(output)
    if current is None:
        raise ConfigError(f"{output}: nothing is published here, so nothing can be rolled back")
    earlier = [build for build in builds(output) if build < current["build_id"]]
    if not earlier:
        raise ConfigError(
            f"{output}: no build before {current['build_id']} is kept; "
            "publishing.keep_builds in handoff.yml says how many are"
        )
    return publish_build(output, earlier[-1], rolled_back_from=current["build_id"])


def _copy_marts(
    connection: DuckDBPyConnection, marts: list[Mart], progress: Callable[[str], None]
) -> dict[str, int]:
    connection.execute(f"create schema {MARTS_SCHEMA}")
    connection.execute("set preserve_insertion_order = true")
    counts = {}
    for mart in marts:
        progress(mart.name)
        target = f'{MARTS_SCHEMA}."{mart.name}"'
        order = ", ".join(f'"{column}"' for column in mart.key) or "all"
        row = connection.execute(
            f"create table {target} as select * from inside.{mart.relation} order by {order}"
        ).fetchone()
        counts[mart.name] = int(row[0]) if row else 0
        # Where BI tools look for descriptions: in the catalog.
        connection.execute(f"comment on table {target} is {literal(mart.description)}")
        for column, text in mart.columns.items():
            connection.execute(f'comment on column {target}."{column}" is {literal(text)}')
    return counts


def _checks(connection: DuckDBPyConnection, build_id: str) -> list[dict[str, Any]]:
    """The results of the audit, without samples of failing rows; none before any audit."""
    query = (
        f"select {_CHECK_COLUMNS} from inside.{QUALITY_SCHEMA}.check_results "
        "where build_id = ? order by all"
    )
    try:
        return records(connection, query, [build_id])
    except duckdb.CatalogException:
        return []


def _notes(connection: DuckDBPyConnection) -> list[dict[str, Any]]:
    """The notes of the build, without samples of values; none before dbt made them."""
    query = f"select {_NOTE_COLUMNS} from inside.{QUALITY_SCHEMA}.notes order by {NOTES_ORDER}"
    try:
        return records(connection, query)
    except duckdb.CatalogException:
        return []


def _replace(source: Path, target: Path) -> None:
    """Put a file in place by one rename; a hard link saves the copy where the disk allows it."""
    scratch = target.with_name(f".{target.name}.new")
    scratch.unlink(missing_ok=True)
    try:
        os.link(source, scratch)
    except OSError:
        shutil.copyfile(source, scratch)
    # Renaming one hard link onto another of the same file does nothing and leaves both.
    if target.exists() and target.samefile(scratch):
        scratch.unlink()
    else:
        scratch.replace(target)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    scratch = path.with_name(f".{path.name}.new")
    text = json.dumps(content, indent=2, default=str, ensure_ascii=False)
    scratch.write_text(text + "\n", encoding="utf-8")
    scratch.replace(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} can't be read: {_first_line(error)}") from error
    return content


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
