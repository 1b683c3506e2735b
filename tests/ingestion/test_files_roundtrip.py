"""Whatever Python's csv module writes comes back cell by cell, with the right row numbers.

Read at once or in parts, as big files are.
"""

import csv
import io
import tempfile
import unicodedata
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.dispatch import ingest_source
from dagster_project.ingestion.files import parts_of_text
from dagster_project.ingestion.files.settings import FilesSource

NASTY = st.text(
    st.one_of(
        st.sampled_from(list("\"',;|\t\n\r \\\u2028\x0b\x1c\xa0é漢😀{}")),
        st.characters(codec="utf-8", exclude_characters="\0\x02\ufeff"),
    ),
    max_size=12,
)
TABLES = st.integers(min_value=1, max_value=3).flatmap(
    lambda width: st.lists(st.lists(NASTY, min_size=width, max_size=width), max_size=12)
)


# No file of a test is so big; of the smallest, each record may be a part.
AT_ONCE, IN_PARTS = 1 << 30, 8
HOW_READ = st.sampled_from([AT_ONCE, IN_PARTS])


def read_back(
    text: str, mark: bytes, smallest_part: int, threads: int = 4
) -> tuple[list[tuple], int, int]:
    with (
        tempfile.TemporaryDirectory() as directory,
        duckdb.connect(config={"threads": threads}) as connection,
        patch.object(parts_of_text, "SMALLEST", smallest_part),
    ):
        path = Path(directory)
        (path / "leads.csv").write_bytes(mark + text.encode("utf-8"))
        result = ingest_source(connection, FilesSource(kind="files", path=path))
        cells = connection.execute(
            "select source_row, lead_id, created_at, company, title, industry from raw.leads "
            "order by source_row"
        ).fetchall()
        table = result.tables["leads"]
        return cells, table.rows_read, table.rows_rejected


def written(rows: list[list[str]], **style: object) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, **style).writerows(rows)
    return buffer.getvalue()


def expected(cell: str) -> str | None:
    """A cell of spaces only, of any kind, is empty; tabs and line breaks are content."""
    return None if all(unicodedata.category(sign) == "Zs" for sign in cell) else cell


SETTINGS = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@SETTINGS
@example(
    rows=[["\xa0"]], delimiter=",", line_end="\n", quote_all=True, mark=b"", smallest_part=AT_ONCE
)
@given(
    rows=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quote_all=st.booleans(),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    smallest_part=HOW_READ,
)
def test_cells_come_back(rows, delimiter, line_end, quote_all, mark, smallest_part):
    if line_end == "\n":
        # Python's writer leaves a lone carriage return unquoted when lines end in a line feed.
        quote_all = True
    width = len(rows[0]) if rows else 1
    header = ["lead_id", "created_at", "company", "title", "industry"][: 2 + width]
    table = [[f"L{at}", "2026-01-01", *row] for at, row in enumerate(rows)]
    text = written(
        [header, *table],
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    found, read, rejected = read_back(text, mark, smallest_part)
    padding = [None] * (3 - width)
    assert found == [
        (at + 2, *(expected(cell) for cell in row), *padding) for at, row in enumerate(table)
    ]
    assert (read, rejected) == (len(table), 0)


@SETTINGS
@given(
    rows=st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=12),
    widths=st.lists(st.sampled_from([3, 3, 3, 1, 2, 5]), min_size=12, max_size=12),
    line_end=st.sampled_from(["\n", "\r\n"]),
    smallest_part=HOW_READ,
)
def test_ragged_rows_shift_no_other(rows, widths, line_end, smallest_part):
    table = [
        [f"L{at}", "2026-01-01", row[0], "more", row[1]][: widths[at]]
        for at, row in enumerate(rows)
    ]
    text = written(
        [["lead_id", "created_at", "company"], *table],
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL,
    )
    found, read, rejected = read_back(text, b"", smallest_part)
    sound = [(at, row) for at, row in enumerate(table) if len(row) == 3]
    assert [cells[:4] for cells in found] == [
        (at + 2, row[0], row[1], expected(row[2])) for at, row in sound
    ]
    assert (read, rejected) == (len(table), len(table) - len(sound))


