"""Damages of an export that a reader of its files alone can recognise, one at a time.

Each family takes a sound export and gives the files of a damaged one, with what a message has to
name so that a user finds the place: the table or its file, and in it the column or the row. Text
that a reader can't tell from sound data is no family here:

- A row or a value that is gone, or is another sound one (a call logged under the wrong lead that
  exists, a deal of 500 for 5000): nothing in the file says so.
- A file cut exactly behind a row, or within the last value of its last row where no other file
  ends with a line end either: exports without a last line end are common.
- A table that was never there: it is optional. One that was there yesterday is a family.
- Dates of which every one has two readings in the whole column (01/02/2026): they are unreadable
  as they are; that they changed their order since yesterday, no file says.
- Leading zeros that every file has lost: the ids agree.
- A page of an API that was announced and never comes: no file. `tests/crm` has those.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.config.contract import CONTRACT_TABLES
from tests.lifecycle import exports
from tests.lifecycle.exports import Recipe
from tests.lifecycle.strategies import DEFAULT_POLICY
from tests.lifecycle.texts import as_time

Rows = list[dict[str, str]]
Sound = dict[str, Rows]
Files = dict[str, bytes]
# A table, the place of a row in it, a column.
Cell = tuple[str, int, str]

OWNERS = {"R1": "001", "R2": "002", "R10": "010", "r1": "101"}
OWNER_COLUMNS = ("owner_id", "rep_id", "changed_by")
# The place of a note on stages.
STAGES_PLACE = r"^stages\b"
LEAD_ID = re.compile(r"f(\d+)-([abcd])")
LOGIN_PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>Log in</title></head>
<body><form action="/login" method="post"><input name="user"></form></body></html>
"""


@dataclass(frozen=True)
class Damaged:
    """The files of an export after a damage.

    ``table``: the one that a message has to name, by itself or by its file; none where the damage
    shows in whatever refers to it. ``marks``: patterns of which one has to stand in the message,
    too: the column, the row, the value; none where the whole file is damaged.
    """

    files: Files
    table: str | None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """One way in which an export can be damaged. ``is_harmless``: it has to change nothing."""

    name: str
    damage: Callable[[Random, Sound], Damaged | None]
    is_harmless: bool

    @property
    def meaning(self) -> str:
        """What it is, in one line."""
        return str(self.damage.__doc__)


FAMILIES: list[Family] = []


def family(
    damage: Callable[[Random, Sound], Damaged | None],
) -> Callable[[Random, Sound], Damaged | None]:
    """Add a function to the families: none of its result, the export has nothing of that kind."""
    FAMILIES.append(Family(damage.__name__, damage, is_harmless=False))
    return damage


def harmless(
    damage: Callable[[Random, Sound], Damaged | None],
) -> Callable[[Random, Sound], Damaged | None]:
    """The same, of one that changes no cell."""
    FAMILIES.append(Family(damage.__name__, damage, is_harmless=True))
    return damage


# Sound exports


def sound_export(seed: int, families: int = 12) -> Sound:
    """A random export whose ids have leading zeros, with reps, spend and letters beyond ASCII."""
    recipe = Recipe(seed=seed, families=range(families), dirt=0.0)
    tables: Sound = {}
    for table, rows in exports.export(recipe).items():
        columns = CONTRACT_TABLES[table].columns
        tables[table] = [
            {column: _renamed(column, row.get(column)) for column in columns} for row in rows
        ]
    for at, row in enumerate(tables["opportunities"]):
        row["currency"] = "USD" if at % 7 == 6 else "EUR"
        if row["amount"] in ("120.5", "5000"):
            row["amount"] = f"{1000 + 250 * at}.50"
    for at, row in enumerate(tables["leads"]):
        row["employee_count"] = row["employee_count"].replace("many", "75").strip()
        row["crm_score"] = f"{at}.25"
    tables["reps"] = [
        {
            "rep_id": rep_id,
            "name": f"Rep {rep_id}",
            "role": "ae",
            "team": "north",
            "timezone": "Europe/Amsterdam",
            "weekly_capacity": "25",
            "is_active": "true",
        }
        for rep_id in OWNERS.values()
    ]
    tables["channel_spend"] = [
        {
            "spend_date": f"2026-{month:02}-01",
            "channel": channel,
            "amount": f"{1000 * month + 99}.75",
            "currency": "EUR",
        }
        for month in range(1, 6)
        for channel in ("organic", "paid")
    ]
    return {
        table: [
            {column: row.get(column, "") for column in CONTRACT_TABLES[table].columns}
            for row in rows
        ]
        for table, rows in tables.items()
    }


