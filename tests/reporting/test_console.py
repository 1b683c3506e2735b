"""Tables on the console: any text is shown as it is."""

import io
from datetime import UTC, datetime

import hypothesis.strategies as st
import pytest
from hypothesis import example, given
from rich.cells import cell_len
from rich.console import Console

from dagster_project.config.plain_text import on_one_line
from dagster_project.reporting import comparison
from dagster_project.reporting.console import grid, listed

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Mn", "Zs"]), min_size=1, max_size=40)


@given(TEXTS)
@example("[red]x[/] [/] :warning: [link=http://evil.invalid]y[/link]")
@example("\x1b[31mred\x9b0m")
def test_any_text_is_shown_as_it_is(text: str) -> None:
    console = Console(file=io.StringIO(), width=1000, force_terminal=True, color_system="truecolor")
    plain = on_one_line(text)
    console.print(grid(["lead", "what"], [("L-1", plain), ("L-2", "second")]))
    assert isinstance(console.file, io.StringIO)
    assert f"L-1   {plain}" in console.file.getvalue()


def test_a_comparison_shows_ids_as_they_are() -> None:
    build = {
        "tradition": "four_stage",
        "acceptance_mode": "explicit",
        "acceptance_window_hours": 48.0,
        "policy_fingerprint": "f" * 64,
        "definition_version": None,
    }
    figures = comparison.Figures(build, {}, {}, {("won",): 1}, {})
    ids = ["[red]L-1[/]", "\x1b[2J\rL-2"]
    changes = [("won", "lost", 2, ids)]
    console = Console(file=io.StringIO(), width=200, markup=False)
    moment = datetime(2026, 6, 30, tzinfo=UTC)
    compared = comparison.Comparison(moment, figures, figures, changes, 2)
    console.print(comparison.render(compared))
    assert isinstance(console.file, io.StringIO)
    assert r"[red]L-1[/], \x1b[2J\rL-2" in console.file.getvalue()


@pytest.mark.parametrize("width", [30, 60, 200])
def test_a_cut_text_is_one_line_and_says_so(width: int) -> None:
    console = Console(width=width, markup=False)
    texts = ["short", "as long as any sentence of a finding can be, " * 3, "two\nlines"]
    with console.capture() as capture:
        console.print(listed([("warned", text) for text in texts], cut=True))
    short, long, two = capture.get().splitlines()
    assert short.split() == ["warned", "short"]
    assert long.startswith("warned  as long as")
    assert long.rstrip().endswith("…") == (width < 150)
    assert cell_len(long) <= width
    assert two.split() == ["warned", r"two\nlines"]
