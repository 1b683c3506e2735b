"""``handoff compare``: what the same history says under another policy.

The raw rows that an output's warehouse holds are copied into a scratch warehouse and built there
under the other policy, as of the same moment. The warehouse of the output is only read, nothing is
published, and the scratch is removed. Both sides are summed up by the same SQL and laid side by
side.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project.config import policy
from dagster_project.config.errors import BuildError, ConfigError
from dagster_project.config.policy_tables import MILESTONES
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    RAW_SCHEMA,
    WAREHOUSE_FILE,
    connect,
    warehouse_path,
)
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.landing import ensure_raw_tables
from dagster_project.running.dbt import BuildRequest, build, parsed_project
from dagster_project.running.output_lock import hold_output

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from rich.console import RenderableType
    from rich.table import Table

# What a comparison reads of a build; the replay builds these and what they stand on.
_MODELS = (
    "build_info",
    "dim_milestones",
    "fct_lead_cycles",
    "int_conversion_pairs",
    "int_pair_conversions",
    "lifecycle_violations",
)

_REACHED = " ".join(
    f"when '{name}' then cycles.{'cycle_started' if name == 'captured' else name}_at"
    for name in MILESTONES
)

# The figures of one build, by name; {build} is the schema that holds it.
_FIGURES = {
    "definitions": """
        select
            tradition, acceptance_mode, acceptance_window_hours, policy_fingerprint,
            definition_version
        from {build}.build_info
    """,
    "milestones": f"""
        select
            milestones.milestone,
            any_value(milestones.milestone_label) as label,
            any_value(milestones.milestone_rank) as milestone_rank,
            count(case milestones.milestone {_REACHED} end) as cycles
        from {{build}}.dim_milestones as milestones
        left join {{build}}.fct_lead_cycles as cycles
            on true
        group by milestones.milestone
    """,
    "rates": """
        select
            pairs.metric,
            any_value(pairs.from_label || ' to ' || pairs.to_label) as label,
            any_value(pairs.sort_order) as sort_order,
            count(*) filter (where cycles.is_counted) as entered,
            count(*) filter (where cycles.is_counted and cycles.is_converted) as converted,
            count(*) filter (where cycles.is_counted and cycles.is_converted_in_window)
                as converted_in_window
        from {build}.int_conversion_pairs as pairs
        left join {build}.int_pair_conversions as cycles
            on pairs.metric = cycles.metric
        group by pairs.metric
    """,
    "outcomes": """
        select outcome, count(*) as cycles
        from {build}.fct_lead_cycles
        group by outcome
    """,
    "violations": """
        select rule, any_value(severity) as severity, count(*) as findings
        from {build}.lifecycle_violations
        group by rule
    """,
    "cycles": """
        select
            source_system, lead_id, cycle_number,
            outcome || case
                when outcome = 'open' and acceptance_status is not null
                    then ', ' || acceptance_status
                else ''
            end as outcome
        from {build}.fct_lead_cycles
    """,
}

# Both builds beside each other: ``last`` holds the figures of the last build, ``replay`` the other.
_BESIDE = {
    "milestones": """
        select
            milestone, last.label, replay.label,
            coalesce(last.cycles, 0), coalesce(replay.cycles, 0)
        from last.milestones as last
        full join replay.milestones as replay using (milestone)
        order by coalesce(last.milestone_rank, replay.milestone_rank)
    """,
    "rates": """
        select
            metric,
            last.label, last.entered, last.converted, last.converted_in_window,
            replay.label, replay.entered, replay.converted, replay.converted_in_window
        from last.rates as last
        full join replay.rates as replay using (metric)
        order by coalesce(last.sort_order, replay.sort_order), metric
    """,
    "outcomes": """
        select outcome, coalesce(last.cycles, 0), coalesce(replay.cycles, 0)
        from last.outcomes as last
        full join replay.outcomes as replay using (outcome)
        order by greatest(last.cycles, replay.cycles) desc, outcome
    """,
    "violations": """
        select
            rule, coalesce(last.severity, replay.severity) as severity,
            coalesce(last.findings, 0), coalesce(replay.findings, 0)
        from last.violations as last
        full join replay.violations as replay using (rule)
        order by severity, rule
    """,
    "changes": """
        select outcome_before, outcome_after, count(distinct lead), min(distinct lead, {limit})
        from changed
        group by outcome_before, outcome_after
        order by count(distinct lead) desc, outcome_before, outcome_after
    """,
}
_CHANGED = """
    create temporary view changed as
    with sources as (
        select count(distinct source_system) as source_count from last.cycles
    )

    select
        coalesce(last.outcome, 'no such cycle') as outcome_before,
        coalesce(replay.outcome, 'no such cycle') as outcome_after,
        case when source_count > 1 then source_system || '/' else '' end || lead_id as lead
    from last.cycles as last
    full join replay.cycles as replay using (source_system, lead_id, cycle_number)
    cross join sources
    where last.outcome is distinct from replay.outcome
