"""``handoff compare``: what the same history means under another policy.

The raw rows that an output's warehouse holds are copied into a scratch warehouse and built there
under the other policy, as of the same moment. The warehouse of the output is only read, nothing is
published, and the scratch is removed. Both builds are summed up by the same queries.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection
from rich.console import Group, RenderableType
from rich.table import Table

from dagster_project.config import policy
from dagster_project.config.errors import BuildError, ConfigError
from dagster_project.config.settings import Settings
from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    RAW_SCHEMA,
    WAREHOUSE_FILE,
    connect,
    copy_raw_tables,
    records,
    warehouse_path,
)
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.dispatch import ensure_raw_tables
from dagster_project.reporting.build_figures import reached
from dagster_project.reporting.console import grid, titled
from dagster_project.running import dbt
from dagster_project.running.output_lock import hold_output

# What a comparison reads of a build; the replay builds these and their upstream models.
_MODELS = (
    "build_info",
    "dim_milestones",
    "fct_conversions",
    "fct_lead_cycles",
    "int_conversion_pairs",
    "int_funnel_cycles",
    "lifecycle_violations",
)

_RATES = f"""
    select
        metric,
        any_value(pairs.metric_label),
        coalesce(sum(entered), 0)::bigint,
        coalesce(sum(converted), 0)::bigint,
        coalesce(sum(converted_in_window), 0)::bigint
    from {BUILD_SCHEMA}.int_conversion_pairs as pairs
    left join {BUILD_SCHEMA}.fct_conversions using (metric)
    group by metric
    order by any_value(pairs.sort_order), metric
"""
_OUTCOMES = f"select outcome, count(*) from {BUILD_SCHEMA}.fct_lead_cycles group by outcome"
_VIOLATIONS = f"""
    select rule, any_value(severity), count(*)
    from {BUILD_SCHEMA}.lifecycle_violations group by rule
"""
_CYCLES = """
    select
        source_system, lead_id, cycle_number,
        outcome || case
            when outcome = 'open' and acceptance_status is not null
                then ', ' || acceptance_status
            else ''
        end as outcome
    from {build}.fct_lead_cycles
"""
_CHANGED = f"""
    create temporary view changed as
    with replay as ({_CYCLES.format(build=BUILD_SCHEMA)}),
    sources as (select count(distinct source_system) as source_count from last_cycles)

    select
        coalesce(last_cycles.outcome, 'no such cycle') as outcome_before,
        coalesce(replay.outcome, 'no such cycle') as outcome_after,
        case when source_count > 1 then source_system || '/' else '' end || lead_id as lead
    from last_cycles
    full join replay using (source_system, lead_id, cycle_number)
    cross join sources
    where last_cycles.outcome is distinct from replay.outcome
"""
_CHANGES = """
    select outcome_before, outcome_after, count(distinct lead), min(distinct lead, {limit})
    from changed
    group by outcome_before, outcome_after
    order by count(distinct lead) desc, outcome_before, outcome_after
"""


# What a rate means (its label), cycles that entered, converted, converted in the window.
Rate = tuple[str, int, int, int]


@dataclass(frozen=True)
class Figures:
    """What one build computed.

    ``milestones``: label, cycles that reached it in their own right, and those of which only a
    later milestone says so. ``outcomes`` and ``violations`` are counts.
    """

    build: dict[str, Any]
    milestones: dict[str, tuple[str, int, int]]
    rates: dict[str, Rate]
    outcomes: dict[tuple[str, ...], int]
    violations: dict[tuple[str, ...], int]


@dataclass(frozen=True)
class Comparison:
    """The last build and its replay.

    ``changes``: a cycle's outcome before and after (of an open one also what sales answered), how
    many leads have such a cycle, and the first of their ids; ``changed_leads`` counts each lead
    once.
    """

    as_of: datetime
    last: Figures
    replay: Figures
    changes: list[tuple[str, str, int, list[str]]]
    changed_leads: int


def compare(
    output: Path,
    settings: Settings,
    *,
    policy_dir: Path | None = None,
    tradition: str | None = None,
    acceptance: str | None = None,
    lead_limit: int = 5,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Replay the history of an output under another policy, tradition or acceptance mode.

    What is not given stays as in the last build. Raises ``ConfigError`` for a policy that can't
    work or an output without a build, ``OutputLocked`` while a run writes there, ``BuildError``
    when the replay fails.
    """
    if policy_dir is None and tradition is None and acceptance is None:
        raise ConfigError("nothing to compare with: name --policy DIR, --tradition or --acceptance")
    other = (policy_dir or settings.lifecycle.policy_dir).expanduser().absolute()
    if not warehouse_path(output).is_file():
        raise ConfigError(f"{output}: nothing was built here yet; handoff run first")
    _require_sound(other, tradition)
    with tempfile.TemporaryDirectory(dir=output, prefix=".compare-") as directory:
        scratch = Path(directory)
        progress("copying the history")
        with hold_output(output):
            parameters, last = _copy_history(output, scratch / WAREHOUSE_FILE, settings)
        parameters = replace(
            parameters,
            tradition=tradition or parameters.tradition,
            acceptance_mode=acceptance or parameters.acceptance_mode,
            policy_fingerprint=_require_sound(other, tradition or parameters.tradition),
        )
        progress("building it under the other policy")
        _replay(output, scratch, other, parameters, settings)
        with _scratch(scratch / WAREHOUSE_FILE, settings) as connection:
            replayed = _figures(connection)
            connection.execute(_CHANGED)
            changes = connection.execute(_CHANGES.format(limit=int(lead_limit))).fetchall()
            ((leads,),) = connection.execute("select count(distinct lead) from changed").fetchall()
    return Comparison(parameters.as_of, last, replayed, changes, leads)


