"""``handoff doctor``: what would keep a run from working, and how to mend it, before it runs.

It looks at the configuration, the policy, the output directory, every source (one cheap call each)
and at the raw stages that the last run met and no map knows; it changes nothing. Whatever it says
comes with the way to mend it.
"""

import difflib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.commands.options import (
    ConfigOption,
    OutputOption,
    console,
    say,
    settings_and_output,
)
from dagster_project.config import policy
from dagster_project.config.errors import ConfigError, HandoffError
from dagster_project.config.locations import config_path, handoff_home
from dagster_project.config.policy_tables import IGNORED_STAGE
from dagster_project.config.settings import DEFAULT_CONFIG, Settings
from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.ingestion.finding import Finding
from dagster_project.ingestion.landing import reader_of
from dagster_project.running.output_lock import LOCK_FILE
from expectations.catalogue import threshold_problems

if TYPE_CHECKING:
    from rich.console import RenderableType

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}

# How many raw stages a finding names before it only counts.
_SHOWN = 5

_SHORTEST_KEY = 16

# How alike two names must be for a guess, as difflib counts it: PQL is not SQL.
_ALIKE = 0.8


@dataclass(frozen=True)
class UnmappedStage:
    """A raw stage that no map knows. ``rows``: the changes and leads that carry it."""

    source_system: str
    raw_stage: str
    rows: int


def examine(settings: Settings, path: Path | None = None) -> list[Finding]:
    """Look at everything a run needs; findings come in the order in which they should be mended."""
    findings = [
        *_configuration(settings, path or DEFAULT_CONFIG),
        *_policy(settings),
        *_output(settings.warehouse.output),
    ]
    for source in settings.sources:
        findings.extend(_source(source))
    return [*findings, *_stages(settings), *_state()]


def exit_code(findings: list[Finding]) -> int:
    """What the command exits with: 0 sound (warnings allowed), 3 only sources fail, else 2."""
    failing = [finding for finding in findings if finding.status == "error"]
    if not failing:
        return 0
    return 3 if all(finding.area.startswith("source ") for finding in failing) else 2


def render(findings: list[Finding]) -> "RenderableType":
    """The findings as a table for the console."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        message = escape(finding.message)
        if finding.mend:
            message += f"\n[dim]mend:[/] {escape(finding.mend)}"
        table.add_row(_MARKS[finding.status], finding.area, message)
    return table


# Configuration and policy


def _configuration(settings: Settings, path: Path) -> Iterator[Finding]:
    """What the file alone cannot say of itself: names that must agree with each other."""
    problems = list(_source_problems(settings))
    problems += [
        Finding("error", f"{path}: {problem}", area="configuration")
        for problem in threshold_problems(settings.checks)
    ]
    yield from problems
    if not settings.sources:
        yield Finding(
            "warning",
            f"{path}: no source is configured",
            "add one under sources, or name a directory with handoff run --input DIR",
            "configuration",
        )
    elif not problems:
        names = ", ".join(f"{source.name} ({source.kind})" for source in settings.sources)
        yield Finding("ok", f"{path}: sources {names}", area="configuration")


def _source_problems(settings: Settings) -> Iterator[Finding]:
    names = [source.name for source in settings.sources]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding(
            "error",
            f"two sources are called {name!r}: their leads could not be told apart",
            "give each source its own name",
            "configuration",
        )
    known = _known_stages(settings)
    for source in settings.sources:
        for raw_stage, stage in _mapped_stages(source):
            folded = stage.strip().lower()
            if known and folded not in known and folded != IGNORED_STAGE:
                yield Finding(
                    "error",
                    f"source {source.name}: {raw_stage!r} is mapped to {stage!r}, which is no "
                    "stage of the policy",
                    f"use one of: {', '.join(sorted(known))}; or {IGNORED_STAGE}",
                    "configuration",
                )


def _mapped_stages(source: Any) -> Iterator[tuple[str, str]]:
    """Every raw stage that a source's configuration maps, with its stage."""
    yield from getattr(source, "stage_names", {}).items()
    for holder in (source, getattr(source, "hubspot", None), getattr(source, "salesforce", None)):
        for field in getattr(holder, "stages", None) or []:
            yield from field.map.items()


def _known_stages(settings: Settings) -> set[str]:
    """The stages of all traditions; empty when the policy cannot be read."""
    try:
        directory = settings.lifecycle.policy_dir
        return {
            stage
            for tradition in policy.traditions(directory)
            for stage in policy.stages(directory, tradition)
        }
    except HandoffError:
        return set()


