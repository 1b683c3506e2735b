"""``handoff doctor``: what would keep a run from working, and how to fix it, before it runs.

It looks at the configuration, the policy, the output directory, every source (one cheap call each)
and at what the last run noticed, raw stages that no map knows among it; it changes nothing.
"""

import difflib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from filelock import FileLock, Timeout
from rich.table import Table

from dagster_project.commands.options import (
    ConfigOption,
    JsonOption,
    OutputOption,
    console,
    print_json,
    say,
    settings_and_output,
)
from dagster_project.config import policy
from dagster_project.config.errors import ConfigError, HandoffError
from dagster_project.config.locations import config_path, handoff_home
from dagster_project.config.policy_tables import IGNORED_STAGE
from dagster_project.config.settings import DEFAULT_CONFIG, Settings
from dagster_project.config.warehouse import QUALITY_SCHEMA, connect, warehouse_path
from dagster_project.ingestion.diagnosis import Finding
from dagster_project.ingestion.discovery.text import entry
from dagster_project.ingestion.discovery.values import named_in, read_vocabulary
from dagster_project.ingestion.dispatch import reader_of
from dagster_project.reporting.console import grid, status
from dagster_project.running.home import dagster_home
from dagster_project.running.output_lock import LOCK_FILE
from dagster_project.running.plan import settings_warnings
from expectations.catalogue import threshold_problems

# How many raw stages a finding names before it only counts.
_SHOWN = 5

_SHORTEST_KEY = 16

# How alike two names must be for a guess, as difflib counts it: PQL is not SQL.
_ALIKE = 0.8


# By source: the raw stages that no map knows, and how many changes and leads carry each.
Unmapped = dict[str, dict[str, int]]


def examine(settings: Settings, path: Path = DEFAULT_CONFIG) -> list[Finding]:
    """Look at everything a run needs; findings come in the order in which to fix them."""
    areas: list[tuple[str, Iterable[Finding]]] = [
        ("configuration", _configuration(settings, path)),
        ("policy", _policy(settings)),
        ("output", _output(settings.warehouse.output)),
        *((f"source {source.name}", _source(source)) for source in settings.sources),
        ("stages", _stages(settings)),
        ("last run", _noticed(settings)),
        ("dagster", _dagster(settings)),
        ("privacy", _privacy()),
    ]
    return [replace(finding, area=area) for area, findings in areas for finding in findings]


def exit_code(findings: list[Finding]) -> int:
    """What the command exits with: 0 sound (warnings allowed), 3 only sources fail, else 2."""
    failing = [finding for finding in findings if finding.status == "error"]
    if not failing:
        return 0
    return 3 if all(finding.area.startswith("source ") for finding in failing) else 2


def render(findings: list[Finding]) -> Table:
    """The findings as a table for the console."""
    return grid(
        ["", "", ""],
        [
            (
                status(finding.status),
                finding.area,
                f"{finding.message}\nfix: {finding.fix}" if finding.fix else finding.message,
            )
            for finding in findings
        ],
    )


def _configuration(settings: Settings, path: Path) -> Iterator[Finding]:
    """What the file alone can't know: names that must agree with each other."""
    problems = list(_source_problems(settings))
    for problem in threshold_problems(settings.checks):
        problems.append(Finding("error", f"{path}: {problem}"))
    yield from problems
    for warning in settings_warnings(settings):
        yield Finding("warning", f"{path}: {warning}")
    if not settings.sources:
        yield Finding(
            "warning",
            f"{path}: no source is configured",
            "add one under sources, or name a directory with handoff run --input DIR",
        )
    elif not problems:
        names = ", ".join(f"{source.name} ({source.kind})" for source in settings.sources)
        yield Finding("ok", f"{path}: sources {names}")


