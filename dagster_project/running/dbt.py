"""dbt inside this process: the project parsed once and kept, one invocation per run.

Starting dbt and parsing the project cost more than building a small warehouse, so the parsed
project is kept under Handoff's home and parsed again only when a file of it changed. What differs
from run to run (warehouse file, policy directory, limits) is read from the environment when dbt
runs, so one parse serves every output. Nothing here knows Dagster.
"""

import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from filelock import FileLock

from dagster_project.config import policy
from dagster_project.config.errors import BuildError
from dagster_project.config.locations import handoff_home
from dagster_project.config.warehouse import (
    DBT_PROJECT_DIR,
    POLICY_DIR,
    RAW_SCHEMA,
    WAREHOUSE_FILE,
    connect,
    row_counts,
)

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# How many parsed states of the project are kept: a branch and what it came from.
_KEPT_PARSES = 3
# How dbt selects the models that are not hidden; each says whether it is.
SHOWN = "config.meta.is_hidden:false"
_IGNORED_DIRECTORIES = {"target", "logs", "dbt_packages", "__pycache__"}

# What parsing keeps of the environment. A failing data test must not keep the models downstream of
# it from being built and audited: in a run dbt only warns, and the publication judges (see
# ``ParsedProject.is_error``). The name of the file becomes that of the database.
_PARSE_ENVIRONMENT = {
    "HANDOFF_TEST_SEVERITY": "warn",
    "HANDOFF_WAREHOUSE": WAREHOUSE_FILE,
    "HANDOFF_CRMS": "all",
}


@dataclass(frozen=True)
class ParsedProject:
    """The project as dbt parsed it into a directory of its own."""

    directory: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """dbt's public artifact ``manifest.json``."""
        content: dict[str, Any] = json.loads((self.directory / "manifest.json").read_bytes())
        return content

    def for_dbt(self) -> "Manifest":
        """The parsed project as dbt takes it back, which spares it from parsing again."""
        from dbt.contracts.graph.manifest import Manifest  # costly to import

        return Manifest.from_msgpack((self.directory / "partial_parse.msgpack").read_bytes())

    @cached_property
    def models_by_crm(self) -> dict[str, list[dict[str, Any]]]:
        """The models that only one CRM needs; a CRM has models of its own in conform/."""
        nodes = self.manifest["nodes"].values()
        models = [node for node in nodes if node["resource_type"] == "model"]
        crms = {node["fqn"][2] for node in models if node["fqn"][1] == "conform"} - {"contract"}
        return {crm: [node for node in models if crm in node["fqn"][:-1]] for crm in crms}

    def unused_crms(self, used: Set[str]) -> set[str]:
        """The CRMs of the project but for these; a CRM's dbt source has its name."""
        return self.models_by_crm.keys() - used

    @cached_property
    def hidden_models(self) -> frozenset[str]:
        """The unique ids of the models that Dagster does not show (see dbt_project.yml)."""
        nodes = self.manifest["nodes"].items()
        return frozenset(key for key, node in nodes if node["config"]["meta"].get("is_hidden"))

    def with_hidden_upstream(self, models: Iterable[str]) -> set[str]:
        """These models, by unique id, and the hidden ones that they read, one through another."""
        found: set[str] = set()
        waiting = list(models)
        while waiting:
            model = waiting.pop()
            found.add(model)
            parents = self.hidden_models.intersection(self.manifest["parent_map"][model])
            waiting.extend(parents - found)
        return found

    def folders_of(self, crms: Set[str]) -> list[str]:
        """The folders of the models that only these CRMs need, with the data tests that are there.

        As dbt selects them: ``staging.hubspot``. dbt scans every node once per selector, so these
        are folders and not models.
        """
        models = [(crm, node["fqn"]) for crm in crms for node in self.models_by_crm[crm]]
        return sorted({".".join(fqn[1 : fqn.index(crm) + 1]) for crm, fqn in models})

    def is_error(self, unique_id: str) -> bool:
        """True for a data test whose failure stops the publication: all but those set to warn."""
        own = self.manifest["nodes"][unique_id]["unrendered_config"].get("severity", "error")
        return str(own).lower() != "warn"