"""


@dataclass(frozen=True)
class Definitions:
    """What a build went by. ``definition_version``: the signed one, null where none holds yet."""

    tradition: str
    acceptance_mode: str
    acceptance_window_hours: float
    policy_fingerprint: str
    definition_version: int | None


@dataclass(frozen=True)
class Comparison:
    """The last build and its replay side by side; pairs of figures are in that order.

    ``milestones``: milestone, both labels (null where a tradition lacks it), cycles that reached
    it. ``rates``: metric, then per side its meaning, cycles entered, converted, converted in the
    window (null where the tradition has no such rate). ``outcomes``: outcome, cycles.
    ``violations``: rule, severity, findings. ``changes``: a cycle's outcome before and after (of
    an open one also what sales answered), how many leads have such a cycle, and the first of
    their ids; ``changed_leads`` counts each lead once.
    """

    as_of: datetime
    last: Definitions
    replay: Definitions
    milestones: list[tuple[Any, ...]]
    rates: list[tuple[Any, ...]]
    outcomes: list[tuple[Any, ...]]
    violations: list[tuple[Any, ...]]
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

    What is not given is as in the last build; the policy as ``settings`` say. ``lead_limit``: how
    many ids are named per change. Raises ``ConfigError`` for a policy that cannot work or an
    output without a build, ``OutputLocked`` while a run writes there, ``BuildError`` when the
    replay fails.
    """
    if policy_dir is None and tradition is None and acceptance is None:
        raise ConfigError("compare with what? name --policy DIR, --tradition or --acceptance")
    other = (policy_dir or settings.lifecycle.policy_dir).expanduser().absolute()
    if not warehouse_path(output).is_file():
        raise ConfigError(f"{output}: nothing was built here yet; handoff run comes first")
    _require_sound(other, tradition)
    with tempfile.TemporaryDirectory(dir=output, prefix=".compare-") as directory:
        scratch = Path(directory)
        progress("copying the history")
        with hold_output(output):
            parameters = _copy_history(output, scratch / WAREHOUSE_FILE, settings)
        parameters = replace(
            parameters,
            tradition=tradition or parameters.tradition,
            acceptance_mode=acceptance or parameters.acceptance_mode,
            policy_fingerprint=_require_sound(other, tradition or parameters.tradition),
        )
        progress("building it under the other policy")
        _replay(output, scratch, other, parameters, settings)
        with _scratch(scratch / WAREHOUSE_FILE, settings) as connection:
            _sum_up(connection, BUILD_SCHEMA, "replay")
            return _beside(connection, parameters.as_of, lead_limit)


def _require_sound(policy_dir: Path, tradition: str | None) -> str:
    """The fingerprint of a policy that can work; raises ``ConfigError`` for another."""
    problems = policy.validate(policy_dir, tradition)
    if problems:
        raise ConfigError(problems)
    return policy.fingerprint(policy_dir)