def _source_problems(settings: Settings) -> Iterator[Finding]:
    known = _known_stages(settings)
    for source in settings.sources:
        for raw_stage, stage in _mapped_stages(source):
            if known and stage.strip().lower() not in {*known, IGNORED_STAGE}:
                yield Finding(
                    "error",
                    f"source {source.name}: {raw_stage!r} is mapped to {stage!r}, which is not a "
                    "stage of the policy",
                    f"use one of: {', '.join(sorted(known))}; or {IGNORED_STAGE}",
                )


def _mapped_stages(source: Any) -> Iterator[tuple[str, str]]:
    """Every raw stage that a source's configuration maps, with its stage."""
    yield from getattr(source, "stage_names", {}).items()
    for holder in (source, getattr(source, "hubspot", None), getattr(source, "salesforce", None)):
        for field in getattr(holder, "stages", None) or []:
            yield from field.map.items()


def _known_stages(settings: Settings) -> set[str]:
    """The stages of all traditions; empty when the policy can't be read."""
    directory = settings.lifecycle.policy_dir
    try:
        names = policy.traditions(directory)
        return {stage for name in names for stage in policy.stages(directory, name)}
    except HandoffError:
        return set()


def _policy(settings: Settings) -> Iterator[Finding]:
    lifecycle = settings.lifecycle
    try:
        problems = policy.validate(lifecycle.policy_dir, lifecycle.tradition)
    except ConfigError as error:
        fix = "set lifecycle.tradition in handoff.yml to one of them"
        yield from (Finding("error", problem, fix) for problem in error.problems)
        return
    for problem in problems:
        message, _, fix = problem.rpartition(" (")
        if fix.startswith("known:"):
            yield Finding("error", problem)
        else:
            yield Finding("error", message, fix.rstrip(")"))
    if not problems:
        fingerprint = policy.fingerprint(lifecycle.policy_dir)[:12]
        yield Finding("ok", f"tradition {lifecycle.tradition}, fingerprint {fingerprint}")


def _output(output: Path) -> Iterator[Finding]:
    """The output directory can be made, written and held by a run."""
    problem = _write_problem(output)
    if problem:
        yield Finding(
            "error",
            f"{output} can't be written: {problem}",
            "change its owner or permissions, or set warehouse.output or --output to another",
        )
    elif _is_held(output / LOCK_FILE):
        yield Finding(
            "warning",
            f"another run holds {output}",
            "wait for it: a second run would be refused (exit code 5)",
        )
    else:
        yield Finding("ok", f"{output} can be written")


def _write_problem(directory: Path) -> str | None:
    """Why a directory can't be made or written; tried, since permissions do not say it all."""
    path = directory.absolute()
    nearest = next(part for part in (path, *path.parents) if part.exists())
    if not nearest.is_dir():
        return f"{nearest} is a file"
    try:
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".doctor-"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _is_held(lock: Path) -> bool:
    """True when a run holds the output; looks without leaving a lock behind."""
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _dagster(settings: Settings) -> Iterator[Finding]:
    """Dagster's home, which outlives a run."""
    home = dagster_home(settings.warehouse.output, settings)
    problem = _write_problem(home)
    if problem:
        fix = "change its owner, or set DAGSTER_HOME to a directory of yours"
        yield Finding("error", f"{home} can't be written: {problem}", fix)
    else:
        yield Finding("ok", f"runs are recorded in {home}")


def _privacy() -> Iterator[Finding]:
    """Where the key that e-mail addresses are hashed with comes from; never the key itself."""
    given = os.environ.get("HANDOFF_HASH_KEY")
    path = handoff_home() / ".hash_key"
    if given and len(given) < _SHORTEST_KEY:
        yield Finding(
            "warning",
            f"HANDOFF_HASH_KEY has {len(given)} characters: hashed e-mail addresses can be guessed",
            f"use at least {_SHORTEST_KEY} random ones (changing it changes every hash)",
        )
    elif given:
        yield Finding("ok", "e-mail addresses are hashed with HANDOFF_HASH_KEY")
    else:
        made = "made by an earlier run" if path.is_file() else "which the first run makes"
        yield Finding("ok", f"e-mail addresses are hashed with the key in {path}, {made}")