def parsed_project() -> ParsedProject:
    """The parsed project: from the cache when no file changed, else parsed now.

    Raises ``BuildError`` when the project does not parse.
    """
    cache = handoff_home() / "cache" / "dbt"
    directory = cache / _project_fingerprint()
    if not directory.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Who starts meanwhile waits for this parse instead of making another.
        with FileLock(cache / "parsing.lock"):
            if not directory.exists():
                _parse_into(directory)
                _forget_old_parses(cache)
    return ParsedProject(directory)


def _project_fingerprint() -> str:
    """Identify everything that parsing depends on: the project's files and dbt's version."""
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
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="parsing-") as scratch:
        place = Path(scratch)
        parsed = place / "parsed"
        with _environment(_PARSE_ENVIRONMENT):
            result = _runner().invoke(["parse", *_common_arguments(parsed, place)])
        if not result.success:
            raise _stopped("dbt could not parse the project", result.exception)
        parsed.rename(directory)


def _forget_old_parses(cache: Path) -> None:
    parses = sorted(cache.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in parses[_KEPT_PARSES:]:
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class BuildRequest:
    """One build of the warehouse.

    ``selection``: models and data tests as dbt selects them, each test by its own name; empty
    builds everything.
    ``policy_dir``: where the rows of the seeds come from. ``crms``: those of the configured
    sources; models of another CRM are built only while raw tables hold rows of it.
    """

    warehouse: Path
    target_path: Path
    log_path: Path
    policy_dir: Path = POLICY_DIR
    crms: Set[str] = frozenset()
    selection: Sequence[str] = ()
    full_refresh: bool = False
    threads: int | None = None
    memory_limit: str | None = None


@dataclass(frozen=True)
class NodeResult:
    """How one node of the project ended.

    ``status``: dbt's word (success, pass, warn, fail, error, skipped). ``failures``: rows that a
    data test found.
    """

    unique_id: str
    status: str
    seconds: float
    failures: int | None = None


@dataclass(frozen=True)
class BuildResult:
    """How a build ended: every node in the order they ran, and what failed, in lines."""

    nodes: tuple[NodeResult, ...]
    problems: tuple[str, ...] = ()

    def require_success(self) -> None:
        """Raise ``BuildError`` when a model failed or dbt stopped."""
        if self.problems:
            raise BuildError(self.problems)


def build(
    project: ParsedProject,
    request: BuildRequest,
    on_node: Callable[[str, float], None] | None = None,
) -> BuildResult:
    """Run ``dbt build``; ``on_node`` hears the name and the seconds of each node as it ends.

    The warehouse file is free again when this returns. Raises ``BuildError`` when dbt could not
    start.
    """

    def hear(event: Any) -> None:
        if on_node and event.info.name == "NodeFinished":
            ended = event.data
            on_node(ended.node_info.node_name, ended.run_result.execution_time)

    crms = project.models_by_crm.keys()
    built = {*request.crms, *_sources_with_rows(request.warehouse)} & crms
    unused = project.folders_of(project.unused_crms(built))
    environment = {
        **_build_environment(project, request),
        "HANDOFF_CRMS": " ".join(sorted(built)),
    }
    is_loaded = not request.full_refresh and _is_policy_loaded(
        project, request.warehouse, environment["HANDOFF_POLICY_FINGERPRINT"]
    )
    arguments = [
        "build",
        *("--exclude-resource-type", "unit_test", *(["seed"] if is_loaded else [])),
        *(["--exclude", *unused] if unused else []),
        *(["--select", *request.selection] if request.selection else []),
        *(["--indirect-selection", "empty"] if request.selection else []),
        *(["--full-refresh"] if request.full_refresh else []),
        *_common_arguments(request.target_path, request.log_path),
    ]
    with _environment(environment), _interruptible():
        try:
            ended = _runner(project.for_dbt(), hear).invoke(arguments)
        finally:
            _release_warehouse()
    return _result(ended, request.log_path)


def _sources_with_rows(warehouse: Path) -> set[str]:
    """The dbt sources whose raw tables hold rows; a CRM's tables begin with its name."""
    with connect(warehouse, read_only=True) as connection:
        filled = {key for key, rows in row_counts(connection).items() if rows}
    return {table.split("_")[0] for schema, table in filled if schema == RAW_SCHEMA}


def _is_policy_loaded(project: ParsedProject, warehouse: Path, fingerprint: str) -> bool:
    """Whether every seed was loaded by a run with this fingerprint, which it left as a comment."""
    nodes = project.manifest["nodes"].values()
    seeds = {(node["schema"], node["alias"]) for node in nodes if node["resource_type"] == "seed"}
    with connect(warehouse, read_only=True) as connection:
        loaded = connection.execute(
            "select schema_name, table_name from duckdb_tables() where comment = ?", [fingerprint]
        ).fetchall()
    return set(loaded) >= seeds


def _result(ended: Any, log_path: Path) -> BuildResult:
    if ended.exception:
        raise _stopped("dbt stopped", ended.exception)
    results = ended.result.results
    problems = [
        f"{result.node.resource_type} {result.node.name} failed: {_one_line(result.message)}"
        for result in results
        if result.status in {"error", "runtime error"}
    ]
    if problems:
        problems.append(f"the log of the build is in {log_path / 'dbt.log'}")
    return BuildResult(
        nodes=tuple(
            NodeResult(
                unique_id=result.node.unique_id,
                status=str(result.status),
                seconds=result.execution_time,
                failures=result.failures,
            )
            for result in results
            # Exposures have results, too.
            if result.node.resource_type in {"model", "seed", "test"}
        ),
        problems=tuple(problems),
    )


def _build_environment(project: ParsedProject, request: BuildRequest) -> dict[str, str]:
    """The variables that the dbt project reads; DuckDB's own defaults where nothing is chosen."""
    policy_dir = _plain_policy(request)
    with duckdb.connect() as connection:
        threads, memory = connection.execute(
            "select current_setting('threads'), current_setting('memory_limit')"
        ).fetchall()[0]
    return {
        **_PARSE_ENVIRONMENT,
        "HANDOFF_WAREHOUSE": str(request.warehouse),
        "HANDOFF_DBT_THREADS": "1",
        "HANDOFF_DUCKDB_THREADS": str(request.threads or threads),
        "HANDOFF_DUCKDB_MEMORY": request.memory_limit or memory.replace(" ", ""),
        "HANDOFF_POLICY_DIR": str(policy_dir),
        # Seeds depend on the project, too: their columns are there.
        "HANDOFF_POLICY_FINGERPRINT": f"{project.directory.name}:{policy.fingerprint(policy_dir)}",
    }


def _plain_policy(request: BuildRequest) -> Path:
    """A copy of the policy as dbt loads it: UTF-8 without a mark, one kind of line end."""
    target = request.target_path / "policy"
    target.mkdir(parents=True, exist_ok=True)
    policy.write_whole(request.policy_dir, target)
    return target


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the length of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a signal to stop reach dbt as the one it cancels its queries for: KeyboardInterrupt."""
    is_main = threading.current_thread() is threading.main_thread()
    stops = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    before = {stop: signal.signal(stop, signal.default_int_handler) for stop in stops}
    try:
        yield
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)


def _release_warehouse() -> None:
    """Close the connection that dbt-duckdb keeps after an invocation in process.

    As its maintainers advise (dbt-duckdb 1.11, github.com/duckdb/dbt-duckdb/issues/616).
    """
    from dbt.adapters.duckdb import DuckDBConnectionManager  # costly to import

    DuckDBConnectionManager.close_all_connections()


def _runner(manifest: "Manifest | None" = None, callback: Any = None) -> Any:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from dbt.cli.main import dbtRunner  # costly to import

    return dbtRunner(manifest=manifest, callbacks=[callback] if callback else [])


def _common_arguments(target_path: Path, log_path: Path) -> list[str]:
    return [
        *("--project-dir", str(DBT_PROJECT_DIR)),
        *("--profiles-dir", str(DBT_PROJECT_DIR)),
        *("--target", "prod"),
        *("--target-path", str(target_path)),
        *("--log-path", str(log_path)),
        *("--log-level", "none"),
        *("--log-level-file", "info"),
        "--no-print",
    ]


def _stopped(what: str, error: BaseException) -> BaseException:
    """Why dbt did not get to its end; an interrupt, which its runner catches too, stays one."""
    if not isinstance(error, Exception):
        return error
    return BuildError(f"{what}: {_one_line(str(error))}")


def _one_line(message: str | None) -> str:
    """dbt's message without its line breaks, indents and macro trace."""
    return " ".join((message or "no message").split()).split(" > in macro ")[0]