def _require_sound(policy_dir: Path, tradition: str | None) -> str:
    """The fingerprint of a policy that can work; raises ``ConfigError`` for another."""
    problems = policy.validate(policy_dir, tradition)
    if problems:
        raise ConfigError(problems)
    return policy.fingerprint(policy_dir)


def _scratch(path: Path, settings: Settings) -> DuckDBPyConnection:
    resources = settings.warehouse
    return connect(path, threads=resources.threads, memory_limit=resources.memory_limit)


def _copy_history(
    output: Path, scratch: Path, settings: Settings
) -> tuple[raw_schema.RunParameters, Figures]:
    """Copy the raw tables and the cycles of the last build; returns what that build decided."""
    path = warehouse_path(output)
    try:
        # Its views name the warehouse that they are in, so they can't be read from another.
        with connect(path, read_only=True) as inside:
            figures = _figures(inside)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise ConfigError(
            f"{output}: no complete build of this version is here; handoff run first"
        ) from error
    except duckdb.IOException as error:
        problem = str(error).splitlines()[0]
        raise BuildError(f"{path} can't be opened: {problem}") from error
    with _scratch(scratch, settings) as connection:
        connection.execute(f"attach {literal(path)} as inside (read_only)")
        parameters = _parameters(connection, figures.build["build_id"])
        cycles = _CYCLES.format(build=f"inside.{BUILD_SCHEMA}")
        connection.execute(f"create table last_cycles as {cycles}")
        copy_raw_tables(connection, "inside")
        # Tables that the models read and the warehouse of an earlier version lacks.
        ensure_raw_tables(connection)
    return parameters, figures


def _parameters(connection: DuckDBPyConnection, built: str) -> raw_schema.RunParameters:
    """What the last build decided; raises ``ConfigError`` if the raw rows are no longer its own."""
    rows = records(connection, f"from inside.{RAW_SCHEMA}.run_parameters")
    if not rows:
        raise ConfigError("nothing was built in this output yet; handoff run first")
    (row,) = rows
    if row["build_id"] != built:
        raise ConfigError(
            f"the last run ({row['build_id']}) did not finish its build, so there is "
            "nothing to compare with; handoff run first"
        )
    return raw_schema.RunParameters(**row)


def _replay(
    output: Path,
    scratch: Path,
    policy_dir: Path,
    parameters: raw_schema.RunParameters,
    settings: Settings,
) -> None:
    """Build the scratch warehouse under the other policy."""
    with _scratch(scratch / WAREHOUSE_FILE, settings) as connection:
        raw_schema.write_run_parameters(connection, parameters)
    request = dbt.BuildRequest(
        warehouse=scratch / WAREHOUSE_FILE,
        crms=settings.crms(),
        target_path=scratch / "dbt",
        # Outlives the scratch, so that failures can be looked up.
        log_path=output / "logs" / "compare",
        policy_dir=policy_dir,
        # Without the data tests: a replay is not published.
        selection=[f"+{model}" for model in _MODELS],
        threads=settings.warehouse.threads,
        memory_limit=settings.warehouse.memory_limit,
    )
    dbt.build(dbt.parsed_project(), request).require_success()