def _scratch(path: Path, settings: Settings) -> "DuckDBPyConnection":
    resources = settings.warehouse
    return connect(path, threads=resources.threads, memory_limit=resources.memory_limit)


def _copy_history(output: Path, scratch: Path, settings: Settings) -> raw_schema.RunParameters:
    """Copy the raw tables, and the figures of the last build; returns what that build decided."""
    import duckdb

    path = warehouse_path(output)
    with _scratch(scratch, settings) as connection:
        try:
            connection.execute(f"attach '{_quoted(path)}' as inside (read_only)")
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            raise BuildError(f"{path} can't be opened: {said}") from error
        try:
            parameters = _parameters(connection)
            _sum_up(connection, f"inside.{BUILD_SCHEMA}", "last")
        except duckdb.CatalogException as error:
            raise ConfigError(
                f"{output}: no whole build of this version lies here; handoff run comes first"
            ) from error
        connection.execute(f"create schema {RAW_SCHEMA}")
        tables = connection.execute(
            "select table_name from duckdb_tables() "
            "where database_name = 'inside' and schema_name = ?",
            [RAW_SCHEMA],
        ).fetchall()
        for (table,) in tables:
            connection.execute(
                f'create table {RAW_SCHEMA}."{table}" as from inside.{RAW_SCHEMA}."{table}"'
            )
        # Tables that the models read and the warehouse of an earlier version lacks.
        ensure_raw_tables(connection)
    return parameters


def _parameters(connection: "DuckDBPyConnection") -> raw_schema.RunParameters:
    """What the last build decided; raises ``ConfigError`` if the raw rows are no longer its own."""
    result = connection.execute(f"select * from inside.{RAW_SCHEMA}.run_parameters")
    names = [column[0] for column in result.description]
    row = result.fetchone()
    built = connection.execute(f"select build_id from inside.{BUILD_SCHEMA}.build_info").fetchone()
    if row is None or built is None:
        raise ConfigError("nothing was built in this output yet; handoff run comes first")
    parameters = raw_schema.RunParameters(**dict(zip(names, row, strict=True)))
    if parameters.build_id != built[0]:
        raise ConfigError(
            f"the last run ({parameters.build_id}) did not build what it read, so there is "
            "nothing to compare with; handoff run comes first"
        )
    return parameters


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
    request = BuildRequest(
        warehouse=scratch / WAREHOUSE_FILE,
        target_path=scratch / "dbt",
        # Outlives the scratch: what failed is told there.
        log_path=output / "logs" / "compare",
        policy_dir=policy_dir,
        # Without the data tests: a replay is looked at, not published.
        selection=[f"+{model}" for model in _MODELS],
        threads=settings.warehouse.threads,
        memory_limit=settings.warehouse.memory_limit,
    )
    build(parsed_project(), request).require_success()


def _sum_up(connection: "DuckDBPyConnection", schema: str, side: str) -> None:
    """Keep the figures of a build as the tables of a schema of their own."""
    connection.execute(f"create schema {side}")
    for name, query in _FIGURES.items():
        connection.execute(f"create table {side}.{name} as {query.format(build=schema)}")


def _beside(connection: "DuckDBPyConnection", as_of: datetime, lead_limit: int) -> Comparison:
    connection.execute(_CHANGED)
    found = {
        name: connection.execute(query.format(limit=int(lead_limit))).fetchall()
        for name, query in _BESIDE.items()
    }
    last, replayed = (
        Definitions(*connection.execute(f"from {side}.definitions").fetchall()[0])
        for side in ("last", "replay")
    )
    ((leads,),) = connection.execute("select count(distinct lead) from changed").fetchall()
    return Comparison(as_of, last, replayed, changed_leads=leads, **found)


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")


# --- for people ---------------------------------------------------------------------------------


