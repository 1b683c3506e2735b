"""The tutorial, as it is written: its commands are run, its edits made, its output compared.

What a block of the page means is told by its language, and by the file that the line above names:

- ``console``: a line with ``$`` is a command, the lines below are what it prints. A line ``...``
  stands for any lines, ``…`` for any text within one; spaces between words do not count.
- ``csv``, ``yaml``: lines to add to the end of that file.
- ``diff``: lines of that file, those with a plus to be added among them.
- ``sql``: a query on the published marts; ``text``: its result, in the block below.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dagster_project.config.warehouse import PROJECT_ROOT, PUBLISHED_FILE
from tests.alerting.receivers import HttpReceiver

pytestmark = pytest.mark.starts_runs

PAGE = PROJECT_ROOT / "docs" / "tutorial.md"
PUBLISHED = Path("var", "export", "published", PUBLISHED_FILE)
# The variable that the page gives the address of a chat; here it is that of the receiver.
CHAT = "HANDOFF_CHAT"
BLOCK = re.compile(
    r"(?P<above>[^\n]*)\n+```(?P<language>[a-z]+)\n(?P<content>.*?)^```$", re.M | re.S
)


@pytest.fixture
def chat() -> Iterator[HttpReceiver]:
    """Where the tutorial's alerts go."""
    receiver = HttpReceiver()
    yield receiver
    receiver.close()


def test_tutorial_works_as_it_is_written(tmp_path: Path, chat: HttpReceiver) -> None:
    reader = Reader(tmp_path, chat.url)
    asked = ""
    for block in BLOCK.finditer(PAGE.read_text("utf-8")):
        content = block["content"]
        match block["language"]:
            case "console":
                for command in re.split(r"^\$ ", content, flags=re.M)[1:]:
                    reader.type(*command.split("\n", 1))
            case "csv" | "yaml":
                reader.add(_file_in(block["above"]), content)
            case "diff":
                reader.change(_file_in(block["above"]), content)
            case "sql":
                asked = content
            case "text":
                reader.ask(asked, content)

    # What was wrong before there was a channel is listed, and told to nobody.
    assert chat.titles == [
        "Test of the channel sales_chat",
        "New warning for sales: 6 accepted leads neither qualified nor out (23.1% of 26)",
        "New warning for sales: 2 disqualifications without a reason (11.8% of 17)",
    ]

    found = reader.marts(
        """
        select
            lead_id, outcome, opportunity_amount, won_amount,
            cast(handed_off_at as varchar), handed_off_basis
        from marts.fct_lead_cycles
        order by lead_id, cycle_number
        """
    )
    assert found[0] == ("501", "won", 12000, 12000, "2026-01-09 11:30:00", "explicit")
    # Never an SQL by its own date: the deal is what says so.
    assert found[1] == ("502", "open", 1500.5, 0, "2026-02-01 09:00:00", "implied")
    # Unqualified by the status when it last changed, which was before the deal.
    assert found[2][:4] == ("503", "screened_out", 0, 0)
    assert found[3][:4] == ("503", "lost", None, 0)


def _file_in(line: str) -> str:
    """The file that the line above a block names."""
    return re.findall(r"`([\w/]+\.\w+)`", line)[-1]


class Reader:
    """Someone who does what the page says, in an empty directory."""

    def __init__(self, directory: Path, chat: str) -> None:
        self.directory = directory / "first_hour"
        self.directory.mkdir()
        # The page has the checkout in the home directory, and its environment active.
        (directory / "handoff").symlink_to(PROJECT_ROOT)
        self.environment = {
            **os.environ,
            "HOME": str(directory),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(PROJECT_ROOT),
            "COLUMNS": "80",
        }
        self.chat = chat

    def type(self, command: str, shown: str) -> None:
        """Run a command; it succeeds and prints what the page shows."""
        if command.startswith("export "):
            assert command.startswith(f"export {CHAT}="), command
            self.environment[CHAT] = self.chat
            return
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert re.fullmatch(_pattern(shown), _plain(done.stdout)), (
            f"{command}\nprinted\n{done.stdout}\nand the page has\n{shown}"
        )

    def add(self, file: str, lines: str) -> None:
        """Add lines to the end of a file."""
        path = self.directory / file
        text = path.read_text("utf-8")
        path.write_text(text + ("" if text.endswith("\n") else "\n") + lines, "utf-8")

    def change(self, file: str, lines: str) -> None:
        """Add the lines with a plus between the lines around them, which are there once."""
        path = self.directory / file
        text = path.read_text("utf-8")
        marked = lines.splitlines(keepends=True)
        old = "".join(line[1:] for line in marked if line[0] != "+")
        assert text.count(old) == 1, f"{file} has not once:\n{old}\nbut\n{text}"
        path.write_text(text.replace(old, "".join(line[1:] for line in marked)), "utf-8")

    def ask(self, query: str, shown: str) -> None:
        """Ask the marts; the result is what the page shows."""
        rows = ["  ".join(map(str, row)) for row in self.marts(query)]
        assert _plain("\n".join(rows)) == _plain(shown), query

    def marts(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query on the published marts."""
        with duckdb.connect(str(self.directory / PUBLISHED), read_only=True) as connection:
            return connection.execute(query).fetchall()


def _plain(text: str) -> str:
    """Lines with one space between words, and no blank lines."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def _pattern(shown: str) -> str:
    """What output has to look like."""
    pattern = ""
    for line in _plain(shown).splitlines():
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.split("…"))) + r"\n"
    return pattern
