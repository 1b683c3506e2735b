"""The doctor names what is broken in a real set-up, and how to fix it."""

import io
import socket
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from dagster_project.commands import doctor
from dagster_project.config.errors import ConfigError
from dagster_project.config.settings import Settings, load_settings
from dagster_project.config.warehouse import POLICY_DIR, connect, warehouse_path
from dagster_project.ingestion.diagnosis import Finding
from dagster_project.running.output_lock import LOCK_FILE


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDOFF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("HANDOFF_HASH_KEY", raising=False)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A CRM export with a single lead."""
    directory = tmp_path / "export"
    directory.mkdir()
    (directory / "leads.csv").write_text("lead_id,created_at\nL1,2026-01-01\n", "utf-8")
    return directory


def configured(tmp_path: Path, export: Path, **sections: object) -> Settings:
    """Settings as a user's file would give them."""
    content = {
        "warehouse": {"output": str(tmp_path / "out")},
        "sources": [{"kind": "files", "name": "crm", "path": str(export)}],
        **sections,
    }
    path = tmp_path / "handoff.yml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return load_settings(path)


def in_area(findings: list[Finding], area: str) -> list[Finding]:
    return [finding for finding in findings if finding.area == area]


def the_only(findings: list[Finding], area: str) -> Finding:
    (finding,) = in_area(findings, area)
    return finding


def test_a_sound_set_up_has_nothing_to_fix(tmp_path: Path, export: Path) -> None:
    findings = doctor.examine(configured(tmp_path, export), tmp_path / "handoff.yml")
    assert {finding.status for finding in findings} == {"ok"}
    assert doctor.exit_code(findings) == 0
    areas = [finding.area for finding in findings]
    assert list(dict.fromkeys(areas)) == [
        "configuration",
        "policy",
        "output",
        "source crm",
        "stages",
        "dagster",
        "privacy",
    ]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "home").exists()


def test_a_former_name_of_a_check_is_a_warning(tmp_path: Path, export: Path) -> None:
    checks = {"rejected_leads_are_recycled": {"warn": 0.3}}
    findings = doctor.examine(configured(tmp_path, export, checks=checks), tmp_path / "handoff.yml")
    warning, sources = in_area(findings, "configuration")
    assert (warning.status, sources.status) == ("warning", "ok")
    assert "rejected_and_disqualified_leads_are_recycled now" in warning.message


def test_what_the_last_run_noticed_is_said_again(tmp_path: Path, export: Path) -> None:
    settings = configured(tmp_path, export)
    warehouse = warehouse_path(settings.warehouse.output)
    warehouse.parent.mkdir(parents=True)
    with connect(warehouse) as connection:
        connection.execute("create schema quality")
        connection.execute(
            """
            create table quality.notes as
            select
                'crm' as source_system, kind, severity, kind_rank, place, note, row_count, samples,
                what_to_do
            from (
                values
                    ('no_stage', 'warning', 1, 'leads', 'no lead has a stage', 2, null, 'map it'),
                    ('unmapped_stages', 'warning', 2, 'stages', 'unknown', 2, 'Foo', 'map them'),
                    ('rows_in_quarantine', 'warning', 3, 'leads.created_at', 'unreadable', 1200,
                        'soon', 'see quality.quarantine'),
                    ('never_filled', 'info', 4, null, 'no owners', null, null, null)
            ) as notes (kind, severity, kind_rank, place, note, row_count, samples, what_to_do)
            """
        )
    found = in_area(doctor.examine(settings), "last run")
    assert [(finding.status, finding.message, finding.fix) for finding in found] == [
        ("warning", "crm: leads: no lead has a stage (2)", "map it"),
        (
            "warning",
            "crm: leads.created_at: unreadable (1,200), such as soon",
            "see quality.quarantine",
        ),
    ]


def test_no_source_is_a_warning(tmp_path: Path, export: Path) -> None:
    findings = doctor.examine(configured(tmp_path, export, sources=[]))
    assert the_only(findings, "configuration").status == "warning"
    assert doctor.exit_code(findings) == 0


def test_a_map_to_no_stage(tmp_path: Path, export: Path) -> None:
    source = {"kind": "files", "name": "crm", "path": str(export)}
    sources = [{**source, "stage_names": {"Demo": "demo_done", "Junk": "ignored"}}]
    findings = doctor.examine(configured(tmp_path, export, sources=sources))
    unknown = the_only(findings, "configuration")
    assert unknown.message == (
        "source crm: 'Demo' is mapped to 'demo_done', which is not a stage of the policy"
    )
    assert "sql" in unknown.fix
    assert doctor.exit_code(findings) == 2


