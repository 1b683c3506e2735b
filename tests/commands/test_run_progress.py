"""What a run shows while it runs is text, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from dagster_project.commands.run_progress import RunProgress
from dagster_project.running.progress import Happening


@pytest.mark.parametrize("is_terminal", [True, False])
def test_names_of_sources_and_files_are_no_markup(is_terminal: bool) -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=is_terminal, width=200)
    with RunProgress(console, verbose=True).shown() as progress:
        progress(Happening("step", "read_sources"))
        progress(Happening("note", "reading [/] [red]x[/red] :warning: \x1b[2J\r.csv"))
        progress(Happening("notice", "published is a copy of the build"))
        progress(Happening("step_end", "read_sources", 1.0))
    shown = said.getvalue()
    assert r"reading [/] [red]x[/red] :warning: \x1b[2J\r.csv" in shown or is_terminal
    assert "\x1b[2J" not in shown
    assert "a copy of the build" in shown
    assert "⚠" not in shown
