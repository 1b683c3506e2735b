"""Freshness: how old the assets that sources fill, and those that BI reads, may be."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg

from dagster_project.alerting.clock import longest_wait
from dagster_project.assets.published import PUBLISHED_KEY
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import RAW_SCHEMA


def freshness_window(settings: Settings, now: datetime | None = None) -> timedelta:
    """How old an asset may be: as ``alerts.stale_after_hours`` says, else one and a half times
    the longest time between two runs of the schedule."""
    if settings.alerts.stale_after_hours is not None:
        return timedelta(hours=settings.alerts.stale_after_hours)
    return longest_wait(settings.schedule, now or datetime.now(UTC)) * 1.5


def with_freshness(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec], settings: Settings
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets, with a freshness policy on those that sources fill or BI reads."""
    policy = dg.FreshnessPolicy.time_window(fail_window=freshness_window(settings))

    def add(spec: dg.AssetSpec) -> dg.AssetSpec:
        is_source = (spec.group_name or "").startswith(RAW_SCHEMA)
        if spec.key == PUBLISHED_KEY or is_source:
            return spec.replace_attributes(freshness_policy=policy)
        return spec

    return [
        item.map_asset_specs(add) if isinstance(item, dg.AssetsDefinition) else item
        for item in assets
    ]
