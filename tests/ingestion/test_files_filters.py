"""``where`` and ``only_when`` choose rows and values by what other cells hold."""

from typing import Any

import pytest

from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.settings import load_settings
from dagster_project.ingestion.files.load import check
from dagster_project.ingestion.files.settings import FilesSource

USERS = (
    "rep_id,name,Kind,Left on\n"
    "R1,Ada,Sales,\n"
    "R2,Bo, sales ,2026-01-01\n"
    "R3,Cy,Bot,\n"
    "R4,Di,,2026-02-01\n"
    "R5,Ed,\u00a0,\n"
)


def reading(where: dict[str, Any]) -> dict[str, Any]:
    return {"tables": {"reps": {"where": where}}}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"Kind": ["SALES"]}, ["R1", "R2"]),
        ({"Kind": ["Sales", "bot"]}, ["R1", "R2", "R3"]),
        ({"Kind": "filled"}, ["R1", "R2", "R3"]),
        ({"Kind": "empty"}, ["R4", "R5"]),
        ({"Kind": {"not": ["bot "]}}, ["R1", "R2", "R4", "R5"]),
        ({"kind": {"not": ["Bot", ""]}}, ["R1", "R2"]),
        ({"Kind": ["", "Bot"]}, ["R3", "R4", "R5"]),
        ({"Kind": ["Sales"], "Left on": "empty"}, ["R1"]),
        ({"Kind": "empty", "left  on": "filled"}, ["R4"]),
        ({"rep_id": {"not": ["R1"]}, "Kind": {"not": ["Sales"]}}, ["R3", "R4", "R5"]),
    ],
)
def test_rows_are_chosen(ingest, export, rows, where, expected):
    (export / "reps.csv").write_text(USERS)
    result = ingest(**reading(where))
    assert [item for (item,) in rows("select rep_id from raw.reps order by 1")] == expected
    assert result.tables["reps"].rows_read == len(expected)
    assert not any(note.severity == "warning" for note in result.notes)


def test_only_columns_that_nothing_asks_for_are_noted(ingest, export):
    (export / "reps.csv").write_text(USERS)
    result = ingest(**reading({"kind": ["Sales"]}))
    assert [note.message for note in result.notes] == [
        "reps.csv: columns that the contract does not know are kept in extra_columns: Left on",
        "reps.csv: 3 of 5 rows are left out by tables.reps.where",
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_of_typed_files_are_chosen(ingest, export, warehouse, rows, suffix):
    file = export / f"reps.{suffix}"
    form = "parquet" if suffix == "parquet" else "json"
    warehouse.execute(
        "copy (from (values ('R1', true, 1), ('R2', null, 20), ('R3', false, 3)) "
        f"as t(rep_id, active, level)) to '{file}' (format {form})"
    )
    ingest(**reading({"active": "filled", "level": {"not": ["3"]}}))
    assert rows("select rep_id from raw.reps") == [("R1",)]


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ({"Kind": "filled"}, ["Ada", "Bo", "Cy", None, None]),
        ({"Kind": {"not": ["Sales"]}}, [None, None, "Cy", "Di", "Ed"]),
        ({"Left on": "empty", "Kind": ["Sales"]}, ["Ada", None, None, None, None]),
    ],
)
def test_values_are_chosen(ingest, export, rows, beside, expected):
    (export / "reps.csv").write_text(USERS)
    ingest(tables={"reps": {"only_when": {"name": beside}}})
    assert [item for (item,) in rows("select name from raw.reps order by rep_id")] == expected


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        ({"Kind": ["Sails"]}, ["5 rows of reps.csv", "Kind: (empty) (2), Sales (2), Bot (1)"]),
        (
            {"Kind": ["Sails"], "Left on": "empty"},
            ["Kind: (empty) (2)", "Left on: (empty) (3), (filled) (2)"],
        ),
        ({"rep_id": {"not": ["R1", "R2", "R3", "R4", "R5"]}}, ["rep_id: R1 (1), R2 (1), R3 (1)"]),
        # Each fits some row, together they fit none.
        ({"Kind": ["Bot"], "Left on": "filled"}, ["Kind: ", "Left on: "]),
    ],
)
def test_filter_that_fits_no_row_is_noted_with_the_values_there(ingest, export, where, parts):
    header = USERS.partition("\n")[0]
    (export / "reps.csv").write_text(USERS.replace(" sales ", "Sales") + header)
    [note] = [note for note in ingest(**reading(where)).notes if note.severity == "warning"]
    source = FilesSource.model_validate({"kind": "files", "path": export, **reading(where)})
    [found] = [finding for finding in check(source) if finding.status == "warning"]
    assert found.message == note.message
    for part in ["tables.reps.where fits none of", *parts]:
        assert part in note.message


