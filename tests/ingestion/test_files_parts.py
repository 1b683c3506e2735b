"""A table comes from several files: lists, patterns, and members of ZIP archives."""

import random
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from dagster_project.automation.file_sensor import file_fingerprint
from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.settings import load_settings
from dagster_project.ingestion.dispatch import ingest_source
from dagster_project.ingestion.files.client import Export
from dagster_project.ingestion.files.load import check
from dagster_project.ingestion.files.settings import FilesSource
from tests.warehouse import Warehouse, project

CALLS = (
    "select activity_id, source_file, source_row "
    "from raw.activities join raw.files using (file_id) order by all"
)


def calls(*ids: str) -> str:
    """A file of activities."""
    lines = [f"{item},L1,call,2026-02-0{at}\n" for at, item in enumerate(ids, start=1)]
    return "activity_id,lead_id,kind,occurred_at\n" + "".join(lines)


def archive(path: Path, members: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in members.items():
            target.writestr(name, text)


def activities(*names: str) -> dict[str, dict[str, object]]:
    return {"activities": {"file": list(names)}}


@pytest.mark.parametrize(
    "named", ["calls-*.csv", ["calls-1.csv", "calls-2.csv"], ["calls-2.csv", "calls-?.csv"]]
)
def test_parts_are_one_table_and_lineage_names_each(ingest, export, rows, named):
    (export / "calls-1.csv").write_text(calls("A", "B"))
    (export / "calls-2.csv").write_text(calls("C"))
    (export / "calls-3.csv.part").write_text(calls("unfinished"))
    (export / ".calls-4.csv").write_text(calls("hidden"))
    result = ingest(tables={"activities": {"file": named}})
    assert rows(CALLS) == [
        ("A", "calls-1.csv", 2),
        ("B", "calls-1.csv", 3),
        ("C", "calls-2.csv", 2),
    ]
    table = result.tables["activities"]
    assert (sorted(table.files), table.rows_read) == (["calls-1.csv", "calls-2.csv"], 3)


def test_pattern_reaches_into_directories(ingest, export, rows):
    for month in ("2026-01", "2026-02"):
        (export / month).mkdir()
        (export / month / "calls.csv").write_text(calls(month))
    ingest(tables=activities("2026-*/calls.csv"))
    assert rows(CALLS) == [("2026-01", "2026-01/calls.csv", 2), ("2026-02", "2026-02/calls.csv", 2)]


def test_name_that_looks_like_a_pattern_is_a_name_where_the_file_exists(ingest, export, rows):
    (export / "calls [1].csv").write_text(calls("A"))
    (export / "calls 1.csv").write_text(calls("B"))
    ingest(tables=activities("calls [1].csv"))
    assert rows(CALLS) == [("A", "calls [1].csv", 2)]


def test_parts_may_differ_in_delimiter_columns_and_format(ingest, export, rows):
    (export / "calls-1.csv").write_text(calls("A").replace(",", ";"))
    (export / "calls-2.csv").write_text("occurred_at,lead_id,activity_id\n2026-02-01,L1,B\n")
    (export / "calls-3.jsonl").write_text(
        '{"activity_id": "C", "lead_id": "L1", "occurred_at": "2026-02-01"}\n'
    )
    ingest(tables=activities("calls-*"))
    assert rows("select activity_id, kind from raw.activities order by 1") == [
        ("A", "call"),
        ("B", None),
        ("C", None),
    ]


def test_part_may_lack_an_optional_column_that_another_part_has(ingest, export, rows):
    (export / "people-1.csv").write_text("Id,Created,Owner,Old,Won\nL1,2026-01-01,Ann,L9,\n")
    (export / "people-2.csv").write_text("Id,Created,owner_id\nL2,2026-01-02,not mapped\n")
    (export / "people-3.csv").write_text("Id,Created,Won\nL3,2026-01-03,2026-02-01\n")
    (export / "users.csv").write_text("Name,Id\nAnn,U1\n")
    columns = {"lead_id": "Id", "created_at": "Created", "owner_id": "Owner"}
    settings = {
        "tables": {
            "leads": {
                "file": "people-*.csv",
                "columns": columns,
                "lookups": {"owner_id": {"file": "users.csv", "key": "Name", "value": "Id"}},
                "only_when": {"owner_id": {"Old": "filled"}},
                "merged_ids": "Old",
            }
        },
        "stage_dates": [{"stage": "customer", "column": "Won"}],
    }
    result = ingest(**settings)
    leads = (
        "select lead_id, owner_id, extra_columns->>'$.\"~merged_ids\"' from raw.leads order by 1"
    )
    assert rows(leads) == [
        ("L1", "U1", "L9"),
        ("L2", None, None),
        ("L3", None, None),
    ]
    assert rows("select lead_id, changed_at from raw.stage_changes") == [("L3", "2026-02-01")]
    noted = [note.message for note in result.notes if "no column" in note.message]
    assert sorted(noted) == [
        f"no column {name!r} in {files}, which people-1.csv has; their rows have no value there"
        for name, files in [
            ("Old", "2 of 3 files (people-2.csv, people-3.csv)"),
            ("Owner", "2 of 3 files (people-2.csv, people-3.csv)"),
            ("Won", "1 of 3 files (people-2.csv)"),
        ]
    ]
    source = FilesSource.model_validate({"kind": "files", "path": export, **settings})
    warnings = [finding.message for finding in check(source) if finding.status == "warning"]
    assert sorted(warnings) == sorted(noted)
    for column in ("title", "lead_id"):
        settings["tables"]["leads"]["columns"] = {**columns, column: "Nobody has it"}
        with pytest.raises(SourceError, match=f"Nobody has it.*tables.leads.columns.{column}"):
            ingest(**settings)


def test_part_without_a_required_column_is_refused(ingest, export):
    (export / "people-1.csv").write_text("Id,Created\nL1,2026-01-01\n")
    (export / "people-2.csv").write_text("Id\nL2\n")
    columns = {"lead_id": "Id", "created_at": "Created"}
    with pytest.raises(SourceError, match=r"people-2.csv: no column 'Created'.*columns.created_at"):
        ingest(tables={"leads": {"file": "people-*.csv", "columns": columns}})


def test_all_parts_of_a_snapshot_replace_the_earlier_load(ingest, export, rows):
    (export / "calls-1.csv").write_text(calls("A"))
    (export / "calls-2.csv").write_text(calls("B"))
    ingest(tables=activities("calls-*.csv"))
    (export / "calls-1.csv").unlink()
    (export / "calls-2.csv").write_text(calls("B", "C"))
    ingest(tables=activities("calls-*.csv"))
    assert [item for item, *_ in rows(CALLS)] == ["B", "C"]
    current = "select source_file from raw.loads where is_current and table_name = 'activities'"
    assert rows(current) == [("calls-2.csv",)]


def test_appended_parts_are_loaded_once_each(ingest, export, rows):
    (export / "calls-1.csv").write_text(calls("A"))
    ingest(tables=activities("calls-*.csv"), mode="append")
    (export / "calls-2.csv").write_text(calls("B"))
    result = ingest(tables=activities("calls-*.csv"), mode="append")
    assert [item for item, *_ in rows(CALLS)] == ["A", "B"]
    table = result.tables["activities"]
    assert (table.files, table.skipped_files) == (("calls-2.csv",), ("calls-1.csv",))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.randoms(use_true_random=False))
