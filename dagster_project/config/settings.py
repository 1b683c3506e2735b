"""``handoff.yml``: read and validated once, before anything runs.

An unknown key, a wrong type or a missing file is one line that names the key and says what is
allowed. Secrets are never in the file: they come from the environment.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from dagster_project.config.alerts import AlertsSettings
from dagster_project.config.contract import AcceptanceMode, Severity
from dagster_project.config.crm_links import CrmLinks
from dagster_project.config.errors import ConfigError
from dagster_project.config.section import Currency, Section, TimeZone
from dagster_project.config.sources import Source
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT

DEFAULT_CONFIG = PROJECT_ROOT / "handoff.yml"


class LifecycleSettings(Section):
    """Which tradition is active and how acceptance works; empty: as the tradition says.

    ``timezone``: of the reports; a date without a time is that date there. ``currency``: of the
    marts' amounts, an ISO 4217 code; empty: each export's most frequent one.
    """

    tradition: str = "four_stage"
    acceptance: AcceptanceMode | None = None
    acceptance_window_hours: float | None = Field(default=None, ge=0)
    timezone: TimeZone = "UTC"
    currency: Currency | None = None
    policy_dir: Path = POLICY_DIR


class IdentitySettings(Section):
    """Whether the same person in two sources is one lead; off unless ``match_on`` says how."""

    match_on: Literal["email"] | None = None


class WarehouseSettings(Section):
    """Where a run writes and what it may use of the machine."""

    output: Path = Path("var")
    threads: int | None = Field(default=None, ge=1)
    memory_limit: str | None = None


class PublishingSettings(Section):
    """What is published beside the DuckDB file, and how many builds are kept.

    ``staff_names``: whether names of the company's own reps are published; else their ids are.
    """

    keep_builds: int = Field(default=5, ge=1)
    parquet: bool = True
    staff_names: bool = True


Threshold = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CheckThresholds(Section):
    """When a check warns and blocks; empty: as the check's default.

    ``warn`` and ``block``: in the check's unit, for most the share of the cases concerned (5 % is
    0.05), for freshness days. It warns or blocks above the value. Severity ``warning`` never
    blocks.
    """

    warn: Threshold | None = None
    block: Threshold | None = None
    severity: Severity | None = None


def _five_fields(value: str) -> str:
    # Slow to import, and needed only where a schedule is configured.
    from croniter import CroniterError, croniter

    try:
        fields, _ = croniter.expand(value)
        croniter(value).get_next()
    except CroniterError as error:
        raise ValueError(f"{error}; use cron syntax such as 0 5 * * *, or @daily") from None
    if len(fields) != 5:
        raise ValueError("five fields: minute, hour, day, month, weekday, such as 0 5 * * *")
    return value


class ScheduleSettings(Section):
    """When the job runs, where Dagster's daemon does.

    ``cron``: minute, hour, day, month, weekday, in ``timezone``. ``enabled``: on from the start;
    turning it on or off in the UI overrides it. ``look_every_seconds``: how often the sensors look
    for new files and ended runs.
    """

    cron: Annotated[str, AfterValidator(_five_fields)] = "0 5 * * *"
    timezone: TimeZone = "UTC"
    enabled: bool = False
    look_every_seconds: int = Field(default=30, ge=5)


class Settings(Section):
    """The whole of ``handoff.yml``."""

    lifecycle: LifecycleSettings = LifecycleSettings()
    identity: IdentitySettings = IdentitySettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    sources: list[Source] = []
    publishing: PublishingSettings = PublishingSettings()
    checks: dict[str, CheckThresholds] = {}
    crm_links: CrmLinks = CrmLinks()
    schedule: ScheduleSettings = ScheduleSettings()
    alerts: AlertsSettings = AlertsSettings()

    def crms(self) -> set[str]:
        """The CRMs whose own tables the configured sources bring, such as hubspot."""
        return {getattr(source, "crm", source.kind) for source in self.sources}

    @model_validator(mode="after")
    def _sources_agree(self) -> "Settings":
        """Each has its own name, and with several the moment of one would not be the run's.

        A source without leads names one that has them.
        """
        names = [source.name for source in self.sources]
        with_leads = [item.name for item in self.sources if not getattr(item, "leads_of", None)]
        for at, source in enumerate(self.sources):
            if source.name in names[:at]:
                raise ValueError(f"sources.{at}: two are called {source.name!r}; rename one")
            if len(self.sources) > 1 and getattr(source, "as_of", None):
                raise ValueError(f"sources.{at}.as_of: only where the source is the only one")
            leads_of = getattr(source, "leads_of", None)
            if leads_of and leads_of not in with_leads:
                known = ", ".join(with_leads) or "none"
                raise ValueError(
                    f"sources.{at}.leads_of: no source {leads_of!r} with leads of its own; "
                    f"such sources here: {known}"
                )
        # What --input reads is called files.
        for name in self.crm_links.sources.keys() - {*names, "files"}:
            raise ValueError(
                f"crm_links.sources.{name}: no source is called so; sources here: "
                f"{', '.join(names) or 'none'}"
            )
        return self


def load_settings(path: Path) -> Settings:
    """Read and validate the configuration.

    Relative paths in the file are relative to the file. ``${NAME}`` in a value is replaced from
    the environment. Raises ``ConfigError`` with one line per problem.
    """
    if not path.is_file():
        raise ConfigError(
            f"{path}: no such configuration file; name one with --config FILE, or write one "
            "with handoff init"
        )
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "it can't be read as UTF-8 YAML"
        raise ConfigError(f"{path}{line}: {problem}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys such as {', '.join(Settings.model_fields)}")
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigError([f"{path}: {_explain(item)}" for item in error.errors()]) from error
    return _resolve_paths(settings, path.resolve().parent)


_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[^}]*)\}?")


class _Loader(yaml.SafeLoader):
    """Plain YAML, with ``${NAME}`` in a text replaced from the environment; ``$${`` is ``${``."""

    def construct_yaml_str(self, node: yaml.ScalarNode) -> str:
        def value_of(found: re.Match[str]) -> str:
            name = found["name"]
            if name is None:
                return "${"
            if name not in os.environ:
                problem = f"the environment variable {name} is not set"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
            return os.environ[name]

        return _VARIABLE.sub(value_of, node.value)


_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.construct_yaml_str)


def _explain(item: ErrorDetails) -> str:
    """One line for one problem that pydantic found."""
    message, place = item["msg"].removeprefix("Value error, "), list(item["loc"])
    if item["type"] == "unknown_key":
        place.append(item["ctx"]["key"])
    elif not place:  # a rule between sections, whose message names the keys
        return message
    # People paste a secret where the name of its environment variable belongs.
    elif not (isinstance(item["input"], dict | list) or str(place[-1]).endswith("_env")):
        message += f" (got {item['input']!r})"
    return f"{'.'.join(map(str, place))}: {message}"


def _resolve_paths(settings: Settings, base: Path) -> Settings:
    """Make the file's relative paths absolute, seen from the file."""

    def absolute(section: Any, key: str) -> Any:
        path = getattr(section, key, None)
        return section.model_copy(update={key: base / path}) if path else section

    return settings.model_copy(
        update={
            "lifecycle": absolute(settings.lifecycle, "policy_dir"),
            "warehouse": absolute(settings.warehouse, "output"),
            "sources": [absolute(source, "path") for source in settings.sources],
        }
    )
