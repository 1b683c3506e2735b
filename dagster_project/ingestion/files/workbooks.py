"""Excel workbooks (XLSX): one sheet as rows of text, numbered as in the sheet.

The first row that is not blank is the header. Numbers are plain digits as Excel shows them (an id
has no ``.0``, one of more than 15 digits an exponent), dates stay dates, and a column with a time
of day in any cell has one in all.
"""

import datetime as dt
import itertools
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.files.archives import reading, refuse_bomb
from dagster_project.ingestion.files.delimited_text import exactly, header_names
from dagster_project.ingestion.files.footers import footer_length, footer_remark
from dagster_project.ingestion.files.typed_records import TypedTable

# What a cell holds; an empty one is an empty text.
Cell = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta
# A row with its number in the sheet.
Row = tuple[int, list[Cell]]

_BATCH = 20_000
_numbers = itertools.count(1)


def open_workbook(label: str, path: Path, scratch: Path, sheet: str | None) -> TypedTable:
    """Read a sheet, by default the first, into a Parquet file of text.

    Raises ``SourceError`` when the workbook is damaged, or has no such sheet or no header.
    """
    rows = _sheet_rows(label, path, sheet)
    if not rows:
        raise SourceError(f"{label}: the sheet is empty; it needs at least a header row")
    width = max(at for _, row in rows for at, cell in enumerate(row, start=1) if _is_filled(cell))
    with_time = {
        at for _, row in rows for at, cell in enumerate(row) if isinstance(cell, dt.datetime)
    }

    def texts(row: list[Cell]) -> list[str]:
        return [_text(cell, with_time=at in with_time) for at, cell in enumerate(row[:width])]

    headers = header_names(label, texts(rows[0][1]))
    body = rows[1:]
    footer = footer_length((texts(row) for _, row in reversed(body)), width)
    target = scratch / f"sheet-{next(_numbers)}.parquet"
    names = [f"c{at}" for at in range(width)]
    schema = pa.schema([("source_row", pa.int64()), *((name, pa.string()) for name in names)])
    with pq.ParquetWriter(target, schema) as writer:
        for start in range(0, len(body) - footer, _BATCH):
            batch = body[start : min(start + _BATCH, len(body) - footer)]
            columns = zip(*(texts(row) for _, row in batch), strict=True)
            arrays = [
                pa.array([cell or None for cell in column], pa.string()) for column in columns
            ]
            numbers = pa.array([at for at, _ in batch], pa.int64())
            writer.write_batch(pa.record_batch([numbers, *arrays], schema=schema))
    return TypedTable(
        headers,
        f"select * from read_parquet({exactly(target)})",
        (footer_remark(footer),) if footer else (),
    )


def _sheet_rows(label: str, path: Path, sheet: str | None) -> list[Row]:
    """The rows of a sheet that are not blank."""
    # Compiled, and only workbooks need it.
    from python_calamine import CalamineError, load_workbook

    if zipfile.is_zipfile(path):
        refuse_bomb(label, path)
    try:
        workbook = load_workbook(path)
        names = workbook.sheet_names
        if sheet is not None and sheet not in names:
            raise SourceError(f"{label}: no sheet {sheet!r}; the workbook has: {', '.join(names)}")
        name = sheet or names[0]
        rows = list(enumerate(workbook.get_sheet_by_name(name).iter_rows(), start=1))
    except CalamineError as error:
        raise SourceError(
            f"{label}: the workbook can't be read ({error}); save it again as XLSX, or as CSV"
        ) from error
    if zipfile.is_zipfile(path):
        with reading(label):
            errors = _error_cells(path, name)
        for (at, column), text in errors.items():
            rows[at - 1][1][column - 1] = text
    return [(at, row) for at, row in rows if any(map(_is_filled, row))]


def _error_cells(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """What stands in the cells that hold an error (``#N/A``), by row and column from 1.

    Calamine reads them as empty, which they are not. Openpyxl is slow, so only a workbook that has
    some is read again.
    """
    with zipfile.ZipFile(path) as parts:
        sheets = [name for name in parts.namelist() if name.startswith("xl/worksheets/")]
        if not any(b' t="e"' in parts.read(name) for name in sheets):
            return {}
    # Costly to import, and few workbooks need it.
    from openpyxl import load_workbook

    rows = load_workbook(path, read_only=True, data_only=True)[sheet].iter_rows()
    return {
        (cell.row, cell.column): str(cell.value)
        for row in rows
        for cell in row
        if cell.data_type == "e"
    }


def _is_filled(cell: Cell) -> bool:
    return cell != "" and not (isinstance(cell, str) and not cell.strip())


def _text(cell: Cell, *, with_time: bool) -> str:
    """A cell as text; ``with_time``: whether dates of its column have a time of day."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case int() | float():
            # Excel keeps and shows 15 digits: of a longer number it does not know the rest.
            if abs(cell) >= 1e15:
                return format(cell, ".14e")
            text = format(Decimal(format(cell, ".15g")), "f")
            # A fraction of three digits could be read as thousands: it gets a fourth.
            return re.sub(r"(\.\d{3})$", r"\g<1>0", text)
        case dt.timedelta():
            minutes, seconds = divmod(round(cell.total_seconds()), 60)
            return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        case dt.datetime() | dt.time():
            return cell.isoformat()
        case dt.date():
            return f"{cell}T00:00:00" if with_time else str(cell)
    return str(cell)
