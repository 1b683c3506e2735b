"""A ledger in the ``sources`` of ``handoff.yml``."""

from pathlib import Path
from typing import Literal

from dagster_project.config.sources import SourceSection


class LedgerSource(SourceSection):
    """A CSV file of people. ``path``: where it is."""

    kind: Literal["ledger"]
    name: str = "ledger"
    path: Path


Source = LedgerSource