def _renamed(column: str, value: str | int | None) -> str:
    text = "" if value is None else str(value)
    if column in OWNER_COLUMNS:
        return OWNERS.get(text, text)
    if column == "lead_source":
        return text.replace("Partner", "Empfehlung für Partner")
    return LEAD_ID.sub(lambda found: f"{found[1]:0>5}{'abcd'.index(found[2])}", text)


def as_csv(table: str, rows: Rows) -> bytes:
    """A table as a CSV file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CONTRACT_TABLES[table].columns)
    writer.writerows(row.values() for row in rows)
    return out.getvalue().encode()


def as_files(tables: Sound) -> Files:
    """An export as CSV files."""
    return {f"{table}.csv": as_csv(table, rows) for table, rows in tables.items()}


# What the families share


def cells(sound: Sound, *kinds: str) -> list[Cell]:
    """The cells with a value in columns of these kinds."""
    return [
        (table, at, column)
        for table, rows in sound.items()
        for column, kind in CONTRACT_TABLES[table].kinds.items()
        if kind in kinds
        for at, row in enumerate(rows)
        if row[column].strip()
    ]


def row_mark(at: int) -> str:
    """What names a row of a CSV file."""
    return rf"\b(row|line) {at + 2}\b"


def value_mark(value: str) -> str:
    """What names a value: it stands there by itself."""
    return rf"(?<!\w){re.escape(value)}(?!\w)"


def with_cell(sound: Sound, cell: Cell, value: str) -> Damaged:
    """The export with another value in one cell; its row has to be named, or its line."""
    table, at, column = cell
    line = as_csv(table, sound[table][:at]).count(b"\n") + 1
    rows = [
        {**row, column: value} if place == at else row for place, row in enumerate(sound[table])
    ]
    return with_rows(sound, table, rows, row_mark(at), rf"\bline {line}\b")


def with_rows(sound: Sound, table: str, rows: Rows, *marks: str) -> Damaged:
    """The export with other rows of a table."""
    return with_text(sound, table, as_csv(table, rows), *marks)


def with_text(sound: Sound, table: str, text: bytes, *marks: str) -> Damaged:
    """The export with another file of a table."""
    return Damaged({**as_files(sound), f"{table}.csv": text}, table, marks)


def with_line(sound: Sound, table: str, at: int, line: bytes, *marks: str) -> Damaged:
    """The export with another text of one row."""
    header, *lines = lines_of(sound, table)
    lines[at] = line
    return with_text(sound, table, b"".join([header, *lines]), *(marks or (row_mark(at),)))


def lines_of(sound: Sound, table: str) -> list[bytes]:
    """The lines of a table's file with their ends; of a table without line ends in its values."""
    return as_csv(table, sound[table]).splitlines(keepends=True)


def some_table(rng: Random, sound: Sound, least: int = 2) -> str:
    """A table with some rows, none of whose values has a line end."""
    fitting = [
        table
        for table, rows in sound.items()
        if len(rows) >= least and len(lines_of(sound, table)) == len(rows) + 1
    ]
    return rng.choice(fitting)


def some_row(rng: Random, sound: Sound) -> tuple[str, int]:
    """A row of such a table."""
    table = some_table(rng, sound)
    return table, rng.randrange(len(sound[table]))


def referred(sound: Sound) -> dict[str, list[tuple[str, int]]]:
    """By lead the rows that name it, and no other lead beside it."""
    found: dict[str, list[tuple[str, int]]] = {row["lead_id"]: [] for row in sound["leads"]}
    for table, rows in sound.items():
        for at, row in enumerate(rows if table != "leads" else ()):
            if row.get("lead_id") in found:
                found[row["lead_id"]].append((table, at))
    return {lead_id: rows for lead_id, rows in found.items() if rows}


# Values of a wrong type