def _figures(connection: DuckDBPyConnection) -> Figures:
    """Sum up the build in a warehouse."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query).fetchall()

    return Figures(
        build=records(connection, f"from {BUILD_SCHEMA}.build_info")[0],
        milestones={
            name: (label, own, implied) for name, label, own, implied in reached(connection)
        },
        rates={metric: (label, *cases) for metric, label, *cases in rows(_RATES)},
        outcomes={(outcome,): cycles for outcome, cycles in rows(_OUTCOMES)},
        violations={(rule, severity): count for rule, severity, count in rows(_VIOLATIONS)},
    )


def render(comparison: Comparison) -> RenderableType:
    """Both sides for the console."""
    last, replayed, leads = comparison.last, comparison.replay, comparison.changed_leads
    changed = (
        "1 lead changes its outcome" if leads == 1 else f"{leads:,} leads change their outcome"
    )
    outcomes = _counts(["outcome"], last.outcomes, replayed.outcomes)
    violations = _counts(["rule", "severity"], last.violations, replayed.violations)
    return Group(
        f"As of {comparison.as_of:%Y-%m-%d %H:%M} UTC. Nothing is published by this.",
        titled(
            [
                ("Definitions", _definitions(last.build, replayed.build)),
                ("Milestones that cycles reached", _milestones(last, replayed)),
                ("Rates (to date; in the conversion window)", _rates(last, replayed)),
                ("Outcomes of the cycles", outcomes),
                ("Broken rules", violations),
                (changed, _changes(comparison)),
            ]
        ),
    )


def as_data(comparison: Comparison) -> dict[str, Any]:
    """The same as plain data; docs/contracts.md has its keys."""
    return {
        "as_of": comparison.as_of,
        "last_build": _as_data(comparison.last),
        "replay": _as_data(comparison.replay),
        "changed_leads": comparison.changed_leads,
        "changes": [
            {"outcome_before": before, "outcome_after": after, "leads": leads, "lead_ids": ids}
            for before, after, leads, ids in comparison.changes
        ],
    }


def _as_data(figures: Figures) -> dict[str, Any]:
    return {
        **{name: figures.build[name] for name in _DEFINITIONS},
        "milestones": [
            {"milestone": name, "label": label, "cycles": cycles, "implied": implied}
            for name, (label, cycles, implied) in figures.milestones.items()
        ],
        "rates": [
            {
                "metric": metric,
                "label": label,
                "entered": entered,
                "converted": converted,
                "converted_in_window": in_window,
            }
            for metric, (label, entered, converted, in_window) in figures.rates.items()
        ],
        "outcomes": {outcome: cycles for (outcome,), cycles in figures.outcomes.items()},
        "broken_rules": [
            {"rule": rule, "severity": severity, "findings": findings}
            for (rule, severity), findings in figures.violations.items()
        ],
    }


_DEFINITIONS = (
    "tradition",
    "acceptance_mode",
    "acceptance_window_hours",
    "policy_fingerprint",
    "definition_version",
)


def _difference(last: int, replayed: int) -> tuple[str, str, str]:
    """Two figures, and by how much they differ."""
    return f"{last:,}", f"{replayed:,}", f"{replayed - last:+,}" if replayed != last else ""


def _definitions(*builds: dict[str, Any]) -> Table:
    shown = {
        "tradition": lambda build: build["tradition"],
        "acceptance": "{acceptance_mode}, {acceptance_window_hours:g} hours".format_map,
        "policy": lambda build: build["policy_fingerprint"][:12],
        "signed version": lambda build: build["definition_version"] or "none",
    }
    rows = [(name, *map(show, builds)) for name, show in shown.items()]
    return grid(["", "last build", "replay"], rows)


def _counts(
    names: list[str], last: dict[tuple[str, ...], int], replayed: dict[tuple[str, ...], int]
) -> Table:
    both = {key: (last.get(key, 0), replayed.get(key, 0)) for key in last | replayed}
    return grid(
        [*names, ">last build", ">replay", ">change"],
        [
            (*key, *_difference(*both[key]))
            for key in sorted(both, key=lambda key: (key[1:], -max(both[key]), key))
        ],
    )


def _milestones(last: Figures, replayed: Figures) -> Table:
    both = [*last.milestones.values(), *replayed.milestones.values()]
    width = max((len(f"{own:,}") for _, own, _ in both), default=0)

    def cycles(own: int, implied: int) -> str:
        return f"{own:>{width},}" + (f" +{implied:,}" if implied else "")

    rows = []
    for name, (label, own, implied) in last.milestones.items():
        new_label, new_own, new_implied = replayed.milestones[name]
        before, after = cycles(own, implied), cycles(new_own, new_implied)
        rows.append((name, label, before, new_label, after, _difference(own, new_own)[-1]))
    counted = "cycles +implied"
    return grid(["milestone", "last build", counted, "replay", counted, ">change"], rows)


def _rates(last: Figures, replayed: Figures) -> Table:
    return grid(
        ["rate", "last build", "", "replay", ""],
        [
            (metric, *_rate(last.rates.get(metric)), *_rate(replayed.rates.get(metric)))
            for metric in last.rates | replayed.rates
        ],
    )


def _rate(rate: Rate | None) -> tuple[str, str]:
    if rate is None:
        return "no such rate", ""
    label, entered, converted, in_window = rate
    shares = f" ({converted / entered:.1%}; {in_window / entered:.1%})" if entered else ""
    return label, f"{converted:,} of {entered:,}{shares}"


def _changes(comparison: Comparison) -> Table:
    return grid(
        ["last build", "replay", ">leads", "for example"],
        [
            (before, after, f"{leads:,}", ", ".join(ids) + (", ..." if len(ids) < leads else ""))
            for before, after, leads, ids in comparison.changes
        ],
    )
