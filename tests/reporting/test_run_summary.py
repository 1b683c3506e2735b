"""The end of a run is one screen; what it leaves out is in ``handoff status``; both count alike."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dagster_project.commands.app import app
from dagster_project.commands.run import print_end
from dagster_project.config.errors import AuditBlocked
from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.reporting.build_figures import last_build
from dagster_project.reporting.console import lines_of
from dagster_project.reporting.run_summary import SCREEN, run_summary
from expectations.check import STATUS_WORDS, TRAILING_SUFFIX, counted

pytestmark = pytest.mark.starts_runs

WIDTHS = (60, 80, 120, 200)
ALERTS = ["Alerts: 5 opened, 12 worse, 17 messages sent (handoff alerts list)"]
LONG = "Whoever asks for a demo waits until Monday for the first call: 55 % (118 of 213 of them)"


@pytest.fixture(scope="module")
def worse(golden_output: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with as much to say as there can be, and with checks that block."""
    output = tmp_path_factory.mktemp("worse") / "out"
    shutil.copytree(golden_output, output, ignore=shutil.ignore_patterns("dagster", "cache"))
    report = output / "published" / "report"
    report.mkdir(exist_ok=True)
    for page in ("index.html", "definitions.html"):
        (report / page).write_text("a page")
    with connect(warehouse_path(output)) as warehouse:
        warehouse.execute(
            f"""
            insert into build.what_stands_out (place, status, sentence, next_step)
            select n, 'act', '{LONG}; usual: at most 20 %', 'Route them to whoever is free'
            from range(1, 6) as numbers(n);
            insert into quality.notes by name
            select
                'files' as source_system, 'rows_in_quarantine' as kind, 'warning' as severity,
                1 as kind_rank, 'stage_changes.changed_at' as place,
                'not a time' || n as reason, 'not a time' as note, 10 + n as row_count,
                'soon' as samples, 'name its format in the mapping' as what_to_do
            from range(3) as numbers(n);
            update quality.check_results set status = 'blocked'
            where check_name in (
                select check_name from quality.check_results where status = 'warned' limit 4
            )
            """
        )
    return output


@pytest.fixture
def empty(golden_output: Path, tmp_path: Path) -> Path:
    """A build without a single lead: nothing is judged, and nothing is noted."""
    output = tmp_path / "empty"
    output.mkdir()
    shutil.copyfile(warehouse_path(golden_output), warehouse_path(output))
    with connect(warehouse_path(output)) as warehouse:
        for table in ("build.fct_lead_cycles", "build.lifecycle_violations", "quality.notes"):
            warehouse.execute(f"delete from {table}")
        warehouse.execute("update quality.check_results set status = 'not_judged'")
    return output


def printed(
    output: Path,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *blocking: str,
) -> list[str]:
    """The lines that a run ends with, on both streams."""
    monkeypatch.setenv("COLUMNS", str(width))
    print_end(output, AuditBlocked(blocking) if blocking else None, ALERTS)
    lines = capsys.readouterr().out.splitlines()
    return [*lines, *(f"handoff: {line}" for line in blocking)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["golden", "worse", "held back"])
