"""Whatever Python's csv module writes comes back cell by cell, with the right row numbers."""

import csv
import io
import tempfile
import unicodedata
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dagster_project.ingestion.dispatch import ingest_source
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


def read_back(text: str, mark: bytes) -> tuple[list[tuple], int, int]:
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as connection:
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
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@SETTINGS
@example(rows=[["\xa0"]], delimiter=",", line_end="\n", quote_all=True, mark=b"")
@given(
    rows=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quote_all=st.booleans(),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_cells_come_back(rows, delimiter, line_end, quote_all, mark):
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
    found, read, rejected = read_back(text, mark)
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
)
def test_ragged_rows_shift_no_other(rows, widths, line_end):
    table = [
        [f"L{at}", "2026-01-01", row[0], "more", row[1]][: widths[at]]
        for at, row in enumerate(rows)
    ]
    text = written(
        [["lead_id", "created_at", "company"], *table],
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL,
    )
    found, read, rejected = read_back(text, b"")
    sound = [(at, row) for at, row in enumerate(table) if len(row) == 3]
    assert [cells[:4] for cells in found] == [
        (at + 2, row[0], row[1], expected(row[2])) for at, row in sound
    ]
    assert (read, rejected) == (len(table), len(table) - len(sound))


def test_rows_of_a_large_file_are_numbered_as_they_stand(ingest, export, rows):
    # More than one thread reads a file of this size, unless it has quotes.
    lines = [f"A{number},L1,call,2026-02-01,{'x' * 90}\n" for number in range(200_000)]
    lines[150_000] = "A150000,L1,call\n"
    header = "activity_id,lead_id,kind,occurred_at,direction\n"
    (export / "activities.csv").write_text(header + "".join(lines))
    ingest()
    assert rows(
        "select count(*), count(*) filter (activity_id = 'A' || (source_row - 2)) "
        "from raw.activities"
    ) == [(199_999, 199_999)]
    assert rows("select source_row, reason from raw.rejected_rows") == [
        (150_002, "the row has 3 fields, the header has 5")
    ]