def test_parts_equal_one_file(tmp_path_factory, parts: int, choice: random.Random):
    """Whatever the split, and with rows that two parts repeat, the same rows arrive."""

    lines = [f"{at},L{at % 3},call,2026-02-01" for at in range(20)]
    split: list[list[str]] = [[] for _ in range(parts)]
    for line in lines:
        choice.choice(split).append(line)
    directory = tmp_path_factory.mktemp("export")
    (directory / "leads.csv").write_text("lead_id,created_at\nL1,2026-01-01\n")
    header = "activity_id,lead_id,kind,occurred_at"
    for at, part in enumerate(split):
        (directory / f"part-{at}.csv").write_text("\n".join([header, *part]) + "\n")
    source = FilesSource.model_validate(
        {"kind": "files", "path": directory, "tables": activities("part-*.csv")}
    )
    with duckdb.connect() as connection:
        result = ingest_source(connection, source)
        read = connection.execute("select activity_id from raw.activities").fetchall()
    assert sorted(int(item) for (item,) in read) == list(range(20))
    assert result.tables["activities"].rows_read == 20


def test_row_that_two_parts_repeat_is_an_exact_duplicate(export):
    (export / "calls-1.csv").write_text(calls("A", "B"))
    (export / "calls-2.csv").write_text(calls("A", "C"))
    warehouse = Warehouse(project())
    source = {"kind": "files", "path": export, "tables": activities("calls-*.csv")}
    warehouse.read_export(FilesSource.model_validate(source))
    warehouse.decide(datetime(2026, 6, 30, tzinfo=UTC))
    warehouse.build(["row_counts"])
    assert warehouse.rows(
        "select rows_read, rows_staged, exact_duplicates from quality.row_counts "
        "where table_name = 'activities'"
    ) == [{"rows_read": 4, "rows_staged": 3, "exact_duplicates": 1}]


