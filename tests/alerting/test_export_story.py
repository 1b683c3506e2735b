"""Real runs over an export that changes tell exactly what changed, by HTTP and by mail.

``test_story`` has what time and people change, on builds that are cheaper.
"""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from dagster_project.running.publishing import MANIFEST_FILE, NO_LEAD, PUBLISHED_DIRECTORY
from tests.alerting.conftest import Company
from tests.conftest import handoff

pytestmark = pytest.mark.starts_runs

# Fewer leads than checks of the source and diagnostics ask for: only the reasons change.
LEADS = 24


def _write_export(directory: Path, without_reason: int, leads: int = LEADS) -> None:
    """Leads that sales rejected yesterday, so many of them without a reason.

    ``leads``: how many of them the file of the leads has.
    """
    directory.mkdir(exist_ok=True)
    yesterday = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    yesterday -= timedelta(days=1)
    moments = [(yesterday - timedelta(days=days)).isoformat() for days in (20, 10, 0)]
    created, qualified, rejected = moments
    with (directory / "leads.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["lead_id", "created_at", "current_stage", "updated_at"])
        rows.writerows([f"L-{n:02d}", created, "rejected", rejected] for n in range(leads))
    with (directory / "stage_changes.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["change_id", "lead_id", "changed_at", "from_stage", "to_stage", "reason"])
        for n in range(LEADS):
            reason = "" if n < without_reason else "no_budget"
            rows.writerow([f"C-{n}-1", f"L-{n:02d}", qualified, "lead", "mql", ""])
            rows.writerow([f"C-{n}-2", f"L-{n:02d}", rejected, "mql", "rejected", reason])


def test_runs_over_a_changing_export(company: Company, tmp_path: Path) -> None:
    config, export = tmp_path / "handoff.yml", tmp_path / "export"

    def run(without_reason: int, *, is_empty: bool = False) -> str:
        channels = {"chat": {"url_env": "TEST_CHAT_URL"}, "mail": {"url_env": "TEST_MAIL_URL"}}
        config.write_text(
            yaml.safe_dump(
                {
                    "warehouse": {"output": str(company.output)},
                    "sources": [{"kind": "files", "name": "crm", "path": str(export)}],
                    "checks": {
                        name: {"block": 0.9}
                        for name in (
                            "rejected_leads_have_a_reason",
                            "rejected_leads_have_a_reason_last_30_days",
                        )
                    },
                    "alerts": {"channels": channels},
                }
            )
        )
        _write_export(export, without_reason, 0 if is_empty else LEADS)
        done = handoff("run", "--config", config)
        assert done.returncode == is_empty, done.stderr
        return done.stderr

    told: list[list[str]] = []

    def note() -> None:
        told.append(company.chat.titles[sum(map(len, told)) :])

    run(12)
    note()
    manifest = company.output / PUBLISHED_DIRECTORY / MANIFEST_FILE
    good = manifest.read_bytes()
    said = run(0, is_empty=True)
    assert manifest.read_bytes() == good
    status = handoff("status", "--config", config).stdout
    note()
    run(0)
    note()

    opened, emptied, resolved = told
    wrong = "rejections without a reason"
    assert opened == [f"New warning for sales: 12 {wrong} (50% of 24)"]
    # A file with a header and no rows: held back, with the cause first, and nothing is resolved.
    first, noticed, *_ = [line for line in said.splitlines() if line.startswith("handoff: ")]
    assert first == f"handoff: {NO_LEAD}"
    assert "leads.csv: a header and no rows; the table is empty" in noticed
    status = " ".join(status.split())
    assert "The last build is not published: " in status
    assert f"error {NO_LEAD}" in status
    assert "leads.csv: a header and no rows; the table is empty" in status
    vanished = "100% of the rows of leads are gone"
    assert {f"New error for data: {what}" for what in (NO_LEAD, vanished)} <= set(emptied)
    assert not [title for title in emptied if not title.startswith("New ")]
    assert {title.partition(": ")[2] for title in resolved} == {
        f"12 {wrong} (50% of 24)",
        *(title.partition(": ")[2] for title in emptied),
    }
    assert all(title.startswith("Resolved after ") for title in resolved)
    assert [mail["Subject"] for mail in company.mails] == company.chat.titles