def render(comparison: Comparison) -> "RenderableType":
    """Both sides for the console."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(f"As of {comparison.as_of:%Y-%m-%d %H:%M} UTC. Nothing is published by this.")
    ]
    for title, table in (
        ("Definitions", _definitions_table(comparison)),
        ("Milestones that cycles reached", _milestones_table(comparison)),
        ("Rates (to date; in the conversion window)", _rates_table(comparison)),
        ("Outcomes of the cycles", _outcomes_table(comparison)),
        ("Broken rules", _violations_table(comparison)),
        (_changes_title(comparison), _changes_table(comparison)),
    ):
        parts.append(Text(f"\n{title}", style="bold"))
        if table.row_count:
            parts.append(table)
    return Group(*parts)


def _table(*columns: str, wrapped: str = "") -> "Table":
    """A plain table; the columns whose name begins with ``>`` hold figures."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 1), header_style="dim")
    for name in columns:
        side: Any = "right" if name.startswith(">") else "left"
        table.add_column(name.removeprefix(">"), justify=side, no_wrap=name != wrapped)
    return table


def _figures(last: int, replayed: int) -> tuple[str, str, str]:
    difference = f"{replayed - last:+,}" if replayed != last else ""
    return f"{last:,}", f"{replayed:,}", difference


def _definitions_table(comparison: Comparison) -> "Table":
    table = _table("", "last build", "replay")
    last, replayed = comparison.last, comparison.replay
    table.add_row("tradition", last.tradition, replayed.tradition)
    table.add_row("acceptance", *(_acceptance(side) for side in (last, replayed)))
    table.add_row("policy", *(side.policy_fingerprint[:12] for side in (last, replayed)))
    table.add_row(
        "signed version", *(str(side.definition_version or "none") for side in (last, replayed))
    )
    return table


def _acceptance(side: Definitions) -> str:
    return f"{side.acceptance_mode}, {side.acceptance_window_hours:g} hours"


def _milestones_table(comparison: Comparison) -> "Table":
    from rich.markup import escape

    table = _table("milestone", "last build", ">cycles", "replay", ">cycles", ">")
    for milestone, last_label, label, last, replayed in comparison.milestones:
        before, after, difference = _figures(last, replayed)
        labels = [escape(text or "") for text in (last_label, label)]
        table.add_row(milestone, labels[0], before, labels[1], after, difference)
    return table


def _rates_table(comparison: Comparison) -> "Table":
    table = _table("rate", "last build", "", "replay", "")
    for metric, *sides in comparison.rates:
        cells = [cell for side in (sides[:4], sides[4:]) for cell in _rate(*side)]
        table.add_row(metric, *cells)
    return table


def _rate(
    label: str | None, entered: int | None, converted: int | None, in_window: int | None
) -> tuple[str, str]:
    from rich.markup import escape

    if label is None or entered is None or converted is None or in_window is None:
        return "no such rate", ""
    label = escape(label)
    if not entered:
        return label, "0 of 0"
    said = f"{converted:,} of {entered:,} ({converted / entered:.1%}; {in_window / entered:.1%})"
    return label, said


def _outcomes_table(comparison: Comparison) -> "Table":
    table = _table("outcome", ">last build", ">replay", ">")
    for outcome, last, replayed in comparison.outcomes:
        table.add_row(outcome, *_figures(last, replayed))
    return table


def _violations_table(comparison: Comparison) -> "Table":
    table = _table("rule", "severity", ">last build", ">replay", ">")
    for rule, severity, last, replayed in comparison.violations:
        table.add_row(rule, severity, *_figures(last, replayed))
    return table


def _changes_title(comparison: Comparison) -> str:
    leads = comparison.changed_leads
    if leads == 1:
        return "1 lead changes its outcome"
    return f"{leads:,} leads change their outcome" if leads else "No lead changes its outcome"


def _changes_table(comparison: Comparison) -> "Table":
    from rich.markup import escape

    table = _table("last build", "replay", ">leads", "such as", wrapped="such as")
    for before, after, leads, ids in comparison.changes:
        named = ", ".join(ids) + (", ..." if len(ids) < leads else "")
        table.add_row(before, after, f"{leads:,}", escape(named))
    return table