def test_stage_dates_are_read_from_every_part_of_the_leads(ingest, export, rows):
    for at in (1, 2):
        (export / f"people-{at}.csv").write_text(
            f"lead_id,created_at,won\nL{at},2026-01-01,2026-02-0{at}\n"
        )
    result = ingest(
        tables={"leads": {"file": "people-*.csv"}},
        stage_dates=[{"stage": "customer", "column": "won"}],
    )
    changes = "raw.stage_changes join raw.files using (file_id)"
    assert rows(f"select lead_id, changed_at, source_file from {changes} order by 1") == [
        ("L1", "2026-02-01", "people-1.csv"),
        ("L2", "2026-02-02", "people-2.csv"),
    ]
    assert not any("extra_columns" in note.message for note in result.notes)


def test_columns_that_another_table_reads_are_known(ingest, export):
    (export / "leads.csv").write_text(
        "lead_id,created_at,Created,Moved,To,Colour,Email,EMAIL\n"
        "L1,2026-01-01,2026-01-02,2026-02-01,mql,red,a@x.example,b@x.example\n"
    )
    people = {"columns": {"email": "Email", "created_at": "Created"}}
    moves = {"file": "leads.csv", "columns": {"changed_at": "Moved", "to_stage": "To"}}
    result = ingest(tables={"leads": people, "stage_changes": moves})
    unknown = [note.message for note in result.notes if "does not know" in note.message]
    # Nothing reads the file's own created_at, as another column is mapped to it.
    assert [message.rpartition(": ")[2] for message in unknown] == ["created_at, Colour, EMAIL"]


def test_a_part_without_a_required_column_is_named(ingest, export):
    (export / "calls-1.csv").write_text(calls("A"))
    (export / "calls-2.csv").write_text("activity_id,lead_id\nB,L1\n")
    with pytest.raises(SourceError, match=r"calls-2.csv: required column occurred_at"):
        ingest(tables=activities("calls-*.csv"))


@pytest.mark.parametrize("named", ["calls-*.csv", ["leads.csv", "calls-*.csv"]])
def test_pattern_without_a_file_is_an_error(ingest, named):
    with pytest.raises(SourceError) as caught:
        ingest(tables={"activities": {"file": named}})
    assert "calls-*.csv: no file of this pattern, named in tables.activities.file" in str(
        caught.value
    )
    assert "the directory holds: leads.csv" in str(caught.value)


@pytest.mark.parametrize("given", ["[]", "5", "{a: b}", "[1]"])
def test_file_setting_of_another_shape_is_refused(tmp_path, given):
    config = tmp_path / "handoff.yml"
    config.write_text(
        f"sources: [{{kind: files, path: ., tables: {{leads: {{file: {given}}}}}}}]\n"
    )
    with pytest.raises(ConfigError, match=r"tables.leads.file: write the name of a file"):
        load_settings(config)