def test_a_run_ends_on_one_screen(
    kind: str,
    width: int,
    golden_output: Path,
    worse: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocking = [
        f"check {name}_have_a_reason of fct_lead_stages blocks: 28.6% (2 of 7) over the whole "
        "history; warns above 0%, blocks above 20%"
        for name in ("rejected_leads", "lost_leads")
    ]
    told = blocking if kind == "held back" else []
    output = golden_output if kind == "golden" else worse
    lines = printed(output, width, monkeypatch, capsys, *told)
    # On a narrow terminal paths and messages take more lines, and still nearly a screen.
    assert lines_of(lines, width) <= (SCREEN if width >= 80 else 28)
    said = "\n".join(lines)
    assert "Funnel to date" in said
    assert "cycles +implied" in said
    assert "of the one before" in said
    # However few findings there is room for, none of them is cut before its figure.
    shown = re.findall("Whoever asks for a demo", said)
    assert " ".join(said.split()).count("55 % (118 of 213 of them); usual: at most 20 %") == len(
        shown
    )
    # Shown, or where there is no room for it, counted.
    assert re.search("Noticed|notes" if kind == "golden" else "What stands out|findings", said)
    assert "(handoff status)" in " ".join(said.split())
    assert str(output / "data_docs" / "index.html") in said
    if kind == "held back":
        assert "Nothing was published; readers keep build" in said
        return
    assert str(output / "published" / "lead_lifecycle.duckdb") in said
    assert any(re.fullmatch(r"Published although .+ \(--audit warn\):", line) for line in lines)
    if kind == "worse":
        report = output / "published" / "report" / "index.html"
        assert f"{report}, definitions.html beside it" in said
    figures = last_build(output)
    assert figures is not None
    # However little room there is, what holds a build back is named.
    for check in figures.not_passing("blocked", "errored"):
        assert check["check_name"] in said


def test_more_checks_that_block_than_fit_are_all_named(worse: Path) -> None:
    summary = run_summary(worse, lines=5)
    figures = last_build(worse)
    assert summary is not None
    assert figures is not None
    console = Console(width=80, markup=False)
    with console.capture() as capture:
        console.print(summary)
    names = [check["check_name"] for check in figures.not_passing("blocked")]
    assert len(names) > 4
    assert all(name in capture.get().replace("\n", " ") for name in names)


def test_what_warns_most_comes_first_and_each_check_once(golden_output: Path) -> None:
    figures = last_build(golden_output)
    summary = run_summary(golden_output, lines=100)
    assert figures is not None
    assert summary is not None
    console = Console(width=200, markup=False)
    with console.capture() as capture:
        console.print(summary)
    shown = re.findall(r"^  warned +(\w+): .*?\((\d+) of", capture.get(), re.MULTILINE)
    assert len(shown) == 3
    rows = [int(count) for _, count in shown]
    most = max(check["failing_rows"] for check in figures.not_passing("warned"))
    assert rows == sorted(rows, reverse=True)
    assert rows[0] == most
    assert len({name.removesuffix(TRAILING_SUFFIX) for name, _ in shown}) == 3


def test_an_empty_build_has_its_end(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "\n".join(printed(empty, 80, monkeypatch, capsys, "there is no lead"))
    assert "Checks: 0 passed, 0 warned, 0 blocked" in said
    assert "nothing stands out; judged" in said
    assert "Nothing was published, and nothing was before" in said
    assert "broken rule" not in said


@pytest.mark.parametrize("no_color", [False, True])
def test_colours_are_for_what_does_not_pass(
    no_color: bool, golden_output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    console = Console(width=80, force_terminal=True, color_system="standard", markup=False)
    with console.capture() as capture:
        console.print(run_summary(golden_output))
    coloured = re.findall(r"\x1b\[(?:\d;)*3[0-7]m(\w+)", capture.get())
    assert ({"warned", "blocked"} <= set(coloured)) is not no_color
    assert ("\x1b[3" in capture.get()) is not no_color


def status_of(output: Path, width: int = 80) -> str:
    done = CliRunner(env={"COLUMNS": str(width)}).invoke(app, ["status", "--output", str(output)])
    assert done.exit_code == 0, done.output
    return done.output


def test_status_has_everything_that_was_found(golden_output: Path) -> None:
    said = status_of(golden_output)
    figures = last_build(golden_output)
    assert figures is not None
    flat = " ".join(said.split())
    for check in figures.not_passing("blocked", "errored", "warned"):
        assert f"{check['status']} {check['check_name']}: {check['message']}" in flat
    for row in figures.broken_rules:
        assert f"{row['rule']} {row['severity']} {row['findings']}" in flat
    for note in figures.noticed:
        assert note["note"] in flat
        assert note["what_to_do"] in flat
    for note in figures.quarantined:
        assert note["reason"] in flat
        assert note["what_to_do"] in flat
    for row in figures.rows_read:
        read, quarantined = row["rows_read"], row["rows_quarantined"]
        assert f"{row['table_name']} {read:,} {quarantined:,}" in flat
    build = figures.build["build_id"]
    assert re.search(rf"Kept builds .*{build} {'2026-06-30T00:00:00Z'} published", flat)


def test_status_is_80_columns_wide_but_for_paths(golden_output: Path) -> None:
    wide = [line for line in status_of(golden_output).splitlines() if lines_of([line], 80) > 1]
    assert all(str(golden_output) in line for line in wide)


def test_status_says_what_holds_the_last_build_back_and_what_is_published(
    golden_output: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    output.mkdir()
    shutil.copyfile(warehouse_path(golden_output), warehouse_path(output))
    shutil.copytree(golden_output / "published", output / "published")
    manifest = json.loads((output / "published" / "manifest.json").read_text())
    path = output / "published" / "manifest.json"
    path.write_text(json.dumps({**manifest, "build_id": "20260101T000000-earlier1"}))
    said = status_of(output)
    assert "build      20260101T000000-earlier1" in said
    assert f"The last build is not published: {manifest['build_id']}" in said
    assert "blocked  rejected_leads_have_a_reason" in said
    assert "Checks of the published build: " in said


def counts_in(text: str) -> Counter[str]:
    """The counts that a sentence names, by word."""
    words = "|".join(STATUS_WORDS.values())
    return Counter({word: int(count) for count, word in re.findall(rf"(\d+) ({words})", text)})


def test_checks_are_counted_alike_wherever_they_are_counted(golden_output: Path) -> None:
    manifest = json.loads((golden_output / "published" / "manifest.json").read_text())
    expected = Counter(
        {
            STATUS_WORDS[status]: count
            for status, count in counted(check["status"] for check in manifest["checks"]).items()
        }
    )
    with connect(warehouse_path(golden_output), read_only=True) as warehouse:
        results = warehouse.execute("select check_name, status from quality.check_results")
        status_by_name = dict(results.fetchall())
        incidents = warehouse.execute(
            "select check_name from quality.alerts where state = 'open'"
        ).fetchall()
    assert counted(status_by_name.values()) == counted(
        check["status"] for check in manifest["checks"]
    )
    end = golden_output.with_suffix(".said").read_text("utf-8")
    for page in (end, status_of(golden_output)):
        (line,) = re.findall(r"^Checks: (.*)$", page, re.MULTILINE)
        assert counts_in(line) == expected
    index = (golden_output / "data_docs" / "index.html").read_text("utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", "", index.split("</ul>")[0]))
    assert +counts_in(text) == +expected
    # An incident is a check that does not pass, its two windows together.
    assert {name for (name,) in incidents} == {
        name.removesuffix(TRAILING_SUFFIX)
        for name, status in status_by_name.items()
        if status in {"warned", "blocked", "errored"}
    }
    assert all(test["status"] == "passed" for test in manifest["data_tests"])
    assert len(manifest["data_tests"]) > 20
    assert "fail" not in end


ISO = re.compile(r"^\d{4}-\d\d-\d\d([T ].*)?$")


def moments(data: Any) -> list[str]:
    """Every text of plain data that begins like a time."""
    if isinstance(data, dict):
        return [text for value in data.values() for text in moments(value)]
    if isinstance(data, list):
        return [text for value in data for text in moments(value)]
    return [data] if isinstance(data, str) and ISO.match(data) else []


def documented(command: str) -> list[str]:
    """The keys that docs/contracts.md promises of a command's JSON."""
    page = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| `{command} --json` \|(.*)\|$", page, re.MULTILINE)
    return re.findall(r"`(\w+)`", row)


@pytest.mark.parametrize(
    "arguments", [["status"], ["explain", "happy_path"]], ids=lambda arguments: arguments[0]
)
def test_json_has_the_documented_keys_and_nothing_else_on_stdout(
    arguments: list[str], golden_output: Path
) -> None:
    done = CliRunner().invoke(app, [*arguments, "--json", "--output", str(golden_output)])
    assert done.exit_code == 0
    data = json.loads(done.stdout)
    assert set(documented(arguments[0])) <= set(data)
    assert len(moments(data)) > 2
    # A date is one; a time says that it is UTC.
    assert all(re.fullmatch(r"[\d-]{10}(T[\d:.]+Z)?", text) for text in moments(data))


def test_json_of_a_lead_has_the_rows_of_the_marts(golden_output: Path) -> None:
    done = CliRunner().invoke(
        app, ["explain", "happy_path", "--json", "--output", str(golden_output)]
    )
    data = json.loads(done.stdout)
    with connect(warehouse_path(golden_output), read_only=True) as warehouse:
        columns = warehouse.execute("describe build.fct_lead_cycles").fetchall()
    assert list(data) == documented("explain")
    (cycle,) = data["cycles"]
    assert set(cycle) == {name for name, *_ in columns} | {"why", "in_words"}
    assert cycle["why"]["accepted"].startswith("explicit: visit")
    assert cycle["in_words"]["first_touch"]


def test_json_keeps_the_exit_code(golden_output: Path, tmp_path: Path) -> None:
    unknown = CliRunner().invoke(
        app, ["explain", "nobody", "--json", "--output", str(golden_output)]
    )
    assert unknown.exit_code != 0
    assert unknown.stdout == ""
    config = tmp_path / "handoff.yml"
    config.write_text("sources: [{kind: files, name: crm, path: nowhere}]\n")
    doctor = CliRunner().invoke(app, ["doctor", "--json", "--config", str(config)])
    data = json.loads(doctor.stdout)
    assert list(data) == documented("doctor")
    assert doctor.exit_code == data["exit_code"] == 3
    assert {"status", "area", "message", "fix"} == set(data["findings"][0])