CELLS = st.sampled_from(
    ["a", "", " ", 'Screen 19"', '5" pipe', "12 Main\nSpringfield", '"', "é\ufeff"]
)
HEADER = ["lead_id", "created_at", "company"]


@SETTINGS
@example(cells=['Screen 19"', "12 Main\nSpringfield, IL", "p"], quoted=True, threads=2, seed=0)
@given(
    cells=st.lists(CELLS, min_size=2, max_size=12),
    quoted=st.booleans(),
    threads=st.integers(2, 4),
    seed=st.integers(0, 2),
)
def test_parts_change_nothing(cells, quoted, threads, seed):
    """Whatever a file holds, well quoted or not: the same rows, numbers and rejected rows."""
    lines = [f"L{at},2026-01-01,{cell}" for at, cell in enumerate(cells)]
    if quoted:
        rows = [line.split(",", 2) for line in lines]
        lines = written(rows, lineterminator="\n").splitlines()
    lines[:0] = [",".join(HEADER), *["L,2026-01-01,x"] * seed]
    text = "\n".join(lines)
    assert outcome(text, IN_PARTS, threads) == outcome(text, AT_ONCE, threads)


def outcome(text: str, smallest_part: int, threads: int) -> object:
    try:
        return read_back(text, b"", smallest_part, threads)
    except SourceError as error:
        return str(error)


def test_a_big_file_is_read_in_parts(tmp_path):
    """Each thread has a part, and records keep their numbers."""
    path = tmp_path / "leads.csv"
    path.write_text(
        "lead_id,created_at\n" + "".join(f"L{at:02},2026-01-01\n" for at in range(2, 50))
    )
    with patch.object(parts_of_text, "SMALLEST", 100):
        parts = parts_of_text.cut(path, tmp_path / "part", 4)
        found, read, rejected = read_back(path.read_text(), b"", 100)
    lines = [part.path.read_text().splitlines() for part in parts]
    assert [part.before for part in parts] == [0, 13, 25, 37]
    assert [len(records) for records in lines] == [13, 12, 12, 12]
    assert [(row[0], row[1]) for row in found] == [(at, f"L{at:02}") for at in range(2, 50)]
    assert (read, rejected) == (48, 0)


@pytest.mark.parametrize("text", ['a\n"b"\nc\nd\n', "a\n\nb\nc\n", "\na\nb\nc\n", "a\r\n\r\nb\r\n"])
def test_a_file_in_which_a_line_may_be_no_record_is_not_cut(tmp_path, text):
    path = tmp_path / "leads.csv"
    path.write_bytes(text.encode())
    with patch.object(parts_of_text, "SMALLEST", 1):
        assert parts_of_text.cut(path, tmp_path / "part", 2) == []
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("is_kept", ["true", "false"])
def test_a_scan_of_parts_that_fails_names_the_file_and_leaves_nothing(tmp_path, is_kept):
    moment = "-9223372036854"
    (tmp_path / "leads.csv").write_text(
        "lead_id,created_at\n" + "".join(f"L{at},{moment}\n" for at in range(20))
    )
    mapping = {"leads": {"time_formats": {"created_at": "epoch"}}}
    source = FilesSource.model_validate({"kind": "files", "path": tmp_path, "tables": mapping})
    with duckdb.connect() as connection, patch.object(parts_of_text, "SMALLEST", 50):
        connection.execute(f"set preserve_insertion_order = {is_kept}")
        with pytest.raises(SourceError, match=r"leads\.csv"):
            ingest_source(connection, source)
        query = "select current_setting('preserve_insertion_order')"
        assert connection.execute(query).fetchall() == [(is_kept == "true",)]
