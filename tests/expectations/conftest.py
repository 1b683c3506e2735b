"""A clean warehouse to break, and the checks run on it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from expectations.catalogue import Suite, suites
from expectations.check import read_outcome
from expectations.observation import Observation
from expectations.validation import validate
from tests.expectations.clean_warehouse import write_clean_warehouse


@pytest.fixture(scope="session")
def clean_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clean") / "warehouse.duckdb"
    write_clean_warehouse(path)
    return path


@pytest.fixture
def failing(clean_warehouse: Path, tmp_path: Path) -> Callable[..., dict[str, Observation]]:
    """Break a copy of the clean warehouse with SQL; gives the checks that do not pass, by name.

    ``of``: the check that the break is about. Its suite runs through Great Expectations; of the
    other suites, whose data is as it was, the same queries run without it, which is ten times
    faster. Without ``of`` everything runs through it.
    """

    def run(sql: str, of: str | None = None) -> dict[str, Observation]:
        path = tmp_path / "warehouse.duckdb"
        shutil.copyfile(clean_warehouse, path)
        with duckdb.connect(str(path)) as connection:
            connection.execute(sql)
            thorough = [
                suite
                for suite in suites()
                if of is None or of in {check.name for check in suite.checks}
            ]
            observations = [
                observation
                for suite in suites()
                if suite not in thorough
                for observation in _directly(connection, suite)
            ]
        observations += validate(tuple(thorough), path)
        return {item.check.name: item for item in observations if item.status != "passed"}

    return run


def _directly(connection: duckdb.DuckDBPyConnection, suite: Suite) -> list[Observation]:
    observations = []
    for check in suite.checks:
        answer = connection.execute(check.outcome_query())
        names = [column[0] for column in answer.description]
        row = dict(zip(names, answer.fetchall()[0], strict=True))
        found = read_outcome(row, check.part, check.hidden_key)
        status = check.judge(found.observed, found.cases)
        observations.append(
            Observation(suite.name, check, status, found.observed, found.cases, found.broken)
        )
    return observations