def _source(source: Any) -> Iterator[Finding]:
    """What a source's own reader finds, with one cheap call per thing that may be wrong."""
    try:
        findings = reader_of(source).check(source)
    except HandoffError as error:
        findings = [Finding("error", problem) for problem in error.problems]
    yield from findings or [Finding("ok", "no problems found")]


def _stages(settings: Settings) -> Iterator[Finding]:
    """The raw stages of the last run that no map knows; nothing to report before the first."""
    try:
        unmapped = unmapped_stages(warehouse_path(settings.warehouse.output))
    except ConfigError as error:
        yield Finding("warning", error.problems[0], "run handoff doctor again later")
        return
    if unmapped is None:
        yield Finding("ok", "no run yet, so no raw stages to look at")
    elif not unmapped:
        yield Finding("ok", "every raw stage of the last run is mapped")
    for source_system, stages in (unmapped or {}).items():
        shown = ", ".join(f"{stage!r} ({rows})" for stage, rows in islice(stages.items(), _SHOWN))
        more = f" and {len(stages) - _SHOWN} more" if len(stages) > _SHOWN else ""
        yield Finding(
            "warning",
            f"source {source_system}: raw stages that no map knows: {shown}{more}",
            "handoff doctor --write-stage-map FILE writes a proposal to edit",
        )


def _noticed(settings: Settings) -> Iterator[Finding]:
    """What the last run noticed and the others here do not say; nothing before the first."""
    path = warehouse_path(settings.warehouse.output)
    if not path.is_file():
        return
    try:
        with connect(path, read_only=True) as connection:
            notes = connection.execute(_NOTED).fetchall()
    except (duckdb.CatalogException, duckdb.IOException):
        return
    for note, fix in notes:
        yield Finding("warning", note, fix)


_NOTED = f"""
select
    concat_ws(': ', source_system, place, note) || coalesce(format(' ({{:,}})', row_count), '')
    || coalesce(', such as ' || samples, ''),
    what_to_do
from {QUALITY_SCHEMA}.notes
where severity = 'warning' and kind not in ('ingestion', 'unmapped_stages')
order by kind_rank, row_count desc, source_system, place, note
limit {_SHOWN}
"""


def unmapped_stages(warehouse: Path) -> Unmapped | None:
    """The raw stages of the last run that no map knows: by source, the most frequent first.

    None when there was no run yet. Raises ``ConfigError`` while a run holds the warehouse.
    """
    if not warehouse.is_file():
        return None
    unmapped: Unmapped = {}
    try:
        with connect(warehouse, read_only=True) as connection:
            for source, raw_stage, rows in connection.execute(_UNMAPPED).fetchall():
                unmapped.setdefault(source, {})[raw_stage] = rows
    except duckdb.CatalogException:
        return None
    except duckdb.IOException as error:
        raise ConfigError(f"{warehouse} is held by a run, its stages can't be read") from error
    return unmapped


# Which names are mapped is the models' decision; this only counts what they left over.
_UNMAPPED = """
with carried as (
    select source_system, to_stage as raw_stage from build.int_contract__stage_changes
    union all
    select source_system, current_stage as raw_stage from build.int_contract__leads
)

select
    names.source_system,
    mode(trim(carried.raw_stage) order by trim(carried.raw_stage)) as raw_stage,
    count(*) as row_count
from build.int_stage_names as names
inner join carried
    on
        names.source_system = carried.source_system
        and names.raw_key = lower(trim(carried.raw_stage))
where names.stage is null and not coalesce(names.is_ignored, false)
group by names.source_system, names.raw_key
order by names.source_system, row_count desc, raw_stage
"""


