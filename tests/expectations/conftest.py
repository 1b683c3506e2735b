"""A clean warehouse to break, and the checks run on it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from expectations.catalogue import suites
from expectations.check import Outcome
from expectations.validation import validate
from tests.conftest import handoff, made_once
from tests.expectations.clean_export import AS_OF, TRADITION, write_clean_export

# As if the same export had been read the day before too, which some checks compare with; and the
# cases of the rules as a table, so that a test can change them.
_PREPARE = """
create table quality.changeable_cases as from quality.rule_cases;
drop view quality.rule_cases;
alter table quality.changeable_cases rename to rule_cases;
update quality.column_history set build_number = 2;
insert into quality.column_history by name
select * replace (1 as build_number, 'before' as build_id) from quality.column_history;
insert into quality.row_history by name
select * replace ('before' as build_id, ran_at - interval 1 day as ran_at)
from quality.row_history;
delete from quality.check_results;
"""

Audit = Callable[..., dict[str, Outcome]]


@pytest.fixture(scope="session")
def clean_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse of a run over the clean export, in small blocks: every test copies it."""

    def run(directory: Path) -> None:
        write_clean_export(directory / "export")
        done = handoff(
            *("run", "--input", directory / "export", "--output", directory / "output"),
            *("--tradition", TRADITION, "--as-of", AS_OF.isoformat()),
        )
        assert done.returncode == 0, done.stderr
        with duckdb.connect() as connection:
            made = directory / "output" / "warehouse.duckdb"
            connection.execute(f"attach '{made}' as warehouse (read_only)")
            connection.execute(
                f"attach '{directory / 'warehouse.duckdb'}' as small (block_size 16384)"
            )
            connection.execute("copy from database warehouse to small; use small")
            connection.execute(_PREPARE)

    return made_once(tmp_path_factory, "clean", run) / "warehouse.duckdb"


@pytest.fixture
def audit(clean_warehouse: Path, tmp_path: Path) -> Audit:
    """Change a copy of the clean warehouse with SQL and run the named checks on it."""

    def run(sql: str, *names: str) -> dict[str, Outcome]:
        path = tmp_path / "warehouse.duckdb"
        shutil.copyfile(clean_warehouse, path)
        with duckdb.connect(str(path)) as connection:
            connection.execute(sql)
        asked = [suite.restricted_to(frozenset(names)) for suite in suites()]
        outcomes = validate(tuple(suite for suite in asked if suite.checks), path)
        return {outcome.check.name: outcome for outcome in outcomes}

    return run