@family
def text_in_a_number(rng: Random, sound: Sound) -> Damaged | None:
    """A word where a number is expected."""
    cell = rng.choice(cells(sound, "whole", "number", "money"))
    return with_cell(
        sound, cell, rng.choice(("many", "n.b.", "12x", "4 or 5", "1e", "--7", "1.2.3"))
    )


@family
def text_in_a_time(rng: Random, sound: Sound) -> Damaged | None:
    """A word, or a day that no calendar has, where a time is expected."""
    cell = rng.choice(cells(sound, "time", "date"))
    return with_cell(sound, cell, rng.choice(("soon", "2026-02-30", "31/31/2026", "Q3", "00:00")))


@family
def text_in_a_flag(rng: Random, sound: Sound) -> Damaged | None:
    """A word that means neither yes nor no."""
    cell = rng.choice(cells(sound, "flag"))
    return with_cell(sound, cell, rng.choice(("perhaps", "2", "?", "archived")))


@family
def a_number_with_the_other_mark(rng: Random, sound: Sound) -> Damaged | None:
    """Some numbers of a column with the decimal and thousands marks of another country."""
    table, column = rng.choice(
        (("opportunities", "amount"), ("channel_spend", "amount"), ("leads", "crm_score"))
    )
    rows = [dict(row) for row in sound[table]]
    changed = [row for row in rows if re.fullmatch(r"\d+\.\d+", row[column]) and rng.random() < 0.5]
    for row in changed:
        number = f"{float(row[column]):,.{rng.choice((2, 3))}f}"
        row[column] = number.translate(str.maketrans(",.", ".,"))
    return with_rows(sound, table, rows, rf"\b{column}\b") if changed else None


@family
def dates_that_change_their_order(rng: Random, sound: Sound) -> Damaged | None:
    """A column of dates with the day first in a part of the file, else the month."""
    table, _, column = rng.choice(cells(sound, "time", "date"))
    rows = [dict(row) for row in sound[table]]
    flips = rng.randrange(len(rows))
    for at, row in enumerate(rows):
        moment = as_time(row[column])
        if moment:
            order = "%d/%m/%Y" if at < flips else "%m/%d/%Y"
            time = "" if column == "spend_date" else " %H:%M:%S.%f"
            row[column] = moment.strftime(order + time)
    return with_rows(sound, table, rows, rf"\b{column}\b")


@family
def a_word_for_nothing(rng: Random, sound: Sound) -> Damaged | None:
    """The empty cells of a column written as NULL, N/A or a dash."""
    table = some_table(rng, sound)
    rows = [dict(row) for row in sound[table]]
    open_columns = [
        name for name in CONTRACT_TABLES[table].columns if any(not row[name] for row in rows)
    ]
    if not open_columns:
        return None
    column = rng.choice(open_columns)
    word = rng.choice(("NULL", "null", "N/A", "n/a", "-", "#N/A", "(null)", "\\N", "None"))
    for row in rows:
        row[column] = row[column] or word
    marks = (rf"\b{column}\b", *([STAGES_PLACE] if column.endswith("stage") else []))
    return Damaged(with_rows(sound, table, rows).files, None, marks)


@family
def a_misspelt_stage(rng: Random, sound: Sound) -> Damaged | None:
    """A stage with a typing error, in a change or as the current one."""
    column = rng.choice(("to_stage", "from_stage", "current_stage"))
    table = "leads" if column == "current_stage" else "stage_changes"
    filled = [at for at, row in enumerate(sound[table]) if row[column].strip()]
    if not filled:
        return None
    at = rng.choice(filled)
    word = f"{sound[table][at][column].strip()}x"
    damaged = with_cell(sound, (table, at, column), word)
    # A note shows some of the stages only.
    return Damaged(damaged.files, None, (STAGES_PLACE, rf"\b{column}\b"))


@family
def a_misspelt_kind(rng: Random, sound: Sound) -> Damaged | None:
    """A kind of activity or engagement with a typing error."""
    table, seed = rng.choice((("activities", "activity_kinds"), ("engagements", "signals")))
    known = {next(iter(row.values())) for row in DEFAULT_POLICY.rows(seed)}
    fitting = [at for at, row in enumerate(sound[table]) if row["kind"].strip().lower() in known]
    if not fitting:
        return None
    at = rng.choice(fitting)
    word = f"{sound[table][at]['kind'].strip()}x"
    damaged = with_cell(sound, (table, at, "kind"), word)
    return Damaged(damaged.files, table, (value_mark(word),))


