"""What is published keeps its names: BI reports and other people's SQL rely on them."""

import csv
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
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


def committed() -> set[tuple[str, str, str]]:
    """The names that readers may rely on."""
    with COMMITTED.open(encoding="utf-8", newline="") as file:
        return {(row["mart"], row["column"], row["type"]) for row in csv.DictReader(file)}


def test_published_names_stay() -> None:
    broken = [f"- {','.join(name)}" for name in sorted(committed() - contracts())]
    assert not broken, "\n".join(
        [
            "Readers of the marts rely on names that are gone or changed their type:",
            *broken,
            "Keep them, or give the model a version (docs.getdbt.com, model versions), list it in",
            "CHANGELOG.md and take the lines out of tests/published_names.csv.",
        ]
    )


# Columns of rows that overlap, or that can't be summed.
NOT_ADDED = re.compile(
    "dimension|period|requirement|threshold|segment|.*(rate|share|auc)|median_.*"
)


def test_marts_that_must_not_be_summed_say_so() -> None:
    """BI shows the description beside the table."""
    files = [
        yaml.safe_load(file.read_text("utf-8")) for file in MODELS.glob("marts/*/*__models.yml")
    ]
    silent = {
        model["name"]
        for content in files
        for model in content["models"]
        if any(NOT_ADDED.fullmatch(column["name"]) for column in model["columns"])
        and "Report: do not aggregate again" not in model["description"]
    }
    # One row per lead, or per sentence.
    assert silent == {"nurture_queue", "what_stands_out"}


def add_new_names(known: set[tuple[str, str, str]]) -> None:
    """Write the list with the marts and columns that were added since; a release does so."""
    with COMMITTED.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("mart", "column", "type"))
        writer.writerows(sorted(known | contracts()))


if __name__ == "__main__":
    add_new_names(committed())