def test_values_of_a_filter_for_filled_cells_are_not_shown(ingest, export):
    (export / "reps.csv").write_text("rep_id,email\nR1,\nR2,\n")
    (export / "leads.csv").write_text("lead_id,created_at,email\nL1,2026-01-01,ada@example.com\n")
    where = {"leads": {"where": {"email": "empty"}}, "reps": {"where": {"email": "filled"}}}
    messages = " ".join(note.message for note in ingest(tables=where).notes)
    assert "email: (filled) (1)" in messages
    assert "ada@" not in messages


def test_filter_that_fits_rows_of_one_part_is_not_noted(ingest, export, rows):
    (export / "reps-1.csv").write_text(USERS)
    (export / "reps-2.csv").write_text("rep_id,Kind\nR9,Bot\n")
    result = ingest(tables={"reps": {"file": "reps-*.csv", "where": {"Kind": ["Sales"]}}})
    assert [item for (item,) in rows("select rep_id from raw.reps order by 1")] == ["R1", "R2"]
    assert [note.message for note in result.notes if "where" in note.message] == [
        "reps-1.csv, reps-2.csv: 4 of 6 rows are left out by tables.reps.where"
    ]


def test_filter_of_an_empty_file_is_not_blamed(ingest, export):
    (export / "reps.csv").write_text("rep_id,Kind\n")
    [note] = ingest(**reading({"Kind": ["Sales"]})).notes[-1:]
    assert note.message == "reps.csv: a header and no rows; the table is empty"


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("where", {"Typ": "filled"}),
        ("where", {"Kind": ["Sales"], "Typ": ["Sales"]}),
        ("only_when", {"name": {"Typ": {"not": ["Sales"]}}}),
    ],
)
def test_header_that_does_not_exist_is_an_error(ingest, export, key, given):
    (export / "reps.csv").write_text(USERS)
    with pytest.raises(SourceError) as caught:
        ingest(tables={"reps": {key: given}})
    for part in ["reps.csv: no column 'Typ'", f"tables.reps.{key}", "rep_id, name, Kind, Left on"]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("Sales", "write a list of values, filled, empty, or {not: [values]}"),
        ("{but: [Sales]}", "write a list of values, filled, empty, or {not: [values]}"),
        ("{not: Sales}", "write a list with at least one value"),
        ("[]", "write a list with at least one value"),
        ("[yes]", "put the value in quotes"),
        ("[{a: b}]", "valid string"),
    ],
)
def test_condition_of_another_shape_is_one_clear_line(tmp_path, given, problem):
    config = tmp_path / "handoff.yml"
    config.write_text(
        "sources: [{kind: files, path: ., tables: {reps: {where: {Kind: " + given + "}}}}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(config)
    [line] = caught.value.problems
    assert "sources.0.tables.reps.where.Kind" in line
    assert problem in line


def test_numbers_in_a_condition_are_texts(tmp_path):
    config = tmp_path / "handoff.yml"
    config.write_text(
        "sources: [{kind: files, path: ., tables: {reps: {where: {Level: [1, 20]}}}}]"
    )
    [source] = load_settings(config).sources
    assert source.tables["reps"].where["Level"].values == ["1", "20"]
