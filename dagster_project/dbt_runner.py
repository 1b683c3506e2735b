"""dbt inside this process: the project parsed once and kept, one invocation per run.

Starting dbt and parsing the project cost more than building a small warehouse, so the parsed
project is kept under Handoff's home and parsed again only when a file of it changed. Nothing here
knows Dagster.
"""

import hashlib
import json
import os
import queue
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project import policy
from dagster_project.errors import BuildError
from dagster_project.home import handoff_home
from dagster_project.warehouse import DBT_PROJECT_DIR, POLICY_DIR

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# How many parsed states of the project are kept: a branch and what it came from.
_KEPT_PARSES = 3
_IGNORED_DIRECTORIES = {"target", "logs", "dbt_packages", "__pycache__"}

# The events that say how one node ended.
_RESULT_EVENTS = {"LogModelResult", "LogSeedResult", "LogTestResult"}


@dataclass(frozen=True)
class ParsedProject:
    """The project as dbt parsed it. ``manifest`` is dbt's public artifact, as a dictionary."""

    manifest: dict[str, Any]
    packed: bytes


def parsed_project() -> ParsedProject:
    """The parsed project: from the cache when no file changed, else parsed now.

    Raises ``BuildError`` when the project does not parse.
    """
    cache = handoff_home() / "cache" / "dbt"
    directory = cache / _project_fingerprint()
    if not (directory / "manifest.msgpack").exists():
        _parse_into(directory)
        _forget_old_parses(cache)
    return ParsedProject(
        manifest=json.loads((directory / "manifest.json").read_text(encoding="utf-8")),
        packed=(directory / "manifest.msgpack").read_bytes(),
    )


def _project_fingerprint() -> str:
    """Identify everything that parsing depends on: the project's files and dbt's version."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for package in ("dbt-core", "dbt-duckdb"):
        digest.update(f"{package} {version(package)}\n".encode())
    for path in _project_files():
        digest.update(f"{path}\n".encode())
        # dbt reads the rows of a seed when it loads it, not when it parses.
        if path.suffix != ".csv":
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _project_files() -> list[Path]:
    files = [path for path in POLICY_DIR.iterdir() if path.suffix in {".csv", ".yml"}]
    for directory, subdirectories, names in os.walk(DBT_PROJECT_DIR):
        subdirectories[:] = sorted(set(subdirectories) - _IGNORED_DIRECTORIES)
        files.extend(Path(directory) / name for name in names if not name.startswith("."))
    return sorted(files)


def _parse_into(directory: Path) -> None:
    """Parse the project and put the result in place by one rename."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="parsing-") as scratch:
        place = Path(scratch)
        arguments = ["parse", "--no-partial-parse", *_common_arguments(place, place)]
        result = _runner().invoke(arguments)
        if not result.success:
            raise BuildError(
                f"dbt could not parse the project: {_one_line(str(result.exception))}"
            ) from result.exception
        manifest: Manifest = result.result
        kept = place / "kept"
        kept.mkdir()
        shutil.copy(place / "manifest.json", kept / "manifest.json")
        (kept / "manifest.msgpack").write_bytes(manifest.to_msgpack())
        try:
            kept.rename(directory)
        except OSError:
            # Another process parsed the same state meanwhile.
            if not directory.is_dir():
                raise


