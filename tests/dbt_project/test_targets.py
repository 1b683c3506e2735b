"""dbt without Handoff around it: its two targets, and the directory that the policy comes from."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from dagster_project.config.warehouse import DBT_PROJECT_DIR

POLICY = DBT_PROJECT_DIR.parent / "seeds" / "policy"
# As a spreadsheet leaves it: a byte order mark, other line ends, columns moved, blank lines.
EDITED = (
    '\ufeff"max_employees",min_employees,segment\r\n9,0,"Mom, Pop & Sons\'"\r\n,10,rest\r\n\r\n'
)


def test_policy_is_read_from_a_directory_by_name_and_targets_stay_apart(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.mkdir()
    (policy / "segments.csv").write_bytes(EDITED.encode())
    before = {path: path.read_bytes() for path in POLICY.glob("*.csv")}

    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "seed"),
            *("--target", "prod", "--select", "segments", "score_bands"),
            *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")),
        ],
        cwd=DBT_PROJECT_DIR,
        env={
            **os.environ,
            "HANDOFF_WAREHOUSE": str(tmp_path / "prod.duckdb"),
            "HANDOFF_DEV_WAREHOUSE": str(tmp_path / "dev.duckdb"),
            "HANDOFF_POLICY_DIR": str(policy),
            "DO_NOT_TRACK": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:]
    with duckdb.connect(str(tmp_path / "prod.duckdb"), read_only=True) as prod:
        segments = prod.execute("select * from policy.segments order by min_employees").fetchall()
        bands = prod.execute("select count(*) from policy.score_bands").fetchone()
    assert segments == [("Mom, Pop & Sons'", 0, 9), ("rest", 10, None)]
    # A table that the directory does not have is the project's own.
    assert bands == (len((POLICY / "score_bands.csv").read_text("utf-8").splitlines()) - 1,)
    assert not (tmp_path / "dev.duckdb").exists()
    assert {path: path.read_bytes() for path in POLICY.glob("*.csv")} == before
