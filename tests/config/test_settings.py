"""What is wrong with ``handoff.yml`` is one line that names the key and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.config.crm_links import CrmLinks
from dagster_project.config.errors import ConfigError
from dagster_project.config.settings import Settings, load_settings
from dagster_project.config.sources import source_kinds
from dagster_project.ingestion.files.settings import FilesSource


def load(tmp_path: Path, text: str) -> FilesSource:
    """The first source of a configuration."""
    path = tmp_path / "handoff.yml"
    path.write_text(text, "utf-8")
    source = load_settings(path).sources[0]
    assert isinstance(source, FilesSource)
    return source


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-06-30", "2026-06-30"),
        ("2026-06-30T06:00:00Z", "2026-06-30T06:00:00+00:00"),
        ("'2026-06-30T06:00:00Z'", "2026-06-30T06:00:00Z"),
    ],
)
def test_moment_of_an_export_is_read_as_text(tmp_path: Path, written: str, read: str) -> None:
    source = load(tmp_path, f"sources: [{{kind: files, path: here, as_of: {written}}}]")
    assert (source.as_of, source.path) == (read, tmp_path / "here")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[{kind: files, path: a}, {kind: files, path: b}]",
            "sources.1: two are called 'files'; rename one",
        ),
        (
            "[{kind: files, path: a}, {kind: files, name: b, path: b, as_of: 2026-06-30}]",
            "sources.1.as_of: only where the source is the only one",
        ),
        (
            "[{kind: fax, path: a}]",
            f"sources.0: kind 'fax' is not a source kind; allowed: {', '.join(source_kinds())}",
        ),
        (
            "[{kind: files, path: a, as_of: soon}]",
            "sources.0.as_of: not a time; use 2026-06-30 or 2026-06-30T00:00:00Z (got 'soon')",
        ),
        (
            "[{kind: files, path: a, stage_dates: [{stage: mql, column: x, tz: UTC}]}]",
            "sources.0.stage_dates.0.tz: unknown key; allowed here: column, delimiter, encoding, "
            "file, lead_id, sheet, stage, time_format",
        ),
        (
            "[{kind: landed, name: a, crm: hubspot, tool: dlt, schema: s, hubspot: {stage: []}}]",
            "sources.0.hubspot.stage: unknown key; allowed here: columns, lead_reason_property, "
            "loss_reason_property, objects, reason_property, signals, stages",
        ),
    ],
)
def test_problem_names_its_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, f"sources: {text}")
    assert raised.value.problems == [f"{tmp_path}/handoff.yml: {problem}"]
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("tables.leads.time_formats.created_at", "%d.%Q", "'%d.%Q' is not a strptime format ("),
        ("tables.leads.time_formats.created_at", "dd.mm.yyyy", "'dd.mm.yyyy' has no year (%Y or"),
        ("tables.leads.time_formats.created_at", ["%Y", "%H:%M"], "'%H:%M' has no year (%Y or"),
        ("tables.leads.time_formats.created_at", 5, "write a format such as %d/%m/%Y, or a list"),
        ("stage_dates.0.time_format", "%", "'%' is not a strptime format (Trailing format"),
    ],
)
def test_wrong_format_of_times_is_found_before_a_file_is_read(
    tmp_path: Path, setting: str, value: Any, problem: str
) -> None:
    stage_date = {"stage": "mql", "column": "x"}
    source: dict[str, Any] = {"kind": "files", "path": "no_such_directory"}
    if setting.startswith("tables"):
        source["tables"] = {"leads": {"time_formats": {"created_at": value}}}
    else:
        source["stage_dates"] = [{**stage_date, "time_format": value}]
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, yaml.safe_dump({"sources": [source]}))
    (said,) = raised.value.problems
    assert said.startswith(f"{tmp_path}/handoff.yml: sources.0.{setting}: {problem}")
    assert "use one such as %d/%m/%Y" in said or value == 5


def test_currency_is_a_code(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, "lifecycle: {currency: Dollar}")
    assert raised.value.problems == [
        f"{tmp_path}/handoff.yml: lifecycle.currency: not a currency's ISO 4217 code; use one such "
        "as USD or EUR (got 'Dollar')"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "alerts: {lead_url: 'https://crm.example.com/{lead_id}'}",
            "alerts.lead_url: this key is crm_links.lead now; write at the top level of the file "
            "crm_links: {lead: 'https://crm.example.com/leads/{lead_id}'}",
        ),
        (
            "alerts: {lead_urls: {crm: 'https://crm.example.com/{lead_id}'}}",
            "alerts.lead_urls: these are crm_links.sources now; write at the top level of the file "
            "crm_links: {sources: {SOURCE: {lead: 'https://crm.example.com/leads/{lead_id}'}}}",
        ),
        ("crm_links: {lead: 'javascript:alert(1)//{lead_id}'}", "crm_links.lead: not an address"),
        ("crm_links: {lead: '//crm/{lead_id}'}", "crm_links.lead: not an address"),
        ("alerts: {report_url: files.example.com}", "alerts.report_url: not an address"),
        ("alerts: {report_url: 's3://files/report'}", "alerts.report_url: not an address"),
        ("alerts: {report_url: 'https://a.example.com/r?sig=x'}", "alerts.report_url: an address"),
        (
            "alerts: {report_url: 'https://a.example.com/index.html'}",
            "alerts.report_url: a page, not the folder that it is in; use the folder's address",
        ),
        ("crm_links: {lead: 'http:///{lead_id}'}", "crm_links.lead: not an address"),
        (
            'crm_links: {lead: "java\\nscript:alert(1)//{lead_id}"}',
            "crm_links.lead: an address has neither spaces nor line breaks",
        ),
        (
            "crm_links: {lead: 'https://{lead_id}.example.com/{lead_id}'}",
            "crm_links.lead: the id can't be a part of the host",
        ),
        (
            "crm_links: {opportunity: 'https://crm.example.com/{lead_id}'}",
            "crm_links.opportunity: the id goes where it says {opportunity_id}",
        ),
        ("crm_links: {lead: 'https://a.example/{{lead_id}}'}", "crm_links.lead: the id goes where"),
        ("crm_links: {lead: 'https://a.example/'}", "crm_links.lead: the id goes where it says"),
        (
            "crm_links: {sources: {hubspto: {}}}\nsources: [{kind: files, name: hubspot, path: a}]",
            "crm_links.sources.hubspto: no source is called so; sources here: hubspot",
        ),
    ],
)
def test_wrong_link_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "handoff.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        load_settings(path)
    (said,) = raised.value.problems
    assert said.startswith(f"{path}: {problem}")


def test_links_lead_to_the_record_of_its_source() -> None:
    links = CrmLinks.model_validate(
        {
            "lead": "https://crm.example.com/leads/{lead_id}",
            "opportunity": "https://crm.example.com/deals?id={opportunity_id}&tab=1",
            "sources": {"hubspot": {"lead": "https://hubspot.example.com/0-1/{lead_id}#top"}},
        }
    )
    assert links.address("files", "lead_id", "a/../b?c#d e") == (
        "https://crm.example.com/leads/a%2F..%2Fb%3Fc%23d%20e"
    )
    assert links.address("hubspot", "lead_id", "7") == "https://hubspot.example.com/0-1/7#top"
    deal = "https://crm.example.com/deals?id=O%261&tab=1"
    assert links.address("hubspot", "opportunity_id", "O&1") == deal
    assert links.address("files", "cycle_number", "1") is None
    assert links.address("files", "lead_id", "anna@example.com") is None
    assert CrmLinks().address("files", "lead_id", "7") is None


def test_secret_in_place_of_a_variable_name_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, "alerts: {channels: {mail: {url_env: 'mailto://me:hunter2@acme.example'}}}")
    assert "alerts.channels.mail.url_env: name an environment variable" in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("", None),
        ("https://a.example.com/report", "https://a.example.com/report/"),
        ("https://a.example.com/report/", "https://a.example.com/report/"),
    ],
)
def test_pages_are_found_in_the_folder_of_the_report(given: str, address: str | None) -> None:
    settings = Settings.model_validate({"alerts": {"report_url": given}})
    assert settings.alerts.report_url == address