@family
def a_misspelt_currency(rng: Random, sound: Sound) -> Damaged | None:
    """A currency that is none."""
    filled = [at for at, row in enumerate(sound["opportunities"]) if row["amount"].strip()]
    if not filled:
        return None
    cell = ("opportunities", rng.choice(filled), "currency")
    word = rng.choice(("EURR", "XEU", "Euro?", "E"))
    damaged = with_cell(sound, cell, word)
    return Damaged(damaged.files, "opportunities", (*damaged.marks, value_mark(word)))


# Letters


def _a_letter(rng: Random, sound: Sound) -> tuple[int, bytes] | None:
    """A row of the leads with a letter beyond ASCII, and its line."""
    lines = lines_of(sound, "leads")[1:]
    fitting = [at for at, line in enumerate(lines) if not line.isascii()]
    if not fitting:
        return None
    at = rng.choice(fitting)
    return at, lines[at]


@family
def a_broken_letter(rng: Random, sound: Sound) -> Damaged | None:
    """A byte of another encoding, or half a letter, in the middle of a UTF-8 file."""
    if not (found := _a_letter(rng, sound)):
        return None
    at, line = found
    broken = line.replace("ü".encode(), rng.choice((b"\xfc", b"\xc3", b"\xbc")), 1)
    return with_line(sound, "leads", at, broken)


@family
def a_letter_decoded_twice(rng: Random, sound: Sound) -> Damaged | None:
    """A value that was decoded as another encoding before it was written (Ã¼), or given up (�)."""
    if not (found := _a_letter(rng, sound)):
        return None
    at, line = found
    wrong = rng.choice(("Ã¼", "�"))
    return with_line(sound, "leads", at, line.replace("ü".encode(), wrong.encode(), 1))


@family
def a_sign_that_nobody_sees(rng: Random, sound: Sound) -> Damaged | None:
    """A mark without a width, a NUL or a space around an id."""
    columns = ("owner_id", "rep_id", "lead_id", "opportunity_id", "merged_into_lead_id")
    fitting = [cell for cell in cells(sound, "id") if cell[2] in columns]
    cell = rng.choice(fitting)
    table, at, column = cell
    sign = rng.choice(("\ufeff", "\u200b", "\u2060", "\0", " ", "\u00a0", "\t"))
    value = sound[table][at][column]
    return with_cell(sound, cell, rng.choice((f"{sign}{value}", f"{value}{sign}")))


# Quotes and separators


@family
def a_quote_that_never_closes(rng: Random, sound: Sound) -> Damaged | None:
    """A quote at the start of a value, and none at its end."""
    table, at = some_row(rng, sound)
    line = lines_of(sound, table)[at + 1]
    starts = [0, *(found.end() for found in re.finditer(b",", line))]
    plain = [start for start in starts if line[start : start + 1] != b'"']
    start = rng.choice(plain)
    return with_line(sound, table, at, line[:start] + b'"' + line[start:])


@family
def a_stray_quote(rng: Random, sound: Sound) -> Damaged | None:
    """A quote within a value or behind it."""
    table, at = some_row(rng, sound)
    line = lines_of(sound, table)[at + 1]
    places = [found.start() for found in re.finditer(rb'(?<=[^",\n])(?=[^"])', line)]
    place = rng.choice(places)
    return with_line(sound, table, at, line[:place] + b'"' + line[place:])


@family
def a_doubled_separator(rng: Random, sound: Sound) -> Damaged | None:
    """One separator too many: the values behind it belong to the columns before."""
    return _with_separators(rng, sound, b",,")


@family
def a_missing_separator(rng: Random, sound: Sound) -> Damaged | None:
    """Two values that ran into one, or one that is gone."""
    return _with_separators(rng, sound, rng.choice((b"", b" ", b";")))


def _with_separators(rng: Random, sound: Sound, instead: bytes) -> Damaged | None:
    table, at = some_row(rng, sound)
    line = lines_of(sound, table)[at + 1]
    if b'"' in line:
        return None
    place = rng.choice([found.start() for found in re.finditer(b",", line)])
    return with_line(sound, table, at, line[:place] + instead + line[place + 1 :])


