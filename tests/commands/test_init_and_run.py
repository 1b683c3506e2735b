"""From a CRM's exports to published marts: ``handoff run`` reads what ``init`` writes."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.config.warehouse import PUBLISHED_FILE
from tests.conftest import handoff
from tests.ingestion.test_discovery import HUBSPOT

pytestmark = pytest.mark.starts_runs


def test_a_hubspot_export_is_published_without_editing_anything(tmp_path: Path) -> None:
    exports, configuration, output = (tmp_path / name for name in ("exports", "own.yml", "out"))
    exports.mkdir()
    for name, text in HUBSPOT.items():
        (exports / name).write_text(text, "utf-8")

    proposed = handoff("init", "--from", exports, "--out", configuration)
    assert proposed.returncode == 0, proposed.stderr
    assert "HubSpot exports, tradition hubspot" in proposed.stdout
    assert "look at: stage_names: not known what these mean: Unqualified Person" in proposed.stdout

    arguments = ("--config", configuration, "--output", output, "--as-of", "2026-11-20")
    done = handoff("run", *arguments, "--audit", "warn")
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(output / "published" / PUBLISHED_FILE), read_only=True) as marts:
        found = marts.execute(
            """
            select
                lead_id, outcome, opportunity_amount, won_amount,
                cast(handed_off_at as varchar), handed_off_basis
            from marts.fct_lead_cycles
            order by lead_id, cycle_number
            """
        ).fetchall()
    assert found[0] == ("501", "won", 12000, 12000, "2026-01-09 11:30:00", "explicit")
    # Never an SQL by its own date: the deal is what says so.
    assert found[1] == ("502", "open", 1500.5, 0, "2026-02-01 09:00:00", "implied")
    # Unqualified by the status when it last changed, which was before the deal.
    assert found[2][:4] == ("503", "screened_out", 0, 0)
    assert found[3][:4] == ("503", "lost", None, 0)
