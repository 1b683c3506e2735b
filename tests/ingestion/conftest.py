"""A warehouse in memory and a directory for exports."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.ingestion.dispatch import ingest_source
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.ingestion.result import IngestionResult

Rows = list[tuple[Any, ...]]


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse in UTC."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """The directory of an export, with the smallest leads table."""
    directory = tmp_path / "export"
    directory.mkdir()
    (directory / "leads.csv").write_text("lead_id,created_at\nL1,2026-01-01T00:00:00Z\n")
    return directory


@pytest.fixture
def ingest(warehouse: duckdb.DuckDBPyConnection, export: Path) -> Callable[..., IngestionResult]:
    """Read the export, with what the test configures."""

    def run(**settings: Any) -> IngestionResult:
        source = FilesSource.model_validate({"kind": "files", "path": export, **settings})
        return ingest_source(warehouse, source)

    return run


@pytest.fixture
def rows(warehouse: duckdb.DuckDBPyConnection) -> Callable[[str], Rows]:
    """The answer to a query."""
    return lambda query: warehouse.execute(query).fetchall()