@family
def another_separator_from_somewhere_on(rng: Random, sound: Sound) -> Damaged | None:
    """The rest of a file with semicolons."""
    table, at = some_row(rng, sound)
    header, *lines = lines_of(sound, table)
    rest = [line.replace(b",", b";") for line in lines[at:]]
    return with_text(sound, table, b"".join([header, *lines[:at], *rest]), row_mark(at))


@family
def a_file_that_is_cut(rng: Random, sound: Sound) -> Damaged | None:
    """A file that ends within a row."""
    table = some_table(rng, sound)
    lines = lines_of(sound, table)
    at = rng.randrange(len(lines))
    cut = rng.randrange(1, len(lines[at].rstrip(b"\n")) + 1)
    return with_text(sound, table, b"".join(lines[:at]) + lines[at][:cut])


@family
def a_packed_file_that_is_cut(rng: Random, sound: Sound) -> Damaged | None:
    """A gzip file without its end."""
    table = some_table(rng, sound)
    packed = gzip.compress(as_csv(table, sound[table]))
    files = {**as_files(sound), f"{table}.csv.gz": packed[: rng.randrange(20, len(packed))]}
    del files[f"{table}.csv"]
    return Damaged(files, table)


# Headers


def _with_header(sound: Sound, table: str, names: Sequence[str], *marks: str) -> Damaged:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(names)
    _, *lines = as_csv(table, sound[table]).split(b"\n", 1)
    return with_text(sound, table, b"".join([out.getvalue().encode(), *lines]), *marks)


@harmless
def a_header_in_other_letters(rng: Random, sound: Sound) -> Damaged | None:
    """Headers in capitals, with spaces around them or marks that nobody sees."""
    table = some_table(rng, sound)
    shown = rng.choice((str.upper, str.title, " {} ".format, "\u200b{}\u00a0".format))
    return _with_header(sound, table, [shown(name) for name in CONTRACT_TABLES[table].columns])


@family
def a_misspelt_header(rng: Random, sound: Sound) -> Damaged | None:
    """A header with a typing error."""
    table = some_table(rng, sound)
    names = list(CONTRACT_TABLES[table].columns)
    at = rng.randrange(len(names))
    wrong = rng.choice(
        (names[at].replace("_", " "), names[at][:-1], f"{names[at]}s", names[at][::-1])
    )
    marks = (re.escape(names[at]), re.escape(wrong))
    return _with_header(sound, table, [*names[:at], wrong, *names[at + 1 :]], *marks)


@family
def a_header_twice(rng: Random, sound: Sound) -> Damaged | None:
    """Two columns of one name."""
    table = some_table(rng, sound)
    names = list(CONTRACT_TABLES[table].columns)
    at, other = rng.sample(range(len(names)), 2)
    again = rng.choice((names[other], names[other].upper()))
    return _with_header(
        sound, table, [*names[:at], again, *names[at + 1 :]], rf"\b{names[other]}\b"
    )


@family
def a_column_without_a_header(rng: Random, sound: Sound) -> Damaged | None:
    """A column whose header is empty."""
    table = some_table(rng, sound)
    names = list(CONTRACT_TABLES[table].columns)
    at = rng.randrange(len(names))
    marks = (re.escape(names[at]), rf"column {at + 1}\b")
    return _with_header(sound, table, [*names[:at], "", *names[at + 1 :]], *marks)


@family
def a_header_too_few(rng: Random, sound: Sound) -> Damaged | None:
    """A header line that lacks a name, its separator too: each row has a value more."""
    table = some_table(rng, sound)
    names = list(CONTRACT_TABLES[table].columns)
    del names[rng.randrange(len(names))]
    return _with_header(sound, table, names)


@family
def no_header_at_all(rng: Random, sound: Sound) -> Damaged | None:
    """A file that begins with its first row."""
    table = some_table(rng, sound)
    return with_text(sound, table, as_csv(table, sound[table]).split(b"\n", 1)[1])


# Rows and ids


@harmless
def every_row_twice(rng: Random, sound: Sound) -> Damaged | None:
    """The rows of a file a second time."""
    table = some_table(rng, sound)
    return with_rows(sound, table, [*sound[table], *sound[table]])