def test_doctor_names_every_part(export):
    (export / "calls-1.csv").write_text(calls("A"))
    archive(export / "more.zip", {"calls-2.csv": calls("B")})
    source = FilesSource.model_validate(
        {"kind": "files", "path": export, "tables": activities("calls-1.csv", "more.zip")}
    )
    said = [finding.message for finding in check(source)]
    assert "activities: calls-1.csv, about 1 row" in said
    assert "activities: more.zip/calls-2.csv, about 1 row" in said


# Archives


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("export.zip", ["A", "B", "C"]),
        ("export.zip/calls-*.csv", ["A", "B"]),
        ("export.zip/deep/more.jsonl", ["C"]),
        ("exp*.zip/calls-2.csv", ["B"]),
    ],
)
def test_members_of_an_archive_are_files(ingest, export, rows, named, expected):
    archive(
        export / "export.zip",
        {
            "calls-1.csv": calls("A"),
            "calls-2.csv": calls("B"),
            "deep/more.jsonl": '{"activity_id": "C", "lead_id": "L1", "occurred_at": "2026-01-01"}',
            "__MACOSX/._calls-1.csv": "what macOS adds",
            "deep/.DS_Store": "what macOS adds",
        },
    )
    ingest(tables={"activities": {"file": named}})
    assert [item for item, *_ in rows(CALLS)] == expected
    assert all(file.startswith("export.zip/") for _, file, _ in rows(CALLS))


def test_tables_are_found_in_archives_by_their_names(ingest, export, rows):
    (export / "leads.csv").unlink()
    archive(
        export / "export.zip",
        {"LEADS.csv": "lead_id,created_at\nL1,2026-01-01\n", "out/reps.csv": "rep_id\nR1\n"},
    )
    ingest()
    for table, columns, expected in (
        ("leads", "lead_id, source_file", ("L1", "export.zip/LEADS.csv")),
        ("reps", "rep_id, source_file", ("R1", "export.zip/out/reps.csv")),
    ):
        assert rows(f"select {columns} from raw.{table} join raw.files using (file_id)") == [
            expected
        ]


def test_table_in_an_archive_and_beside_it_is_one_too_many(ingest, export):
    archive(export / "export.zip", {"leads.csv": "lead_id,created_at\nL1,2026-01-01\n"})
    with pytest.raises(SourceError, match=r"2 files: export.zip/leads.csv, leads.csv"):
        ingest()


def test_archive_packed_again_is_the_same_content(ingest, export, rows):
    text = {"calls.csv": calls("A")}
    archive(export / "export.zip", text)
    ingest(tables=activities("export.zip"), mode="append")
    with zipfile.ZipFile(export / "export.zip", "w") as target:
        target.writestr(zipfile.ZipInfo("calls.csv", (2026, 1, 1, 0, 0, 0)), text["calls.csv"])
    result = ingest(tables=activities("export.zip"), mode="append")
    assert result.tables["activities"].skipped_files == ("export.zip/calls.csv",)
    assert len(rows(CALLS)) == 1


@pytest.mark.parametrize("name", ["read me.pdf", "inner.zip", "photo"])
def test_member_that_is_no_table_file_is_refused(ingest, export, name):
    archive(export / "export.zip", {"calls.csv": calls("A"), name: "no table"})
    with pytest.raises(SourceError) as caught:
        ingest(tables=activities("export.zip"))
    assert f"export.zip: {name} in it is no table file" in str(caught.value)
    assert "tables.activities.file, such as export.zip/*.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("export.zip/notes.csv", "no file notes.csv, named in tables.activities.file"),
        ("export.zip/*.parquet", "no file \\*.parquet, named in tables.activities.file"),
        ("empty.zip", "no file in it, named in tables.activities.file"),
        ("damaged.zip", "the ZIP archive is damaged or cut off"),
        ("cut.zip", "the ZIP archive is damaged or cut off"),
    ],
)
def test_archive_that_cannot_be_read_is_named(ingest, export, named, problem):
    archive(export / "export.zip", {"calls.csv": calls("A")})
    archive(export / "empty.zip", {})
    (export / "damaged.zip").write_bytes(b"PK no archive")
    (export / "cut.zip").write_bytes((export / "export.zip").read_bytes()[:60])
    with pytest.raises(SourceError, match=problem) as caught:
        ingest(tables=activities(named))
    assert len(caught.value.problems) == 1


