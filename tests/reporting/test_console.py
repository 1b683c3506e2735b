"""Tables on the console: any text is shown as it is."""

import io
from datetime import UTC, datetime

import hypothesis.strategies as st
from hypothesis import example, given
from rich.console import Console

from dagster_project.config.plain_text import on_one_line
from dagster_project.reporting import comparison
from dagster_project.reporting.console import grid

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
