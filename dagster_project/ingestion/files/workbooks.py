"""Excel workbooks (XLSX): one sheet as rows of text, numbered as in the sheet.

The first row that is not blank is the header. Numbers are plain digits (an id has no ``.0``, one
of more than 15 digits an exponent). Dates stay dates: beside times of day, a cell at midnight is a
date where its number format shows no time.
"""

import contextlib
import datetime as dt
import itertools
import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.files.archives import reading, refuse_bomb
from dagster_project.ingestion.files.delimited_text import exactly, header_names
from dagster_project.ingestion.files.footers import footer_length, footer_remark
from dagster_project.ingestion.files.typed_records import TypedTable

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

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

    def texts(row: list[Cell]) -> list[str]:
        return [_text(cell) for cell in row[:width]]

    header = rows[0][1]
    headers = header_names(label, texts(header))
    names = [text.strip().lower() for text in texts(header)]

    def is_header(row: list[Cell]) -> bool:
        # Without another column, a value may be the header's name in another case.
        if width == 1:
            return row == header
        return all(
            _text(cell).strip().lower() == name for cell, name in zip(row, names, strict=False)
        )

    again = [at for at, row in rows[1:] if is_header(row)]
    body = [(at, row) for at, row in rows[1:] if not is_header(row)]
    footer = footer_length((texts(row) for _, row in reversed(body)), width)
    target = scratch / f"sheet-{next(_numbers)}.parquet"
    cells = [(f"c{at}", pa.string()) for at in range(width)]
    schema = pa.schema([("source_row", pa.int64()), *cells])
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
        again=tuple(again),
    )


def sheet_names(label: str, path: Path) -> list[str]:
    """The sheets of a workbook. Raises ``SourceError`` when it is damaged."""
    with _opened(label, path) as workbook:
        return workbook.sheet_names


@contextlib.contextmanager
def _opened(label: str, path: Path) -> Iterator["CalamineWorkbook"]:
    # Compiled, and only workbooks need it.
    from python_calamine import CalamineError, load_workbook

    if zipfile.is_zipfile(path):
        refuse_bomb(label, path)
    try:
        yield load_workbook(path)
    except CalamineError as error:
        raise SourceError(
            f"{label}: the workbook can't be read ({error}); save it again as XLSX, or as CSV"
        ) from error


def _sheet_rows(label: str, path: Path, sheet: str | None) -> list[Row]:
    """The rows of a sheet that are not blank."""
    with _opened(label, path) as workbook:
        names = workbook.sheet_names
        if sheet is not None and sheet not in names:
            raise SourceError(f"{label}: no sheet {sheet!r}; the workbook has: {', '.join(names)}")
        name = sheet or names[0]
        rows = list(enumerate(workbook.get_sheet_by_name(name).iter_rows(), start=1))
    if zipfile.is_zipfile(path):
        with reading(label):
            told = _told_by_openpyxl(path, name, rows)
        for (at, column), cell in told.items():
            rows[at - 1][1][column - 1] = cell
    return [(at, row) for at, row in rows if any(map(_is_filled, row))]


def _told_by_openpyxl(path: Path, sheet: str, rows: list[Row]) -> dict[tuple[int, int], Cell]:
    """What Calamine does not tell of a sheet's cells, by row and column from 1.

    It reads an error (``#N/A``) as empty, and a midnight as a date, whatever the number format
    shows, which matters beside times. Openpyxl is slow, so it reads only a workbook that has them.
    """
    with zipfile.ZipFile(path) as parts:
        sheets = [name for name in parts.namelist() if name.startswith("xl/worksheets/")]
        has_errors = any(b' t="e"' in parts.read(name) for name in sheets)
    dates, times = (
        {at for _, row in rows for at, cell in enumerate(row, start=1) if type(cell) is kind}
        for kind in (dt.date, dt.datetime)
    )
    if not has_errors and not dates & times:
        return {}
    # Costly to import, and few workbooks need it.
    import openpyxl

    found: dict[tuple[int, int], Cell] = {}
    for row in openpyxl.load_workbook(path, read_only=True, data_only=True)[sheet].iter_rows():
        for cell in row:
            if cell.data_type == "e":
                found[cell.row, cell.column] = str(cell.value)
            elif cell.data_type == "d" and cell.column in dates & times:
                day = rows[cell.row - 1][1][cell.column - 1]
                shown = openpyxl.styles.numbers.is_datetime(cell.number_format)
                if type(day) is dt.date and shown == "datetime":
                    found[cell.row, cell.column] = dt.datetime.combine(day, dt.time())
    return found


def _is_filled(cell: Cell) -> bool:
    return cell != "" and not (isinstance(cell, str) and not cell.strip())


def _text(cell: Cell) -> str:
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
    return str(cell)