def test_damaged_member_is_named(ingest, export):
    archive(export / "export.zip", {"calls.csv": calls("A" * 500)})
    content = bytearray((export / "export.zip").read_bytes())
    content[60:70] = b"\xff" * 10
    (export / "export.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"export.zip/calls.csv: the ZIP archive is damaged"):
        ingest(tables=activities("export.zip"))


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["zip", "xlsx"]))
def test_damage_of_any_kind_is_one_line_at_most(tmp_path_factory, seed: int, suffix: str):
    choice = random.Random(seed)
    directory = tmp_path_factory.mktemp("export")
    (directory / "leads.csv").write_text("lead_id,created_at\nL1,2026-01-01\n")
    file = directory / f"calls.{suffix}"
    if suffix == "zip":
        archive(file, {"calls.csv": calls("A", "B")})
    else:
        book = Workbook()
        for line in calls("A", "B").splitlines():
            book.active.append(line.split(","))
        book.save(file)
    content = bytearray(file.read_bytes())
    for _ in range(choice.randint(1, 5)):
        at = choice.randrange(len(content))
        if choice.random() < 0.7:
            content[at] = choice.randrange(256)
        else:
            del content[at : at + choice.randint(1, 30)]
    file.write_bytes(content)
    source = FilesSource.model_validate(
        {"kind": "files", "path": directory, "tables": activities(file.name)}
    )
    with duckdb.connect() as connection:
        problems: list[str] = []
        try:
            ingest_source(connection, source)
        except SourceError as error:
            problems = error.problems
    assert len(problems) <= 1
    assert not any("\n" in problem for problem in problems)


def test_archive_that_nothing_reads_may_be_damaged(ingest, export):
    (export / "old.zip").write_bytes(b"PK no archive")
    messages = [note.message for note in ingest().notes]
    assert messages == ["not read, as no table has the name: old.zip"]


@pytest.mark.parametrize("name", ["../out.csv", "/tmp/handoff-out.csv", "..\\out.csv"])
def test_member_is_never_written_outside_the_scratch_directory(export, tmp_path, name):
    archive(export / "export.zip", {name: calls("A")})
    scratch = tmp_path / "a" / "scratch"
    scratch.mkdir(parents=True)
    source = FilesSource.model_validate(
        {"kind": "files", "path": export, "tables": activities("export.zip")}
    )
    loaded = Export(source, scratch)
    [file] = loaded.tables["activities"]
    assert loaded.local(file).parent == scratch
    assert sorted(tmp_path.rglob("*.csv")) == sorted([export / "leads.csv", loaded.local(file)])


def test_archive_that_would_fill_the_disk_is_refused(ingest, export):
    with zipfile.ZipFile(export / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as target:
        for at in range(5):
            with target.open(f"{at}.csv", "w", force_zip64=True) as member:
                for _ in range(250):
                    member.write(bytes(1 << 20))
    with pytest.raises(SourceError, match="bytes would unpack to 1,310,720,000"):
        ingest(tables=activities("bomb.zip"))


def test_encrypted_member_is_refused(ingest, export):
    archive(export / "export.zip", {"calls.csv": calls("A")})
    content = bytearray((export / "export.zip").read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    (export / "export.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"export.zip/calls.csv: encrypted with a password"):
        ingest(tables=activities("export.zip"))


def test_watch_sees_parts_and_archives_change(export):
    seen = [file_fingerprint([export])]
    (export / "calls-1.csv").write_text(calls("A"))
    seen.append(file_fingerprint([export]))
    archive(export / "export.zip", {"calls.csv": calls("A")})
    seen.append(file_fingerprint([export]))
    (export / "calls-2.csv.part").write_text(calls("A"))
    assert len(set(seen)) == 3
    assert file_fingerprint([export]) == seen[-1]
