"""What marketing and sales agreed on, as a build was made by it: the policy of its tradition.

Everything is read from the warehouse of the build: the policy tables as they were loaded, and what
the models made of them. No rule is computed again here. How it is shown is in
``pages/definitions.py``.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.policy_tables import SlaPolicy
from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    POLICY_SCHEMA,
    QUALITY_SCHEMA,
    RAW_SCHEMA,
    records,
)
from expectations.check import TRAILING_SUFFIX, Check

Row = dict[str, Any]

# The tier of a handoff before which nothing was seen; every policy has it.
TIER_WITHOUT_ENGAGEMENT = next(iter(SlaPolicy.REQUIRED))
DIAGNOSTIC_PREFIX = "diagnostic_"


def anchor(kind: str, name: str) -> str:
    """Where the page has a definition: ``metric-mql_to_sql``; the same in every build.

    ``kind``: milestone, stage, tier, reason, parameter, metric, rule, check or diagnostic.
    """
    name = re.sub(r"[^\w.-]+", "_", name)
    return f"{kind}-{name}"


@dataclass(frozen=True)
class Watch:
    """A check over the whole history, and over the last 30 days where there is one."""

    whole: Check
    trailing: Check | None = None

    @property
    def checks(self) -> list[Check]:
        """Both, as far as there are."""
        return [self.whole, self.trailing] if self.trailing else [self.whole]

    @property
    def is_about_data(self) -> bool:
        """Whether the data team is asked, not marketing or sales."""
        return self.whole.owner == "data"

    @property
    def limits(self) -> list[tuple[str, float, float | None]]:
        """Window, what it warns and what it blocks above; one where they are the same."""
        told: dict[str, tuple[float, float | None]] = {
            check.window: (check.warn, check.blocks_above) for check in self.checks
        }
        if len(set(told.values())) == 1:
            told = {" and ".join(told): told[self.whole.window]}
        return [(window, *limits) for window, limits in told.items()]


@dataclass
class Agreement:
    """The definitions of a build; lists hold rows as the policy and the models have them.

    ``build``: what the run chose, with the policy's times in seconds. ``milestones`` and ``exits``
    have their ``stages``, a stage the raw names that stand for it (``written_as``), from which
    stages it may be entered and from which that needs a reason. ``watches``: the checks by suite;
    those of a rule are with it in ``rules``, those of a diagnostic in ``diagnostics``.
    ``signed``: the newest signed version with the policy that it was first built with.
    """

    build: Row
    tradition: Row
    milestones: list[Row]
    exits: list[Row]
    unmapped: list[str]
    overrides: list[Row]
    requirements: list[Row]
    tiers: list[Row]
    signals: list[Row]
    activity_kinds: list[Row]
    working_hours: list[Row]
    holidays: list[Row]
    reasons: list[Row]
    fit_rules: list[Row]
    bands: list[Row]
    segments: list[Row]
    channels: list[Row]
    exclusions: list[Row]
    parameters: list[Row]
    metrics: list[Row]
    rules: list[Row]
    diagnostics: list[Row]
    watches: dict[str, list[Watch]]
    versions: list[Row]
    signed: Row | None
    teams: list[str]

    @property
    def handoff_stages(self) -> list[Row]:
        """The stages whose first visit is the handoff."""
        return [
            stage
            for milestone in self.milestones
            if milestone["milestone"] == "handed_off"
            for stage in milestone["stages"]
        ]


def read_agreement(connection: DuckDBPyConnection, checks: Sequence[Check]) -> Agreement:
    """Read the definitions of the build in a warehouse. ``checks``: with the limits configured."""
    build = _rows(connection, "int_run_policy")[0] | _rows(connection, "build_info")[0]
    stages = _stages(connection)
    watches = _watches(checks)
    all_watches = [watch for listed in watches.values() for watch in listed]
    by_name = {watch.whole.name: watch for watch in all_watches}
    by_rule = {watch.whole.rule: watch for watch in all_watches}
    policy = {name: _policy(connection, name, order) for name, order in _AS_LISTED.items()}
    return Agreement(
        build=build,
        tradition=next(
            row
            for row in _policy(connection, "traditions", "all")
            if row["tradition"] == build["tradition"]
        ),
        milestones=[
            {**row, "stages": [each for each in stages if each["milestone"] == row["milestone"]]}
            for row in _rows(connection, "dim_milestones", "milestone_rank")
        ],
        exits=[stage for stage in stages if stage["is_exit"]],
        unmapped=_unmapped(connection),
        overrides=_overrides(connection),
        requirements=[row for row in policy["qualification_rules"] if row["is_active"]],
        tiers=_tiers(policy["sla_policies"], policy["signals"]),
        signals=policy["signals"],
        activity_kinds=policy["activity_kinds"],
        working_hours=policy["working_hours"],
        holidays=policy["holidays"],
        reasons=_reasons(connection),
        fit_rules=policy["fit_rules"],
        bands=policy["score_bands"],
        segments=policy["segments"],
        channels=policy["channel_map"],
        exclusions=policy["exclusions"],
        parameters=policy["rule_parameters"],
        metrics=_metrics(connection),
        rules=[
            {**row, "watch": by_rule.get(row["rule"])}
            for row in _rows(connection, "int_rules", "rowid")
        ],
        diagnostics=[
            {**row, "watch": by_name.get(DIAGNOSTIC_PREFIX + row["diagnostic"])}
            for row in _diagnostics(connection)
        ],
        watches=watches,
        versions=policy["definition_versions"],
        signed=_signed(connection),
        teams=_teams(stages),
    )


# The policy tables that are listed as they are, and in which order.
_AS_LISTED = {
    "qualification_rules": "rowid",
    "sla_policies": "tier_rank",
    "signals": "interest_points desc, signal",
    "activity_kinds": "rowid",
    "working_hours": "rowid",
    "holidays": "holiday_date",
    "fit_rules": "rowid",
    "score_bands": "min_score desc nulls last",
    "segments": "min_employees nulls first",
    "channel_map": "channel, lead_source",
    "exclusions": "rowid",
    "rule_parameters": "rowid",
    "definition_versions": "version desc",
}


def _rows(connection: DuckDBPyConnection, model: str, order_by: str = "all") -> list[Row]:
    return records(connection, f"from {BUILD_SCHEMA}.{model} order by {order_by}")


def _policy(connection: DuckDBPyConnection, table: str, order_by: str) -> list[Row]:
    return records(connection, f"from {POLICY_SCHEMA}.{table} order by {order_by}")


def _stages(connection: DuckDBPyConnection) -> list[Row]:
    """The stages of the tradition, with their moves and the raw names that stand for them."""
    labels = {
        row["stage"]: row["stage_label"] for row in _rows(connection, "dim_stages", "path_order")
    }
    moves = defaultdict(list)
    for row in records(
        connection,
        f"""
        select moves.*
        from {BUILD_SCHEMA}.int_stage_moves as moves
        inner join {BUILD_SCHEMA}.int_run_policy using (tradition)
        """,
    ):
        moves[row["to_stage"]].append(row)
    written_as = _written_as(connection)
    return [
        {
            **stage,
            "written_as": written_as[stage["stage"]],
            "entered_from": _origins(moves[stage["stage"]], labels, "is_valid"),
            "can_be_first": any(
                move["from_stage"] is None and move["is_valid"] for move in moves[stage["stage"]]
            ),
            "reason_from": _origins(moves[stage["stage"]], labels, "requires_reason"),
            "always_needs_reason": all(move["requires_reason"] for move in moves[stage["stage"]]),
        }
        for stage in _rows(connection, "dim_stages", "path_order, stage")
    ]


def _origins(moves: list[Row], labels: dict[str, str], condition: str) -> list[str]:
    """The labels of the stages from which a move fulfils a condition, in order of the path."""
    origins = {move["from_stage"] for move in moves if move[condition]}
    return [label for stage, label in labels.items() if stage in origins]


def _written_as(connection: DuckDBPyConnection) -> dict[str, list[str]]:
    """Stage -> what the sources call it: what was seen, and what their stage maps name."""
    query = f"""
        with spellings as (
            select raw_stage from {RAW_SCHEMA}.stage_map
            union all select raw_stage from {POLICY_SCHEMA}.stage_aliases
            union all select stage_label from {BUILD_SCHEMA}.dim_stages
        ),
        spelled as (
            select lower(trim(raw_stage)) as raw_key, min(trim(raw_stage)) as raw_stage
            from spellings
            group by raw_key
        ),
        meanings as (
            select raw_key, stage from {BUILD_SCHEMA}.int_stage_names where stage is not null
            union
            select lower(trim(raw_stage)), lower(trim(stage)) from {RAW_SCHEMA}.stage_map
        )
        select stage, coalesce(raw_stage, raw_key) as raw_stage
        from meanings
        left join spelled using (raw_key)
        order by stage, raw_stage
    """
    names: dict[str, list[str]] = defaultdict(list)
    for row in records(connection, query):
        names[row["stage"]].append(row["raw_stage"])
    return names


def _unmapped(connection: DuckDBPyConnection) -> list[str]:
    """The raw stages that mean none here, as the marts show them: without addresses and numbers."""
    query = f"""
        select min(detail) as raw_stage
        from {BUILD_SCHEMA}.lifecycle_violations
        where rule = 'unmapped_stage'
        group by lower(trim(detail))
        order by raw_stage
    """
    return [row["raw_stage"] for row in records(connection, query)]


def _overrides(connection: DuckDBPyConnection) -> list[Row]:
    """The moves that the company decided otherwise, with the labels of their stages."""
    return records(
        connection,
        f"""
        select
            coalesce(origins.stage_label, overrides.from_stage) as from_label,
            coalesce(destinations.stage_label, overrides.to_stage) as to_label,
            overrides.is_valid,
            overrides.requires_reason
        from {POLICY_SCHEMA}.transition_overrides as overrides
        inner join {BUILD_SCHEMA}.int_run_policy using (tradition)
        left join {BUILD_SCHEMA}.dim_stages as origins on overrides.from_stage = origins.stage
        left join {BUILD_SCHEMA}.dim_stages as destinations
            on overrides.to_stage = destinations.stage
        order by origins.path_order nulls first, destinations.path_order
        """,
    )


def _tiers(tiers: list[Row], signals: list[Row]) -> list[Row]:
    """Each tier with the engagements that put a handoff into it."""
    return [
        {
            **tier,
            "signals": [
                row["signal"] for row in signals if row["intent_tier"] == tier["intent_tier"]
            ],
            "is_without_engagement": tier["intent_tier"] == TIER_WITHOUT_ENGAGEMENT,
        }
        for tier in tiers
    ]


def _reasons(connection: DuckDBPyConnection) -> list[Row]:
    """The reasons with the wordings that stand for them, those of a group together."""
    return records(
        connection,
        f"""
        select
            reasons.*,
            list(aliases.reason_raw order by aliases.reason_raw)
                filter (where aliases.reason_raw is not null) as written_as
        from {BUILD_SCHEMA}.dim_reasons as reasons
        left join {POLICY_SCHEMA}.reason_aliases as aliases using (reason_code)
        group by all
        order by reasons.reason_group, reasons.reason_code
        """,
    )


def _metrics(connection: DuckDBPyConnection) -> list[Row]:
    """The metrics: the named rates in the order of the tradition, then the others."""
    return records(
        connection,
        f"""
        select
            metrics.*,
            pairs.from_milestone,
            pairs.from_label,
            pairs.counted_milestone,
            pairs.to_milestone,
            pairs.to_label,
            case when pairs.metric is not null then run_policy.window_days end as window_days,
            targets.target_value,
            targets.better,
            targets.owner_team as target_team,
            targets.valid_from as target_from
        from {BUILD_SCHEMA}.metric_catalog as metrics
        cross join {BUILD_SCHEMA}.int_run_policy as run_policy
        left join {BUILD_SCHEMA}.int_conversion_pairs as pairs using (metric)
        left join {BUILD_SCHEMA}.int_targets as targets
            on metrics.metric = targets.metric
            and run_policy.as_of::date >= targets.valid_from
            and coalesce(run_policy.as_of::date < targets.valid_until, true)
        order by pairs.sort_order nulls last, metrics.mart, metrics.metric
        """,
    )


def _diagnostics(connection: DuckDBPyConnection) -> list[Row]:
    """The diagnostics in the order of the runbook, each with its usual ranges here."""
    benchmarks = defaultdict(list)
    for row in records(
        connection,
        f"""
        select benchmarks.*
        from {POLICY_SCHEMA}.benchmarks as benchmarks
        inner join {BUILD_SCHEMA}.int_run_policy as run_policy
            on benchmarks.acceptance_mode in ('any', run_policy.acceptance_mode)
        order by benchmarks.segment
        """,
    ):
        benchmarks[row["diagnostic"]].append(row)
    return [
        {**row, "benchmarks": benchmarks[row["diagnostic"]]}
        for row in _rows(connection, "int_diagnostics", "step, diagnostic")
    ]


def _watches(checks: Sequence[Check]) -> dict[str, list[Watch]]:
    """The checks by suite, each with the one of the last 30 days."""
    by_name = {check.name: check for check in checks}
    return {
        suite: [
            Watch(check, by_name.get(check.name + TRAILING_SUFFIX))
            for check in listed
            if not check.name.endswith(TRAILING_SUFFIX)
        ]
        for suite, listed in groupby(checks, key=lambda check: check.suite)
    }


def _signed(connection: DuckDBPyConnection) -> Row | None:
    """The newest signed version, with the build and the policy that it was first built with."""
    query = f"""
        select signed_version, policy_fingerprint, build_id
        from {QUALITY_SCHEMA}.policy_history
        where signed_version = (
            select coalesce(max(version), 0) from {POLICY_SCHEMA}.definition_versions
        )
    """
    try:
        found = records(connection, query)
    except duckdb.CatalogException:
        return None  # before the first audit
    return found[0] if found else None


def _teams(stages: list[Row]) -> list[str]:
    """Who signs: the teams in whose queues leads are before and after the handoff.

    The handoff itself is often both teams' (``both``), and what is won is nobody's queue here.
    """
    shared = {"handed_off", "won"}
    teams = (
        stage["owner_team"]
        for stage in stages
        if stage["milestone"] and stage["milestone"] not in shared and stage["owner_team"]
    )
    return list(dict.fromkeys(teams))