def write_proposed_stage_map(settings: Settings, target: Path) -> str:
    """Write a proposal for the raw stages that no map knows, ready to edit; return a summary.

    Raises ``ConfigError`` when there is nothing to propose or the file exists already.
    """
    unmapped = unmapped_stages(warehouse_path(settings.warehouse.output))
    if unmapped is None:
        raise ConfigError(
            "no run yet, so no raw stages to propose a map for (handoff run --audit warn first)"
        )
    if not unmapped:
        raise ConfigError("every raw stage of the last run is mapped: nothing to propose")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write("\n".join([*_proposal(settings, unmapped), ""]))
    except FileExistsError:
        raise ConfigError(f"{target} already exists (name another file, or move it)") from None
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror}") from error
    count = sum(map(len, unmapped.values()))
    return f"{target}: {count} raw stages to map; edit it and copy it into handoff.yml"


def _proposal(settings: Settings, unmapped: Unmapped) -> Iterator[str]:
    """YAML of a stage map per source; the guesses are stages of the tradition."""
    tradition, directory = settings.lifecycle.tradition, settings.lifecycle.policy_dir
    own = policy.stages(directory, tradition)
    vocabulary = read_vocabulary(directory).stages
    words = {word: stage for word, stage in vocabulary.items() if stage in own}
    sources = {source.name: source for source in settings.sources}
    yield f"# Raw stages that no map knows, and what they could mean (tradition {tradition})."
    yield "# Only similar names have a guess. Check each line, fill in and uncomment the others,"
    yield "# then copy the block of each source into handoff.yml."
    yield f"# Stages: {', '.join(own)}; or {IGNORED_STAGE} for a value that carries no stage."
    yield "sources:"
    for source_system, stages in unmapped.items():
        source = sources.get(source_system)
        (name,) = entry("name", source_system, 0)
        yield f"  - {name}"
        yield f"    kind: {source.kind if source else 'files'}"
        place = _map_lines(source)
        yield from place
        indent = len(place[-1]) - len(place[-1].lstrip()) + 2
        for stage, rows in stages.items():
            for line in _proposal_lines(stage, rows, words):
                yield f"{' ' * indent}{line}"


def _map_lines(source: Any) -> list[str]:
    """The keys below which a source keeps its stage names; CRMs keep them by property."""
    if source is None or source.kind == "files":
        return ["    stage_names:"]
    crm = getattr(source, "crm", source.kind)
    what = "property" if crm == "hubspot" else "field"
    lines = ["    stages:", f"      - {what}: # the {what} that carries them", "        map:"]
    if source.kind == "landed":
        return [f"    {crm}:", *(f"  {line}" for line in lines)]
    return lines


def _proposal_lines(raw_stage: str, rows: int, words: dict[str, str]) -> list[str]:
    """An entry of a stage map; without a similar word it is a comment to fill in."""
    near = difflib.get_close_matches(raw_stage.casefold(), words, 1, _ALIKE)
    word = near[0] if near else named_in(raw_stage, words)
    if word:
        return entry(raw_stage, words[word], 0, f"{rows} rows")
    return [f"# {line}" for line in entry(raw_stage, "<stage>", 0, f"{rows} rows")]


def doctor(
    config: ConfigOption = None,
    output: OutputOption = None,
    write_stage_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a proposal for the raw stages of the last run that no map knows.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, credentials and mappings; say what is wrong and how to fix it.

    \b
    Examples:
      handoff doctor
      handoff doctor --json
      handoff doctor --write-stage-map stages.yml
    """
    settings, directory = settings_and_output(config, output)
    place = settings.warehouse.model_copy(update={"output": directory})
    settings = settings.model_copy(update={"warehouse": place})
    if write_stage_map:
        say(write_proposed_stage_map(settings, write_stage_map))
        return
    findings = examine(settings, config_path(config))
    if as_json:
        print_json({"exit_code": exit_code(findings), "findings": list(map(asdict, findings))})
    else:
        console().print(render(findings))
    raise typer.Exit(exit_code(findings))