def test_broken_policy_and_unknown_tradition(tmp_path: Path, export: Path) -> None:
    policy_dir = Path(copytree(POLICY_DIR, tmp_path / "policy"))
    aliases = policy_dir / "stage_aliases.csv"
    aliases.write_text("raw_stage,stage\nDemo,demo_done\n", "utf-8")
    lifecycle = {"policy_dir": str(policy_dir)}
    finding = the_only(doctor.examine(configured(tmp_path, export, lifecycle=lifecycle)), "policy")
    assert finding.status == "error"
    assert finding.message == (f"{aliases}, row 2: stage 'demo_done' is not in stages.csv")
    assert finding.fix == "name a stage of any tradition"

    lifecycle = {"tradition": "hubpsot"}
    finding = the_only(doctor.examine(configured(tmp_path, export, lifecycle=lifecycle)), "policy")
    assert "hubspot" in finding.message
    assert finding.fix.startswith("set lifecycle.tradition")


def test_output_that_cannot_be_written(tmp_path: Path, export: Path) -> None:
    (tmp_path / "taken").write_text("a file", "utf-8")
    warehouse = {"output": str(tmp_path / "taken" / "out")}
    findings = doctor.examine(configured(tmp_path, export, warehouse=warehouse))
    finding = the_only(findings, "output")
    assert finding.status == "error"
    assert finding.message.endswith(f"{tmp_path}/taken is a file")
    assert doctor.exit_code(findings) == 2