def _forget_old_parses(cache: Path) -> None:
    parses = sorted(
        (path for path in cache.iterdir() if not path.name.startswith("parsing-")),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in parses[_KEPT_PARSES:]:
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class BuildRequest:
    """One build of the warehouse.

    ``selection``: dbt's own selection arguments; empty builds everything. ``policy_dir`` may
    differ from the project's: the seeds are then loaded from there.
    """

    warehouse: Path
    target_path: Path
    log_path: Path
    policy_dir: Path = POLICY_DIR
    selection: Sequence[str] = ()
    full_refresh: bool = False
    threads: int | None = None
    memory_limit: str | None = None


class Build:
    """A dbt build that runs in a thread of its own, so that its events can be read as they come.

    ``events`` yields the result events as dictionaries in the shape of dbt's JSON log; ``finish``
    waits, closes dbt's connections and raises ``BuildError`` for what failed.
    """

    def __init__(self, project: ParsedProject, request: BuildRequest) -> None:
        self._project = project
        self._request = request
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._result: Any = None
        self._failure: BaseException | None = None
        self._counting: Any = None
        self._thread = threading.Thread(target=self._run, name="dbt", daemon=True)
        self._thread.start()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield how each node ended, in the order they ended; ends with the build."""
        while (event := self._queue.get()) is not None:
            yield event

    def count_rows(self, relation: str) -> int:
        """The number of rows of a relation whose result event has come.

        On a connection of its own: when dbt is done it closes all of its own, also one on which
        somebody is just waiting for an answer.
        """
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        if self._counting is None:
            self._counting = DuckDBConnectionManager.env().handle()
        found = self._counting.cursor().execute(f"select count(*) from {relation}").fetchone()
        return int(found[0])

    def finish(self) -> None:
        """Wait for the end, release the warehouse file, raise ``BuildError`` when nodes failed."""
        self._thread.join()
        if self._counting is not None:
            self._counting.close()
            self._counting = None  # it holds the environment, and that the file
        release_connections()
        if self._failure:
            raise BuildError(f"dbt stopped: {_one_line(str(self._failure))}") from self._failure
        problems = self._problems()
        if problems:
            log = self._request.log_path / "dbt.log"
            raise BuildError([*problems, f"the whole log of the build is in {log}"])

    def _problems(self) -> list[str]:
        if self._result.exception:
            return [f"dbt stopped: {_one_line(str(self._result.exception))}"]
        return [
            f"{result.node.resource_type} {result.node.name} failed: {_one_line(result.message)}"
            for result in self._result.result.results
            if result.status in {"error", "runtime error"}
        ]

    def _run(self) -> None:
        try:
            request = self._request
            os.environ.update(_profile_environment(request))
            manifest = self._manifest()
            arguments = [
                "build",
                "--exclude-resource-type",
                "unit_test",
                *request.selection,
                *(["--full-refresh"] if request.full_refresh else []),
                *_common_arguments(request.target_path, request.log_path),
            ]
            self._result = _runner(manifest, self._receive).invoke(arguments)
        except BaseException as failure:
            self._failure = failure
        finally:
            self._queue.put(None)

    def _manifest(self) -> "Manifest":
        """The parsed project, fitted to this run.

        Data tests only warn in dbt's eyes: a failing one must stop the publication, but not keep
        the models behind it from being built and examined. The original severity decides later.
        """
        from dbt.contracts.graph.manifest import Manifest

        manifest = Manifest.from_msgpack(self._project.packed)
        request = self._request
        for node in manifest.nodes.values():
            if node.resource_type == "test":
                node.config.severity = "WARN"
            elif node.resource_type == "seed":
                own = request.policy_dir / f"{node.name}.csv"
                if not own.is_file():
                    continue  # no policy, but a table of ours beside it
                # dbt writes what it compiled to the target directory joined with this path: an
                # absolute one, or one that leaves the directory, would overwrite the policy itself.
                seeds = request.target_path / "policy"
                seeds.mkdir(parents=True, exist_ok=True)
                policy.write_plainly(own, seeds / own.name)
                node.root_path = str(request.target_path)
                node.original_file_path = f"policy/{own.name}"
        return manifest

    def _receive(self, event: Any) -> None:
        """Called by dbt for each of its events, in the thread that it happened in."""
        if event.info.name in _RESULT_EVENTS:
            from dbt_common.events.functions import msg_to_dict

            self._queue.put(msg_to_dict(event))


def _profile_environment(request: BuildRequest) -> dict[str, str]:
    """The variables that ``profiles.yml`` reads; DuckDB's own defaults where nothing is chosen."""
    import duckdb

    with duckdb.connect() as connection:
        threads, memory = connection.execute(
            "select current_setting('threads'), current_setting('memory_limit')"
        ).fetchall()[0]
    return {
        "HANDOFF_WAREHOUSE": str(request.warehouse),
        "HANDOFF_DUCKDB_THREADS": str(request.threads or threads),
        "HANDOFF_DUCKDB_MEMORY": request.memory_limit or memory.replace(" ", ""),
    }


def release_connections() -> None:
    """Close the connection that dbt keeps, so that this process can open the file otherwise."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import cleanup_connections, reset_adapters

    cleanup_connections()
    reset_adapters()
    DuckDBConnectionManager.close_all_connections()


def data_test_severities(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Severity (error or warn) of each data test as the project says, by its unique id."""
    return {
        unique_id: str(node["config"].get("severity") or "error").lower()
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "test"
    }


def _runner(manifest: "Manifest | None" = None, callback: Any = None) -> Any:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from dbt.cli.main import dbtRunner

    return dbtRunner(manifest=manifest, callbacks=[callback] if callback else [])


def _common_arguments(target_path: Path, log_path: Path) -> list[str]:
    return [
        *("--project-dir", str(DBT_PROJECT_DIR)),
        *("--profiles-dir", str(DBT_PROJECT_DIR)),
        *("--target", "prod"),
        *("--target-path", str(target_path)),
        *("--log-path", str(log_path)),
        *("--log-level", "none"),
        *("--log-level-file", "debug"),
        "--no-print",
    ]


def _one_line(message: str | None) -> str:
    """dbt's message without its line breaks, indents and macro trace."""
    return " ".join((message or "no message").split()).split(" > in macro ")[0]
