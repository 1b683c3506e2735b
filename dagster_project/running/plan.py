"""What a run was asked to do, and what that means: options in, a checked plan out.

``RunOptions`` are the choices as given (command line, Dagster's launchpad); ``plan_run`` reads the
configuration, refuses what can't work before anything is touched, and returns a ``RunPlan``.
"""

import os
import tempfile
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self, get_args
from zoneinfo import ZoneInfo

from dagster_project.config import policy
from dagster_project.config.contract import AcceptanceMode, AuditMode
from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.locations import config_path
from dagster_project.config.settings import Settings, WarehouseSettings, load_settings
from dagster_project.ingestion.files.client import refuse_other_exports
from dagster_project.ingestion.files.settings import FilesSource
from expectations.catalogue import name_warnings, threshold_problems


@dataclass(frozen=True)
class RunOptions:
    """The choices of one run as given; None: as ``handoff.yml`` says.

    ``as_of``: a time as ``parse_time`` reads it. ``acceptance``: explicit or default.
    ``audit``: block, or warn (publish although a check blocks).
    """

    config: str | None = None
    input: str | None = None
    as_of: str | None = None
    tradition: str | None = None
    acceptance: str | None = None
    output: str | None = None
    full_refresh: bool = False
    audit: str = "block"

    @classmethod
    def from_paths(cls, config: Path | None, export: Path | None, output: Path | None) -> Self:
        """The choices of a command line; paths become absolute, since a run may change place."""
        path = config_path(config)
        if config:
            # For whatever asks for the configuration later in this process, such as its home.
            os.environ["HANDOFF_CONFIG"] = str(path.absolute())
        return cls(
            config=str(path.absolute()) if config or path.is_file() else None,
            input=str(export.expanduser().absolute()) if export else None,
            output=str(output.expanduser().absolute()) if output else None,
        )

    def chosen(self) -> dict[str, Any]:
        """The choices that differ from the defaults."""
        return {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if getattr(self, item.name) != item.default
        }

    def is_as_configured(self) -> bool:
        """True when nothing but the configuration decides what is read and built."""
        return self.chosen().keys() <= {"config", "output", "full_refresh", "audit"}


@dataclass(frozen=True)
class RunPlan:
    """A run that can start: everything is resolved and checked.

    ``as_of`` is aware, in UTC. ``settings.lifecycle`` holds the tradition and acceptance mode
    of this run, ``settings.sources`` the sources that it reads. ``warnings``: what to change in
    ``handoff.yml`` before the next release.
    """

    settings: Settings
    output: Path
    as_of: datetime
    policy_fingerprint: str
    full_refresh: bool
    audit: str
    warnings: tuple[str, ...] = ()


def parse_time(text: str, zone: str = "UTC") -> datetime:
    """Read an ISO 8601 time, without an offset in ``zone``, or a date: its midnight there.

    Raises ``ConfigError`` when the text is neither.
    """
    cleaned = text.strip()
    try:
        if len(cleaned) == len("YYYY-MM-DD"):
            moment = datetime.combine(date.fromisoformat(cleaned), datetime.min.time())
        else:
            moment = datetime.fromisoformat(cleaned)
        # A time near the calendar's ends may have no UTC counterpart.
        return moment.replace(tzinfo=moment.tzinfo or ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"--as-of {text!r}: not a time; write 2026-06-30 or 2026-06-30T00:00:00Z"
        ) from error


def output_directory(settings: Settings, given: str | None, source: str | None = None) -> Path:
    """Where a run writes: as given, else below the configured output by the input's name."""
    if given:
        return Path(given).expanduser().absolute()
    configured = settings.warehouse.output.absolute()
    return configured / Path(source).absolute().name if source else configured


def plan_run(options: RunOptions, *, now: datetime | None = None) -> RunPlan:
    """Resolve and check the choices of a run.

    ``now``: the moment the run starts, which is the default ``as_of``. Raises ``ConfigError`` or
    ``SourceError``; creates the output directory.
    """
    path = config_path(options.config)
    settings = _settings(options, path)
    if problems := threshold_problems(settings.checks):
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    _one_of("--acceptance", options.acceptance, get_args(AcceptanceMode))
    _one_of("--audit", options.audit, get_args(AuditMode))
    lifecycle = settings.lifecycle.model_copy(
        update={
            "tradition": options.tradition or settings.lifecycle.tradition,
            "acceptance": options.acceptance or settings.lifecycle.acceptance,
        }
    )
    problems = policy.validate(lifecycle.policy_dir, lifecycle.tradition)
    if problems:
        raise ConfigError(problems)
    settings = settings.model_copy(
        update={"lifecycle": lifecycle, "sources": _sources(settings, options)}
    )
    output = output_directory(settings, options.output, options.input)
    given = options.as_of or getattr(settings.sources[0], "as_of", None)
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    as_of = parse_time(given, lifecycle.timezone) if given else now
    _ensure_writable(output)
    return RunPlan(
        settings=settings,
        output=output,
        as_of=as_of,
        policy_fingerprint=policy.fingerprint(lifecycle.policy_dir),
        full_refresh=options.full_refresh,
        audit=options.audit,
        warnings=tuple(f"{path}: {warning}" for warning in settings_warnings(settings)),
    )


def settings_warnings(settings: Settings) -> list[str]:
    """What works for now, but is to change before the next release, one line each."""
    return [
        *name_warnings("checks", settings.checks),
        *name_warnings("alerts.tags", settings.alerts.tags),
    ]


def _settings(options: RunOptions, path: Path) -> Settings:
    """The configuration; an export by ``--input`` needs none."""
    return settings_of(path, is_needed=not options.input or options.config is not None)


def settings_of(path: Path, *, is_needed: bool) -> Settings:
    """The configuration in a file; the defaults where it is missing and not needed."""
    if is_needed or path.is_file():
        return load_settings(path)
    return Settings(warehouse=WarehouseSettings(output=Path("var").absolute()))


def _one_of(option: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise ConfigError(f"{option} {value!r}: expected {' or '.join(allowed)}")


def _sources(settings: Settings, options: RunOptions) -> list[Any]:
    """The sources of the run: the export named by ``--input``, else the configured ones."""
    if options.input:
        directory = Path(options.input).expanduser().absolute()
        if not directory.is_dir():
            raise SourceError(
                f"source files: {directory}: no such directory; --input names a directory with "
                "one file per table (leads.csv, stage_changes.csv ...)"
            )
        source = FilesSource(kind="files", path=directory)
        try:
            refuse_other_exports(source)
        except SourceError as error:
            raise SourceError(
                f"{problem}; where these are the files of your CRM as it exports them, "
                f"`handoff init --from {directory}` writes a configuration that reads them"
                for problem in error.problems
            ) from error
        return [source]
    if not settings.sources:
        raise ConfigError(
            "no source: add one below `sources:` in handoff.yml, or read an export with --input DIR"
        )
    return list(settings.sources)


def _ensure_writable(output: Path) -> None:
    """Create the output directory and prove that a file can be written there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise ConfigError(
            f"output directory {output} can't be written ({error.strerror}); "
            "choose another with --output DIR or warehouse.output in handoff.yml"
        ) from error
