"""Texts for terminals and comments: what acts is written out, all else stays."""

import unicodedata

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dagster_project.config.plain_text import on_one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich, 東京, نص, 👩‍💻\n\tx", "Zürich, 東京, نص, 👩‍💻\n\tx"),
        ("1\u00a0000\u202f€", "1\u00a0000\u202f€"),
        ("\x1b[31mred\x9b0m", r"\x1b[31mred\x9b0m"),
        ("all is well\rdropped", r"all is well\rdropped"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("a\u2028b\ufeff\ue0001", "a\\u2028b\\ufeff\ue0001"),
    ],
)
def test_what_acts_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_any_text_is_shown_and_does_nothing(text: str) -> None:
    shown = printable(text)
    left = {unicodedata.category(sign) for sign in set(shown) - set("\n\t\u200c\u200d")}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text
    assert len(on_one_line(text).splitlines()) <= 1