@family
def a_file_behind_itself(rng: Random, sound: Sound) -> Damaged | None:
    """A file twice in one, its header too."""
    table = some_table(rng, sound)
    text = as_csv(table, sound[table])
    return with_text(sound, table, text + text, row_mark(len(sound[table])), "header")


@family
def an_id_with_other_values(rng: Random, sound: Sound) -> Damaged | None:
    """Two rows of one id that contradict each other."""
    ids = {
        "leads": "lead_id",
        "opportunities": "opportunity_id",
        "activities": "activity_id",
        "engagements": "engagement_id",
        "stage_changes": "change_id",
        "reps": "rep_id",
    }
    table = rng.choice(
        [table for table in ids if any(row[ids[table]].strip() for row in sound[table])]
    )
    at = rng.choice([at for at, row in enumerate(sound[table]) if row[ids[table]].strip()])
    row = sound[table][at]
    others = [
        (column, value)
        for column in row
        if column not in (ids[table], "lead_id")
        for value in sorted({other[column] for other in sound[table]} - {row[column]})
    ]
    if not others:
        return None
    column, value = rng.choice(others)
    again = {**row, column: value}
    if again in sound[table]:
        return None
    rows = list(sound[table])
    rows.insert(rng.randrange(len(rows) + 1), again)
    return with_rows(sound, table, rows, rf"\b{ids[table]}\b", re.escape(row[ids[table]]))


@family
def ids_without_their_zeros(rng: Random, sound: Sound) -> Damaged | None:
    """A column of ids of one file as a spreadsheet keeps them: 12 for 00012."""
    return _with_other_ids(rng, sound, lambda text: text.lstrip("0") or "0")


@family
def ids_as_numbers_with_a_fraction(rng: Random, sound: Sound) -> Damaged | None:
    """A column of ids of one file as a data frame writes numbers beside empty cells: 12.0."""
    return _with_other_ids(rng, sound, lambda text: f"{int(text)}.0")


@family
def ids_in_scientific_notation(rng: Random, sound: Sound) -> Damaged | None:
    """A column of ids of one file as a spreadsheet shows long numbers: 1.2E+01."""
    return _with_other_ids(rng, sound, lambda text: f"{int(text):.1E}")


def _with_other_ids(rng: Random, sound: Sound, changed: Callable[[str], str]) -> Damaged | None:
    """What refers to the ids, or what they refer to, is not known any more."""
    columns = (
        *(
            (table, "lead_id")
            for table in ("leads", "activities", "stage_changes", "opportunities")
        ),
        *(("leads", "owner_id"), ("opportunities", "owner_id"), ("activities", "rep_id")),
        *(("leads", "merged_into_lead_id"), ("owner_changes", "owner_id")),
    )
    table, column = rng.choice(columns)
    rows = [dict(row) for row in sound[table]]
    fitting = [row for row in rows if re.fullmatch(r"\d+", row[column])]
    if table == "leads" and column == "lead_id":
        known = referred(sound)
        fitting = fitting if any(row["lead_id"] in known for row in fitting) else []
    for row in fitting:
        row[column] = changed(row[column])
    if not fitting:
        return None
    damaged = with_rows(sound, table, rows)
    return Damaged(damaged.files, None, (rf"\b{column}\b",))


@family
def a_lead_that_others_refer_to_is_gone(rng: Random, sound: Sound) -> Damaged | None:
    """A file of leads without one that has calls, changes or deals."""
    known = referred(sound)
    if not known:
        return None
    lead_id = rng.choice(sorted(known))
    rows = [row for row in sound["leads"] if row["lead_id"] != lead_id]
    return Damaged(with_rows(sound, "leads", rows).files, None, (r"\blead_id\b",))


@family
def a_lead_that_another_is_merged_into_is_gone(rng: Random, sound: Sound) -> Damaged | None:
    """A file of leads without the one that another was merged into."""
    ids = {row["lead_id"] for row in sound["leads"]}
    targets = sorted({row["merged_into_lead_id"] for row in sound["leads"]} & ids - {""})
    if not targets:
        return None
    target = rng.choice(targets)
    rows = [row for row in sound["leads"] if row["lead_id"] != target]
    return Damaged(with_rows(sound, "leads", rows).files, None, (r"merged_into_lead_id",))


# Files


