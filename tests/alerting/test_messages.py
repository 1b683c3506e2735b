"""The bodies of messages: any text in them is text, in HTML and in plain."""

import re
from html.parser import HTMLParser
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dagster_project.alerting.messages import body_of, clean, html_of, without_markup

# What a parser of HTML makes other signs of, and what `clean` leaves out.
TEXTS = st.text().map(clean)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def document(text: str) -> dict[str, Any]:
    """A message that says a text in every place."""
    return {
        "kind": "grown",
        "severity": "error",
        "title": without_markup(text),
        "lead": text,
        "facts": [["Now", text]],
        "todo": text,
        "items": [
            {"text": text, "url": "https://crm.example.com/a", "is_new": True},
            {"text": text, "url": None, "newest": [{"text": text, "url": None}], "todo": text},
        ],
        "more": 1200,
        "links": [["Checks", "/out/index.html"], ["Run", "https://dagster.example.com/runs/1"]],
        "reference": text,
    }


@given(TEXTS)
def test_any_text_is_text_in_html(text: str) -> None:
    read = _Reader()
    read.feed(html_of(document(text)))
    assert read.tags == ["div"] + (["p", "em"] if text else []) + [
        *("p", "strong"),
        *(["p", "strong"] if text else []),
        *("ul", "li", "em", "a", "li", "strong", "br"),
        *(["br"] if text else []),
        *("li", "p", "a"),
    ]
    assert read.links == ["https://crm.example.com/a", "https://dagster.example.com/runs/1"]
    assert f"Now: {text}" in read.text
    assert read.text.count(text) >= 7
    assert "and 1,200 more" in read.text


@pytest.mark.parametrize(
    ("kind", "severity", "colour"),
    [
        ("opened", "error", "#d03b3b"),
        ("opened", "warning", "#d08a00"),
        ("resolved", "error", "#2e8b57"),
        ("digest", "error", "#7a7a7a"),
    ],
)
def test_the_band_of_a_mail_tells_how_bad_it_is(kind: str, severity: str, colour: str) -> None:
    said = document("text") | {"kind": kind, "severity": severity}
    assert re.findall(r"border-left: 4px solid (#\w+)", html_of(said)) == [colour]


@given(TEXTS)
def test_any_text_is_on_its_line_in_plain(text: str) -> None:
    said = document(text)
    assert f"Now: {text}" in body_of(said).splitlines()
    sent = body_of(said, without_markup).splitlines()
    assert f"- new: {without_markup(text)} https://crm.example.com/a" in sent
    assert not set(without_markup(text)) & set("<>[]*`@")