def _policy(settings: Settings) -> Iterator[Finding]:
    lifecycle = settings.lifecycle
    try:
        problems = policy.validate(lifecycle.policy_dir, lifecycle.tradition)
    except ConfigError as error:
        mend = "set lifecycle.tradition in handoff.yml to one of them"
        yield from (Finding("error", problem, mend, "policy") for problem in error.problems)
        return
    for problem in problems:
        message, _, mend = problem.rpartition(" (")
        known = mend.startswith("known:")
        yield Finding(
            "error", problem if known else message, "" if known else mend.rstrip(")"), "policy"
        )
    if not problems:
        yield Finding(
            "ok",
            f"tradition {lifecycle.tradition}, fingerprint "
            f"{policy.fingerprint(lifecycle.policy_dir)[:12]}",
            area="policy",
        )


# Where a run writes


def _output(output: Path) -> Iterator[Finding]:
    """The output directory can be made, written and held by a run."""
    problem = _write_problem(_nearest(output.absolute()))
    if problem:
        yield Finding(
            "error",
            f"{output} cannot be written: {problem}",
            "change its owner or permissions, or set warehouse.output or --output to another",
            "output",
        )
        return
    if _is_held(output):
        yield Finding(
            "warning",
            f"another run holds {output}",
            "wait for it: a second run would be refused (exit code 5)",
            "output",
        )
        return
    yield Finding("ok", f"{output} can be written", area="output")


def _nearest(path: Path) -> Path:
    """A directory, or the part of its path that exists already."""
    return next(part for part in (path, *path.parents) if part.exists())


def _write_problem(directory: Path) -> str | None:
    """Why nothing can be written into a directory; tried, since permissions do not tell all."""
    if not directory.is_dir():
        return f"{directory} is a file"
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".doctor-"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _is_held(output: Path) -> bool:
    """True when a run holds the output; looks without leaving a lock behind."""
    path = output / LOCK_FILE
    if not path.is_file():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _state() -> Iterator[Finding]:
    """What outlives a run: Dagster's home, and the key that e-mail addresses are hashed with."""
    home = Path(os.environ.get("DAGSTER_HOME") or handoff_home() / "dagster").expanduser()
    problem = _write_problem(_nearest(home.absolute()))
    if problem:
        mend = "change its owner, or set HANDOFF_HOME (or DAGSTER_HOME) to a directory of yours"
        yield Finding("error", f"{home} cannot be written: {problem}", mend, "dagster")
    else:
        yield Finding("ok", f"runs are recorded in {home}", area="dagster")
    yield _hash_key()


def _hash_key() -> Finding:
    """Where the key comes from; never the key itself."""
    given = os.environ.get("HANDOFF_HASH_KEY")
    if given and len(given) < _SHORTEST_KEY:
        return Finding(
            "warning",
            f"HANDOFF_HASH_KEY has {len(given)} characters: hashed e-mail addresses can be guessed",
            f"use at least {_SHORTEST_KEY} random ones (changing it changes every hash)",
            "privacy",
        )
    if given:
        return Finding("ok", "e-mail addresses are hashed with HANDOFF_HASH_KEY", area="privacy")
    path = handoff_home() / ".hash_key"
    made = "made by an earlier run" if path.is_file() else "which the first run makes"
    return Finding(
        "ok", f"e-mail addresses are hashed with the key in {path}, {made}", "", "privacy"
    )


# Sources


def _source(source: Any) -> Iterator[Finding]:
    """What a source's own reader finds, with one cheap call per thing that may be wrong."""
    area = f"source {source.name}"
    check: Callable[[Any], list[Finding | str]] | None = getattr(reader_of(source), "check", None)
    try:
        findings = check(source) if check else []
    except HandoffError as error:
        findings = list(error.problems)
    for finding in findings:
        if isinstance(finding, str):
            yield Finding("error", finding, area=area)
        else:
            yield replace(finding, area=finding.area or area)
    if not findings:
        yield Finding("ok", "nothing to complain about", area=area)


# Raw stages that no map knows