@family
def a_table_that_is_gone(rng: Random, sound: Sound) -> Damaged | None:
    """A table that was there the last time."""
    table = some_table(rng, sound)
    files = as_files(sound)
    del files[f"{table}.csv"]
    return Damaged(files, table)


@family
def an_empty_file(rng: Random, sound: Sound) -> Damaged | None:
    """A file of nothing, of blank lines or of a header only."""
    table = some_table(rng, sound)
    header = lines_of(sound, table)[0]
    return with_text(sound, table, rng.choice((b"", b"\n\n", b"\xef\xbb\xbf", header)))


@family
def a_page_instead_of_a_file(rng: Random, sound: Sound) -> Damaged | None:
    """The login page, or an error in JSON, that the server gave for a file."""
    table = some_table(rng, sound)
    name = rng.choice((f"{table}.csv", f"{table}.jsonl", f"{table}.parquet", f"{table}.csv.gz"))
    files = as_files(sound)
    del files[f"{table}.csv"]
    page = rng.choice((LOGIN_PAGE, f"\n<!-- moved -->\n{LOGIN_PAGE}", '{"error": "expired"}\n'))
    return Damaged({**files, name: page.encode()}, table)


@family
def a_cut_json_line(rng: Random, sound: Sound) -> Damaged | None:
    """A JSONL file with half an object in it or at its end."""
    table = some_table(rng, sound)
    lines = [json.dumps(row) + "\n" for row in sound[table]]
    at = rng.randrange(len(lines))
    cut = lines[at][: rng.randrange(1, len(lines[at]) - 1)]
    lines[at] = cut + rng.choice(("", "\n"))
    lines = lines[: at + 1] if rng.random() < 0.5 else lines
    files = {**as_files(sound), f"{table}.jsonl": "".join(lines).encode()}
    del files[f"{table}.csv"]
    return Damaged(files, table)


@family
def a_parquet_column_of_another_type(rng: Random, sound: Sound) -> Damaged | None:
    """A Parquet file with numbers, times or truth values as another type than yesterday."""
    table = some_table(rng, sound)
    columns = {}
    for column in CONTRACT_TABLES[table].columns:
        texts = [row[column] or None for row in sound[table]]
        kind = CONTRACT_TABLES[table].kinds.get(column, "text")
        columns[column] = rng.choice((pa.array(texts, pa.string()), _typed(kind, texts)))
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    files = {**as_files(sound), f"{table}.parquet": out.getvalue()}
    del files[f"{table}.csv"]
    return Damaged(files, table)


def _typed(kind: str, texts: Sequence[str | None]) -> pa.Array:
    """Texts as values of a type, where all of them are such."""
    if kind == "time":
        moments = [as_time(text) if text else None for text in texts]
        if [moment is None for moment in moments] == [text is None for text in texts]:
            return pa.array([moment and moment.replace(tzinfo=None) for moment in moments])
    if kind in {"whole", "number", "money"}:
        try:
            return pa.array([float(text) if text else None for text in texts], pa.float64())
        except ValueError:
            pass
    return pa.array(texts, pa.string())


@harmless
def the_ways_of_writing_a_file(rng: Random, sound: Sound) -> Damaged | None:
    """A byte order mark, line ends of Windows, a line ``sep=``, every value quoted, blank lines."""
    table = some_table(rng, sound)
    text = as_csv(table, sound[table])
    ways: Sequence[Callable[[], bytes]] = (
        lambda: b"\xef\xbb\xbf" + text,
        lambda: text.replace(b"\n", b"\r\n"),
        lambda: b"sep=,\n" + text,
        lambda: _quoted(table, sound[table]),
        lambda: text + b"\n\n",
        lambda: text.decode().encode("utf-16"),
    )
    return with_text(sound, table, rng.choice(ways)())


def _quoted(table: str, rows: Rows) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL)
    writer.writerow(CONTRACT_TABLES[table].columns)
    writer.writerows(row.values() for row in rows)
    return out.getvalue().encode()


@harmless
def columns_in_another_order(rng: Random, sound: Sound) -> Damaged | None:
    """The same columns, shuffled."""
    table = some_table(rng, sound)
    names = list(CONTRACT_TABLES[table].columns)
    rng.shuffle(names)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in sound[table])
    return with_text(sound, table, out.getvalue().encode())
