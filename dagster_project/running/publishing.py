"""Write, audit, publish, roll back: the one door out.

A build that passed its audit is written to a directory of its own, ``builds/<build id>``, with
everything that belongs to it. ``published`` is a link to one of these directories, replaced by one
rename: who resolves it once reads one build, for as long as that is kept. No file of a build is
written again, but for the manifest, which says when the build was last published and is replaced
by one rename, too. Nothing here knows Dagster.

What leaves the warehouse are the public models of the dbt project, and nothing else: raw rows,
quarantine, samples of failing rows and the key of the e-mail hashes stay inside.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
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
# Beside ``published`` while it is switched: what comes and, where no link is replaced, what goes.
_COMING, _GOING = ".published.new", ".published.old"

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


# Writes a page about a build, given its directory and what its manifest says so far.
PageWriter = Callable[[Path, Mapping[str, Any]], object]


def write_build(
    output: Path,
    marts: list[Mart],
    facts: Mapping[str, Any],
    *,
    data_tests: Sequence[Mapping[str, Any]] = (),
    pages: Mapping[Path, PageWriter] = MappingProxyType({}),
    page_failed: Callable[[Path, Exception], None] = lambda _page, _error: None,
    parquet: bool = True,
    threads: int | None = None,
    memory_limit: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Write a build of the warehouse to ``builds/<build id>`` and return its manifest.

    ``pages``, by their paths in the build, come once the marts are written and closed; one that
    fails is told to ``page_failed`` and named in the manifest's ``pages_missing``: nobody goes
    without marts for it. The manifest is written last and lists every other file with its size in
    bytes and its SHA-256: a directory without one is no build.
    A build that is there already is left as it is. Raises ``BuildError`` when the warehouse holds
    other rows than that one, when the disk is full or a mart is missing.
    """
    build_id = facts["build_id"]
    directory = output / BUILDS_DIRECTORY / build_id
    if build_id in builds(output):
        _require_same_rows(output, marts, build_id)
        return build_manifest(output, build_id)
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
        if missing := _write_pages(directory, manifest, pages, page_failed):
            manifest["pages_missing"] = missing
        manifest["files"] = _files(directory)
        _write_json(directory / MANIFEST_FILE, manifest)
    except (duckdb.Error, OSError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise BuildError(
            f"writing build {facts['build_id']} failed: {_first_line(error)}"
        ) from error
    return manifest


def _write_pages(
    directory: Path,
    manifest: Mapping[str, Any],
    pages: Mapping[Path, PageWriter],
    failed: Callable[[Path, Exception], None],
) -> list[str]:
    """Write each page; returns those that could not be."""
    missing = []
    for page, write in pages.items():
        try:
            write(directory, manifest)
        except Exception as error:
            missing.append(page.as_posix())
            for scrap in (directory / page.parent).glob(f"{page.stem}.*"):
                scrap.unlink()
            failed(page, error)
    return missing


def _require_same_rows(output: Path, marts: list[Mart], build_id: str) -> None:
    """Refuse to publish other rows under the id of a build that somebody may be reading.

    A publication that is repeated alone finds the same rows, unless a mart was built again.
    """
    file = output / BUILDS_DIRECTORY / build_id / PUBLISHED_FILE
    try:
        with _beside(warehouse_path(output)) as connection:
            connection.execute(f"attach {literal(file)} as kept (read_only)")
            differs = any(
                _rows_of(connection, f"inside.{mart.relation}")
                != _rows_of(connection, f'kept.{MARTS_SCHEMA}."{mart.name}"')
                for mart in marts
            )
    except duckdb.CatalogException:
        differs = True
    if differs:
        raise BuildError(
            f"build {build_id} is written already and the warehouse holds other rows by now; "
            "start a whole run, which makes a build of its own"
        )


def _rows_of(connection: DuckDBPyConnection, relation: str) -> tuple[Any, ...]:
    """Tells one set of rows from another, whatever their order."""
    query = f"select count(*), sum(hash(one_row)) from {relation} as one_row"
    return connection.execute(query).fetchall()[0]


def require_audit(
    output: Path, build_id: str, data_tests: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Refuse a build that was not audited, or that its audit stopped.

    In a whole run what Dagster shows as a check comes first anyway; this holds when somebody runs
    the publication alone, and for data tests that are none. ``data_tests``: this run's, as the
    manifest lists them. Raises ``AuditBlocked``.
    """
    with _beside(warehouse_path(output)) as connection:
        checks = _checks(connection, build_id)
    if not checks:
        raise AuditBlocked(f"build {build_id} was not audited; run the checks first")
    blocking = [check for check in (*checks, *data_tests) if _blocks(check)]
    if blocking:
        raise AuditBlocked(
            f"build {build_id}: check {check['check_name']} blocks: {check['message']}"
            for check in blocking
        )


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


def publish_build(
    output: Path,
    build_id: str,
    *,
    rolled_back_from: str | None = None,
    link: Callable[..., None] = os.symlink,
) -> dict[str, Any]:
    """Show a written build: one rename replaces the link ``published``. Returns its manifest.

    Where ``link`` fails, ``published`` is a copy of the build, and its manifest says ``is_copy``.
    The manifest gets ``published_at``; ``rolled_back_from``, if given; else ``replaces``, the build
    that was published before. Raises ``BuildError``.
    """
    remove_leftovers(output)
    build, coming = output / BUILDS_DIRECTORY / build_id, output / _COMING
    published = output / PUBLISHED_DIRECTORY
    if _is_directory(published) and not (published / MANIFEST_FILE).is_file():
        raise BuildError(
            f"{published} is a directory without a manifest, so no run published it; move it "
            "elsewhere, then run again"
        )
    current = published_id(output)
    manifest = {**build_manifest(output, build_id), "published_at": _now()}
    manifest.pop("rolled_back_from", None)
    if rolled_back_from:
        manifest["rolled_back_from"] = rolled_back_from
    elif current != build_id:
        manifest["replaces"] = current
    try:
        shown = manifest
        try:
            link(Path(BUILDS_DIRECTORY, build_id), coming, target_is_directory=True)
        except OSError:
            shutil.copytree(build, coming)
            shown = {**manifest, "is_copy": True}
            _write_json(coming / MANIFEST_FILE, shown)
        # Before the switch, so that what is published always says since when.
        _write_json(build / MANIFEST_FILE, manifest)
        _switch(output)
    except OSError as error:
        remove_leftovers(output)
        raise BuildError(f"publishing build {build_id} failed: {_first_line(error)}") from error
    return shown


def _switch(output: Path) -> None:
    """Put what is coming in place of what is published."""
    published, coming = output / PUBLISHED_DIRECTORY, output / _COMING
    # A link replaces a link; a directory, such as a copy, has to make way first.
    if _is_directory(published) or _is_directory(coming):
        with suppress(FileNotFoundError):
            published.rename(output / _GOING)
    coming.replace(published)
    _remove(output / _GOING)


def remove_leftovers(output: Path) -> None:
    """Remove what a killed run left: half-written builds, and what was coming or going.

    What was going is put back if nothing came in its place. For whoever holds the output. Raises
    ``BuildError``.
    """
    published, going = output / PUBLISHED_DIRECTORY, output / _GOING
    try:
        if os.path.lexists(going) and not os.path.lexists(published):
            going.rename(published)
        for scratch in (output / _COMING, going):
            _remove(scratch)
        for directory in (output / BUILDS_DIRECTORY).glob("*"):
            if (directory / MANIFEST_FILE).is_file():
                _scratch_of(directory / MANIFEST_FILE).unlink(missing_ok=True)
            else:
                _remove(directory)
    except OSError as error:
        raise BuildError(
            f"{output}: what a killed run left can't be removed: {_first_line(error)}"
        ) from error


def forget_old_builds(output: Path, keep: int) -> list[str]:
    """Remove all but the last ``keep`` builds; returns what went.

    The published build stays, and so does the one that it replaced: somebody may still read it,
    and it is what a roll-back goes to.
    """
    current = published_manifest(output) or {}
    kept = {*builds(output)[-keep:], current.get("build_id"), current.get("replaces")}
    removed = [build for build in builds(output) if build not in kept]
    for build in removed:
        directory = output / BUILDS_DIRECTORY / build
        # First, so that a part of it is no build any more if this is killed.
        (directory / MANIFEST_FILE).unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
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


def published_id(output: Path) -> str | None:
    """The id of the published build; None when nothing is published."""
    manifest = published_manifest(output)
    return manifest["build_id"] if manifest else None


def build_manifest(output: Path, build_id: str) -> dict[str, Any]:
    """The manifest of a build that is kept, ``published_at`` its last publication if any."""
    return _read_json(output / BUILDS_DIRECTORY / build_id / MANIFEST_FILE)


def blocking_failures(manifest: Mapping[str, Any]) -> list[str]:
    """The checks and data tests that would have kept a build from being published, by name."""
    found = [*manifest.get("checks", []), *manifest.get("data_tests", [])]
    return [check["check_name"] for check in found if _blocks(check)]


def _blocks(check: Mapping[str, Any]) -> bool:
    return check["status"] in {"blocked", "errored"}


def _note(note: Mapping[str, Any]) -> str:
    """What was noticed, where, how often and what to do, in a line."""
    place = ": ".join(filter(None, (note["source_system"], note["place"], note["note"])))
    count = f" ({note['row_count']:,})" if note["row_count"] else ""
    return place + count + (f"; {note['what_to_do']}" if note["what_to_do"] else "")


def notices(manifest: Mapping[str, Any]) -> list[str]:
    """What to say of a publication that is not as it should be; mostly nothing."""
    said = [
        f"{page} could not be written, the marts are whole; Dagster's log of the run says why"
        for page in manifest.get("pages_missing", ())
    ]
    if manifest.get("is_copy"):
        said.append(
            "no links are possible here: published is a copy of the build, which takes the space "
            "twice and is not there for an instant while another one takes its place"
        )
    return said


def roll_back(output: Path, to: str | None = None) -> dict[str, Any]:
    """Publish an earlier build again; returns its manifest.

    ``to``: the id of a build that is kept, or how it begins; None: the one that the published
    build replaced, or where that is gone, the one before it. Raises ``ConfigError`` when there is
    no such build.
    """
    remove_leftovers(output)
    current = published_manifest(output)
    if to is not None:
        chosen = _chosen_build(output, to, published_id(output))
    elif current is None:
        raise ConfigError(f"{output}: nothing is published here, so nothing can be rolled back")
    else:
        chosen = _build_before(output, current)
    return publish_build(output, chosen, rolled_back_from=published_id(output))


def _build_before(output: Path, current: Mapping[str, Any]) -> str:
    """The build to go back to when nobody names one."""
    kept = builds(output)
    if current.get("replaces") in kept:
        return str(current["replaces"])
    earlier = [build for build in kept if build < current["build_id"]]
    if not earlier:
        raise ConfigError(
            f"{output}: no build before {current['build_id']} is kept; "
            "publishing.keep_builds in handoff.yml says how many are"
        )
    return earlier[-1]


def _chosen_build(output: Path, to: str, current: str | None) -> str:
    """The one kept build, not the published one, whose id is or begins with ``to``."""
    kept = builds(output)
    matches = [to] if to in kept else [build for build in kept if build.startswith(to)]
    if not matches:
        problem = "no such build is kept"
    elif len(matches) > 1:
        problem = f"{len(matches)} builds begin with it"
    elif matches[0] == current:
        problem = "this build is published already"
    else:
        return matches[0]
    raise ConfigError([f"{output}: --to {to}: {problem}; kept are", *describe_kept(output)])


def describe_kept(output: Path) -> list[str]:
    """The builds that are kept, oldest first, in lines."""
    current = published_id(output)
    lines = [
        f"  {build}  as of {build_manifest(output, build)['as_of']}"
        + ("  (published)" if build == current else "")
        for build in builds(output)
    ]
    return lines or ["  none"]


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


def _files(directory: Path) -> list[dict[str, Any]]:
    """Every file of a build, with its path in the build, its size in bytes and its SHA-256."""
    found = []
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        name = path.relative_to(directory).as_posix()
        found.append({"path": name, "bytes": path.stat().st_size, "sha256": digest})
    return found


def _is_directory(path: Path) -> bool:
    """True for a directory itself, not for a link to one."""
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_directory(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    scratch = _scratch_of(path)
    text = json.dumps(content, indent=2, default=str, ensure_ascii=False)
    scratch.write_text(text + "\n", encoding="utf-8")
    scratch.replace(path)


def _scratch_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


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