def _stages(settings: Settings) -> Iterator[Finding]:
    """What the last run met; nothing to say before the first."""
    path = warehouse_path(settings.warehouse.output)
    try:
        unmapped = unmapped_stages(path)
    except ConfigError as error:
        yield Finding("warning", error.problems[0], "run handoff doctor again later", "stages")
        return
    if unmapped is None:
        yield Finding("ok", "no run yet, so no raw stages to look at", area="stages")
        return
    for source_system in dict.fromkeys(stage.source_system for stage in unmapped):
        own = [stage for stage in unmapped if stage.source_system == source_system]
        shown = ", ".join(f"{stage.raw_stage!r} ({stage.rows})" for stage in own[:_SHOWN])
        more = f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
        yield Finding(
            "warning",
            f"source {source_system}: raw stages that no map knows: {shown}{more}",
            "handoff doctor --write-stage-map FILE writes a proposal to edit",
            "stages",
        )
    if not unmapped:
        yield Finding("ok", "every raw stage of the last run is mapped", area="stages")


def unmapped_stages(warehouse: Path) -> list[UnmappedStage] | None:
    """The raw stages of the last run that no map knows, the most frequent first.

    None when there was no run yet. Raises ``ConfigError`` while a run holds the warehouse.
    """
    if not warehouse.is_file():
        return None
    import duckdb

    try:
        with connect(warehouse, read_only=True) as connection:
            rows = connection.execute(_UNMAPPED).fetchall()
    except duckdb.CatalogException:
        return None
    except duckdb.IOException as error:
        raise ConfigError(f"{warehouse} is held by a run, its stages cannot be read") from error
    return [UnmappedStage(*row) for row in rows]


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
            file.write(_proposal(settings, unmapped))
    except FileExistsError:
        raise ConfigError(f"{target} exists already (name another file, or move it)") from None
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from error
    return f"{target}: {len(unmapped)} raw stages to map; edit it and copy it into handoff.yml"


def _proposal(settings: Settings, unmapped: list[UnmappedStage]) -> str:
    """YAML of a stage map per source; the guesses are stages of the tradition."""
    from dagster_project.ingestion.discovery.values import read_vocabulary

    tradition = settings.lifecycle.tradition
    own = policy.stages(settings.lifecycle.policy_dir, tradition)
    words = {
        word: stage
        for word, stage in read_vocabulary(settings.lifecycle.policy_dir).stages.items()
        if stage in own
    }
    sources = {source.name: source for source in settings.sources}
    lines = [
        f"# Raw stages that no map knows, and what they could mean (tradition {tradition}).",
        "# A guess stands only where a name is alike. Check each line, fill in and uncomment the",
        "# others, then copy the block of each source into handoff.yml.",
        f"# Stages: {', '.join(own)}; or {IGNORED_STAGE} for a value that is no stage.",
        "sources:",
    ]
    for source_system in dict.fromkeys(stage.source_system for stage in unmapped):
        source = sources.get(source_system)
        lines += [f"  - name: {source_system}", f"    kind: {source.kind if source else 'files'}"]
        place = _map_lines(source)
        lines += place
        indent = len(place[-1]) - len(place[-1].lstrip()) + 2
        for stage in unmapped:
            if stage.source_system == source_system:
                lines.append(_proposal_line(stage, words, indent))
    return "\n".join(lines) + "\n"


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


def _proposal_line(stage: UnmappedStage, words: dict[str, str], indent: int) -> str:
    """One line of a stage map; without a word that is alike it is a comment to fill in."""
    import json

    from dagster_project.ingestion.discovery.values import named_in

    near = difflib.get_close_matches(stage.raw_stage.casefold(), words, 1, _ALIKE)
    word = near[0] if near else named_in(stage.raw_stage, words)
    # A JSON text is a YAML text, whatever stands in it.
    key = json.dumps(stage.raw_stage, ensure_ascii=False)
    line = f"{key}: {words[word]}" if word else f"# {key}: <stage>"
    return f"{' ' * indent}{line}  # {stage.rows} rows"


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
) -> None:
    """Check configuration, credentials and mappings; say what is wrong and how to fix it.

    \b
    Examples:
      handoff doctor --config handoff.yml
      handoff doctor --output var/crm_export --write-stage-map stages.yml
    """
    path = config_path(config)
    settings, directory = settings_and_output(path, output)
    place = settings.warehouse.model_copy(update={"output": directory})
    settings = settings.model_copy(update={"warehouse": place})
    if write_stage_map:
        say(write_proposed_stage_map(settings, write_stage_map))
        return
    findings = examine(settings, path)
    console().print(render(findings))
    raise typer.Exit(exit_code(findings))