def test_output_that_another_run_holds(tmp_path: Path, export: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, filelock\n"
            "with filelock.FileLock(sys.argv[1]):\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.read()\n",
            str(output / LOCK_FILE),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        held = the_only(doctor.examine(configured(tmp_path, export)), "output")
    finally:
        holder.communicate("")
    assert held.status == "warning"
    assert held.message == f"another run holds {output}"
    assert the_only(doctor.examine(configured(tmp_path, export)), "output").status == "ok"


def test_export_is_looked_at_without_being_loaded(tmp_path: Path, export: Path) -> None:
    (export / "leads.csv").write_text(
        "lead_id,created_at,favourite_colour\n" + "L1,2026-01-01,red\n" * 70_000, "utf-8"
    )
    (export / "stage_changes.csv").write_text("lead_id,to_stage\nL1,MQL\n", "utf-8")
    findings = doctor.examine(configured(tmp_path, export))
    found = in_area(findings, "source crm")
    assert [finding.status for finding in found] == ["ok", "error", "ok", "warning", "ok"]
    leads, changes, unknown, ids, absent = (finding.message for finding in found)
    assert leads.startswith("leads: leads.csv, about 6")
    assert "required column changed_at of table stage_changes is missing" in changes
    assert "favourite_colour" in unknown
    assert ids.startswith("leads.csv: lead_id: 70,000 rows share 1 id (for example L1)")
    assert absent.startswith("without activities, engagements")
    assert doctor.exit_code(findings) == 3
    assert not (tmp_path / "out").exists()


def test_ids_that_differ_by_case_are_two(tmp_path: Path, export: Path) -> None:
    ids = ["00QA0000001abcD", "00QA0000001aBcD", "00QA0000001abcDMAQ", "l1", "L1"]
    rows = "".join(f"{lead},2026-01-01\n" for lead in ids)
    (export / "leads.csv").write_text(f"lead_id,created_at\n{rows}", "utf-8")
    found = in_area(doctor.examine(configured(tmp_path, export)), "source crm")
    [shared] = [item.message for item in found if "share" in item.message]
    assert "2 rows share 1 id (for example 00QA0000001abcD)" in shared


def test_export_that_is_not_there(tmp_path: Path, export: Path) -> None:
    findings = doctor.examine(configured(tmp_path, export / "nowhere"))
    finding = the_only(findings, "source crm")
    assert finding.status == "error"
    assert "no such directory" in finding.message


def test_source_that_cannot_be_reached_is_told_apart(
    tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.delenv("SALESFORCE_CLIENT_ID", raising=False)
    monkeypatch.delenv("SALESFORCE_CLIENT_SECRET", raising=False)
    sources = [{"kind": "salesforce", "domain": f"127.0.0.1:{port}"}]
    findings = doctor.examine(configured(tmp_path, export, sources=sources))
    problems = in_area(findings, "source salesforce")
    assert {finding.status for finding in problems} == {"error"}
    assert "SALESFORCE_CLIENT_ID" in problems[0].message
    assert doctor.exit_code(findings) == 3


def test_short_hash_key_is_a_warning_that_does_not_show_it(
    tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDOFF_HASH_KEY", "hunter2")
    finding = the_only(doctor.examine(configured(tmp_path, export)), "privacy")
    assert finding.status == "warning"
    assert "hunter2" not in f"{finding.message}{finding.fix}"
    monkeypatch.setenv("HANDOFF_HASH_KEY", "x" * 32)
    assert the_only(doctor.examine(configured(tmp_path, export)), "privacy").status == "ok"


def test_home_that_cannot_be_written(
    tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "file"))
    finding = the_only(doctor.examine(configured(tmp_path, export)), "dagster")
    assert finding.status == "error"
    assert "DAGSTER_HOME" in finding.fix


@pytest.fixture
def last_run(tmp_path: Path, export: Path) -> Settings:
    """Settings whose last run met raw stages that no map knows."""
    settings = configured(tmp_path, export)
    settings.warehouse.output.mkdir()
    with connect(warehouse_path(settings.warehouse.output)) as warehouse:
        warehouse.execute(
            """
            create schema build;
            create table build.int_contract__stage_changes as
            select * from (values
                ('crm', 'SQL'), ('crm', 'Sales-Accepted'), ('crm', ' sales-accepted'),
                ('crm', 'PQR'), ('crm', 'Nurture: phase 2'),
                ('crm', 'Zombie: "undead"'), ('crm', 'Junk'), ('old', 'Oportunity')
            ) as changes (source_system, to_stage);
            create table build.int_contract__leads as
            select 'crm' as source_system, 'Sales-Accepted' as current_stage;
            create table build.int_stage_names as
            select * from (values
                ('crm', 'sql', 'sql', false), ('crm', 'junk', null, true),
                ('crm', 'sales-accepted', null, null), ('crm', 'zombie: "undead"', null, null),
                ('crm', 'pqr', null, null), ('crm', 'nurture: phase 2', null, null),
                ('old', 'oportunity', null, null)
            ) as names (source_system, raw_key, stage, is_ignored);
            """
        )
    return settings


def test_raw_stages_that_no_map_knows_are_listed(last_run: Settings) -> None:
    findings = in_area(doctor.examine(last_run), "stages")
    assert [finding.message for finding in findings] == [
        "source crm: raw stages that no map knows: 'Sales-Accepted' (3), 'Nurture: phase 2' (1), "
        "'PQR' (1), 'Zombie: \"undead\"' (1)",
        "source old: raw stages that no map knows: 'Oportunity' (1)",
    ]
    assert all("--write-stage-map" in finding.fix for finding in findings)


def test_proposed_stage_map_can_be_copied_into_the_configuration(
    last_run: Settings, tmp_path: Path
) -> None:
    target = tmp_path / "stage_map.yml"
    assert "5 raw stages" in doctor.write_proposed_stage_map(last_run, target)
    proposal = target.read_text("utf-8")
    crm, old = yaml.safe_load(proposal)["sources"]
    assert old == {"name": "old", "kind": "files", "stage_names": {"Oportunity": "opportunity"}}
    assert crm["stage_names"] == {"Sales-Accepted": "sal", "Nurture: phase 2": "nurture"}
    assert "      # PQR: <stage>  # 1 rows" in proposal
    assert "      # 'Zombie: \"undead\"': <stage>  # 1 rows" in proposal
    filled = proposal.replace("      # ", "      ").replace("<stage>", "rejected")
    assert yaml.safe_load(filled)["sources"][0]["stage_names"]['Zombie: "undead"'] == "rejected"


def test_proposal_overwrites_nothing_and_needs_something_to_propose(
    last_run: Settings, tmp_path: Path
) -> None:
    target = tmp_path / "stage_map.yml"
    target.write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="already exists"):
        doctor.write_proposed_stage_map(last_run, target)
    assert target.read_text("utf-8") == "mine"
    with connect(warehouse_path(last_run.warehouse.output)) as warehouse:
        warehouse.execute("update build.int_stage_names set stage = 'sql'")
    with pytest.raises(ConfigError, match="nothing to propose"):
        doctor.write_proposed_stage_map(last_run, tmp_path / "other.yml")
    assert the_only(doctor.examine(last_run), "stages").status == "ok"


def test_report_for_the_console_shows_every_finding() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, quiet=False, file=io.StringIO())
    console.print(
        doctor.render([Finding("error", "the [key] is wrong", "fix it so", "configuration")])
    )
    shown = console.export_text()
    assert "the [key] is wrong" in shown
    assert "fix: fix it so" in shown
