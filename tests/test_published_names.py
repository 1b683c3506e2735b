"""What is published keeps its names: BI reports and other people's SQL rely on them."""

import csv
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "dbt_project" / "models"
COMMITTED = ROOT / "tests" / "published_names.csv"


def contracts() -> set[tuple[str, str, str]]:
    """Mart, column and type of every enforced contract, as the YAML files of the models say."""
    files = (*MODELS.glob("facts/*__models.yml"), *MODELS.glob("marts/*/*__models.yml"))
    return {
        (model["name"], column["name"], column["data_type"])
        for file in files
        for model in yaml.safe_load(file.read_text("utf-8"))["models"]
        if model.get("access") != "protected"
        for column in model["columns"]
    }


def test_published_names_are_the_committed_ones() -> None:
    with COMMITTED.open(encoding="utf-8", newline="") as file:
        committed = {(row["mart"], row["column"], row["type"]) for row in csv.DictReader(file)}
    lines = [f"+ {','.join(name)}" for name in sorted(contracts() - committed)]
    lines += [f"- {','.join(name)}" for name in sorted(committed - contracts())]
    assert not lines, "\n".join(
        [
            "The published names differ from tests/published_names.csv.",
            "A new column or mart: add its + lines to the file.",
            "A name that went or changed its type (-) breaks its readers: keep it, or give the",
            "model a version (docs.getdbt.com/docs/mesh/govern/model-versions), list the change",
            "in CHANGELOG.md and take its line out of the file.",
            *lines,
        ]
    )
