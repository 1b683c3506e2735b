"""The pages say what is there: the marts, the settings, the policy tables, the commands."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.main import get_command

from dagster_project.commands.app import app
from dagster_project.config.policy_tables import TABLES
from dagster_project.config.settings import Settings, load_settings
from dagster_project.ingestion.files.settings import (
    FilesSource,
    Lookup,
    StageDate,
    TableMapping,
)
from expectations.catalogue import known_checks
from tests.expectations.breaks import checks_of_rules

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
PROJECT_TEXTS = [
    path
    for folder in ("dagster_project", "dbt_project", "docs", "expectations", "seeds", "tests")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".md", ".py", ".sql", ".yml"} and "target" not in path.parts
]


def first_cells(text: str, header: str) -> set[str]:
    """The names in the first column of the table that begins with a header row."""
    rows = text.split(header, 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return {name.strip(" *`") for row in rows for name in row.split("|")[1].split(",")}


def test_table_of_marts_names_marts_that_there_are() -> None:
    models = ROOT / "dbt_project" / "models"
    marts = {path.stem for path in (*models.glob("marts/*/*.sql"), *models.glob("facts/*.sql"))}
    assert first_cells(README, "| mart | one row per | answers |") - marts == set()


def test_page_of_checks_names_checks_that_there_are() -> None:
    page = (ROOT / "docs" / "checks.md").read_text("utf-8")
    headers = re.findall(r"^\| check \|.*$", page, re.MULTILINE)
    named = {name for header in headers for name in first_cells(page, header)}
    assert named - known_checks().keys() == set()
    assert set(checks_of_rules().values()) <= named


def test_table_of_the_policy_names_every_table_and_no_other() -> None:
    page = (ROOT / "seeds" / "policy" / "README.md").read_text("utf-8")
    assert first_cells(page, "| table | says |") == set(TABLES)


def test_table_of_settings_names_every_section() -> None:
    for name, field in Settings.model_fields.items():
        assert re.search(rf"^\| {name}[ .]", README, re.MULTILINE), f"{name} is not in the README"
        section = field.annotation
        if name != "alerts" and isinstance(section, type) and issubclass(section, BaseModel):
            for key in section.model_fields:
                assert f"{name}.{key}" in README, f"{name}.{key} is not in the README"


def test_commands_that_the_readme_shows_exist() -> None:
    known = set(get_command(app).commands)  # type: ignore[attr-defined]  # a group
    shown = set(re.findall(r"(?:`|^|^\$ )handoff ([a-z]+)", README, re.MULTILINE))
    assert {"run", "doctor", "explain"} <= shown
    assert shown <= known, shown - known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


FILES_PAGE = (ROOT / "docs" / "sources" / "files.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("section", "heading"),
    [
        (FilesSource, "Keys of a source"),
        (TableMapping, "Keys of a table"),
        (Lookup, "A value in another file"),
        (StageDate, "Stage dates"),
    ],
)
def test_page_of_files_has_every_key_with_an_example(
    section: type[BaseModel], heading: str
) -> None:
    text = FILES_PAGE.split(f"### {heading}\n", 1)[1].split("\n### ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    keys = {key for first, *_ in rows for key in re.findall(r"`(\w+)`", first)}
    assert keys == {field.alias or name for name, field in section.model_fields.items()}
    assert all(re.fullmatch(r"`\w+: .+`", example) for *_, example in rows)


@pytest.mark.parametrize("seed", ["activity_kinds", "signals"])
def test_page_of_files_lists_the_kinds_and_signals_of_the_policy(seed: str) -> None:
    path = ROOT / "seeds" / "policy" / f"{seed}.csv"
    for line in path.read_text("utf-8").splitlines()[1:]:
        assert f"`{line.split(',')[0]}`" in FILES_PAGE, line


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", FILES_PAGE, re.DOTALL))
def test_examples_of_the_page_of_files_are_valid(example: str, tmp_path: Path) -> None:
    config = tmp_path / "handoff.yml"
    config.write_text(example, encoding="utf-8")
    assert load_settings(config).sources


def test_anchors_that_the_project_names_exist() -> None:
    for page in ("lifecycle", "contracts"):
        headings = re.findall(
            r"^#+ (.+)$", (ROOT / "docs" / f"{page}.md").read_text("utf-8"), re.MULTILINE
        )
        anchors = {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}
        for file in PROJECT_TEXTS:
            for anchor in re.findall(rf"{page}\.md#([\w-]+)", file.read_text("utf-8")):
                assert anchor in anchors, f"{file.relative_to(ROOT)}: {page}.md#{anchor}"
