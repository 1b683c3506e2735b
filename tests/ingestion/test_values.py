"""Values of exports as the models read them: times, numbers, truth values, ids, currencies."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.files.settings import FilesSource
from tests.warehouse import Warehouse, project

Rows = list[dict[str, str]]
Read = Callable[..., Warehouse]
DAY = "2026-01-01"
NAME_THE_FORMAT = (
    "time has the day or the month first (name its format in time_formats or stage_dates)"
)
NOT_AN_ID = "id is in scientific notation or stands for nothing (export ids as text)"
NAME_THE_MARK = "number has a mark of decimals or of thousands (name it in decimal_marks)"


@pytest.fixture(scope="module")
def warehouse() -> Warehouse:
    return Warehouse(project().for_files())


@pytest.fixture
def read(warehouse: Warehouse, tmp_path: Path) -> Read:
    """Read tables of rows as one export."""
    return partial(read_loads, warehouse, tmp_path)


def read_loads(
    warehouse: Warehouse,
    directory: Path,
    *loads: dict[str, Rows],
    timezone: str = "UTC",
    zone: str | None = None,
    wanted: Sequence[str] = ("unreadable_values", "column_formats", "quarantine"),
    source: Mapping[str, Any] = MappingProxyType({}),
    **choices: Any,
) -> Warehouse:
    """Read tables of rows, load after load, and build what tells how they were read."""
    for table in (*CONTRACT_TABLES, "loads"):
        warehouse.execute(f"delete from raw.{table}")
    for tables in loads:
        write(directory, {"leads": [{"lead_id": "L", "created_at": DAY}], **tables})
        warehouse.read_export(FilesSource(kind="files", path=directory, mode="append", **source))
    raw_schema.write_sources(warehouse.connection, {"files": zone})
    warehouse.decide(datetime(2026, 6, 30), timezone=timezone, **choices)
    warehouse.build(wanted)
    return warehouse


def read_apart(
    warehouse: Warehouse,
    directory: Path,
    exports: Sequence[dict[str, Rows]],
    *,
    zone: str | None = None,
    **choices: Any,
) -> None:
    """Read each export as a source of its own, since a source decides how its columns are written.

    One build for all: it takes longer than reading.
    """
    for table in (*CONTRACT_TABLES, "loads"):
        warehouse.execute(f"delete from raw.{table}")
    names = [f"source_{at:02}" for at, _ in enumerate(exports)]
    for name, tables in zip(names, exports, strict=True):
        place = directory / name
        place.mkdir()
        write(place, {"leads": [{"lead_id": "L", "created_at": DAY}], **tables})
        warehouse.read_export(FilesSource(kind="files", name=name, path=place))
    raw_schema.write_sources(warehouse.connection, dict.fromkeys(names, zone))
    warehouse.decide(datetime(2026, 6, 30), **choices)
    warehouse.build(("unreadable_values", "int_contract__leads", "int_contract__opportunities"))


def column_apart(warehouse: Warehouse, table: str, name: str) -> list[list[Any]]:
    """The values of a column by source, in the order of ``read_apart``."""
    key = {"leads": "lead_id", "opportunities": "opportunity_id"}[table]
    found = warehouse.rows(
        f"select list({name} order by {key}) as given from int_contract__{table} "
        "group by source_system order by source_system"
    )
    return [row["given"] for row in found]


def write(directory: Path, tables: dict[str, Rows]) -> None:
    for name, rows in tables.items():
        with (directory / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
            out.writeheader()
            out.writerows(rows)


def leads(column: str, texts: Sequence[str]) -> Rows:
    return [
        {"lead_id": f"L{at:03}", "created_at": DAY, column: text} for at, text in enumerate(texts)
    ]


def deals(column: str, texts: Sequence[str], **same: str) -> Rows:
    rows = [
        {"opportunity_id": f"O{at:03}", "lead_id": "L", "created_at": DAY, **same}
        for at, _ in enumerate(texts)
    ]
    return [{**row, column: text} for row, text in zip(rows, texts, strict=True)]


def column(warehouse: Warehouse, table: str, name: str) -> list[Any]:
    keys = {"leads": "lead_id", "opportunities": "opportunity_id"}
    query = f"select {name} as value from int_contract__{table} order by {keys[table]}"
    return [row["value"] for row in warehouse.rows(query)]


def unreadable(warehouse: Warehouse) -> list[tuple[str, str]]:
    """Columns and texts of the values that could not be read, in the order of the rows."""
    rows = warehouse.rows("from quality.unreadable_values order by source_row, column_name")
    return [(row["column_name"], row["value_text"]) for row in rows]


MOMENTS = {
    "2026-07-01 09:30": "2026-07-01 07:30",
    "2026-07-01T09:30:15": "2026-07-01 07:30:15",
    " 2026-01-01 00:30:00.250 ": "2025-12-31 23:30:00.25",
    "2026-07-01T09:30:00Z": "2026-07-01 09:30",
    "2026-07-01T09:30:00+05:00": "2026-07-01 04:30",
    "2026-07-01 09:30:00 +0530": "2026-07-01 04:00",
    # A date alone is that day of the reports, whatever the source's zone.
    "2026-07-01": "2026-07-01 04:00",
    # The hour that does not exist, and the one that comes twice.
    "2026-03-29 02:30:00": "2026-03-29 01:30",
    "2026-10-25 02:30:00": "2026-10-25 01:30",
    "2026/07/01 9:05": "2026-07-01 07:05",
    "20260701": "2026-07-01 04:00",
    "13/07/2026 9:05 PM": "2026-07-13 19:05",
    "7/13/26, 12:15 AM": "2026-07-12 22:15",
    "05/05/2026": "2026-05-05 04:00",
    "01.07.2026 09:05": "2026-07-01 07:05",
    "1. März 2026": "2026-03-01 05:00",
    "March 1st, 2026 10:15 PM": "2026-03-01 21:15",
    "15 août 2026": "2026-08-15 04:00",
    "Mon, 02 Mar 2026 10:00:00 GMT": "2026-03-02 10:00",
    "01-Mar-26": "2026-03-01 05:00",
    "46204": "2026-07-01 04:00",
    "46204.5": "2026-07-01 10:00",
    "1782898200": "2026-07-01 09:30",
    "1782898200250": "2026-07-01 09:30:00.25",
    "2026-07-01 9:30 GMT": "2026-07-01 09:30",
    "13. Mai 2026 14:00 Uhr": "2026-05-13 12:00",
    # A zone's name does not say which rules it means.
    "2026-07-01 09:30:00 Europe/Berlin": None,
    "2026-01-01 09:30:00 EST": None,
    "15/03/1998": "1998-03-15 05:00",
    "2026-13-01 09:30": None,
    "31/02/2026": None,
    "soon": None,
    "13:15": None,
    "Q1 2026": None,
    "12": None,
}


def test_a_time_is_read_as_it_is_written(warehouse: Warehouse, tmp_path: Path) -> None:
    exports = [{"leads": leads("updated_at", [text])} for text in MOMENTS]
    zones = {"timezone": "America/New_York", "zone": "Europe/Amsterdam"}
    read_apart(warehouse, tmp_path, exports, **zones)
    found = column_apart(warehouse, "leads", "updated_at")
    assert dict(zip(MOMENTS, found, strict=True)) == {
        text: [datetime.fromisoformat(moment.ljust(16)) if moment else None]
        for text, moment in MOMENTS.items()
    }
    unread = {text for _, text in unreadable(warehouse)}
    assert unread == {text for text, moment in MOMENTS.items() if not moment}


def test_a_zone_is_that_of_its_own_value_only(read: Read) -> None:
    texts = [
        "2026-02-03 09:15:00 EST",
        "2026-02-03 9:15",
        "2026-02-03 9:15 +0500",
        "Feb 3, 2026 9:15",
    ]
    built = read({"leads": leads("updated_at", texts)})
    plain, shifted = datetime(2026, 2, 3, 9, 15), datetime(2026, 2, 3, 4, 15)
    assert column(built, "leads", "updated_at") == [None, plain, shifted, plain]


def test_times_without_a_zone_are_those_of_the_reports_when_the_source_has_none(read: Read) -> None:
    built = read({"leads": leads("updated_at", ["2026-07-01 09:30"])}, timezone="Asia/Tokyo")
    assert column(built, "leads", "updated_at") == [datetime(2026, 7, 1, 0, 30)]


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["01/02/2026", "13/02/2026"], [date(2026, 2, 1), date(2026, 2, 13)]),
        (["01/02/2026", "02/13/2026"], [date(2026, 1, 2), date(2026, 2, 13)]),
        (["1-2-26 10:00", "31-1-26 9:00"], [date(2026, 2, 1), date(2026, 1, 31)]),
        (["01/02/2026"], [None]),
        # What is no date at all does not vote.
        (["01/02/2026", "13/02/2026", "99/99/9999"], [date(2026, 2, 1), date(2026, 2, 13), None]),
        (["13/02/2026", "02/13/2026", "01/02/2026"], [date(2026, 2, 13), date(2026, 2, 13), None]),
        # What is written with names or dots says nothing about slashes.
        (["Mar 5, 2026", "05.03.2026", "3/5/2026"], [date(2026, 3, 5), date(2026, 3, 5), None]),
    ],
)
def test_a_column_decides_which_of_two_dates_is_meant(
    read: Read, texts: list[str], days: list[date | None]
) -> None:
    built = read({"leads": leads("updated_at", texts)})
    read_days = [moment and moment.date() for moment in column(built, "leads", "updated_at")]
    assert read_days == days
    (decided,) = built.rows("select * from quality.column_formats where column_name = 'updated_at'")
    is_open = any("/" in text and day is None for text, day in zip(texts, days, strict=True))
    assert (decided["decided"] == "undecided") == (is_open and "99/99/9999" not in texts)


def test_a_month_that_no_language_knows_has_no_reading(read: Read) -> None:
    built = read({"leads": leads("updated_at", ["5. Xyz. 2026", "5. Jän. 2026"])})
    assert column(built, "leads", "updated_at") == [None, datetime(2026, 1, 5)]
    [found] = built.rows("from quality.unreadable_values")
    assert (found["value_text"], found["reason"]) == ("5. Xyz. 2026", "time can't be read")
    assert built.rows("from quality.column_formats where column_name = 'updated_at'") == []


def test_each_column_of_stage_dates_decides_for_itself(read: Read) -> None:
    american = {
        "0035g00000AbCdE": "3/13/2026",
        "0035g00000AbCdF": "1/5/2026",
        "a:b": "2/6/2026",
    }
    european = {"a:b": "06/03/2026", "X": "21/05/2026"}
    changes = [{"lead_id": "Y", "changed_at": "01/02/2026", "to_stage": "SQL"}]
    built = read(
        {
            "leads": [
                {"lead_id": lead, "created_at": DAY, "MQL: on": day}
                for lead, day in american.items()
            ],
            "stage_changes": changes,
            "billing": [{"who": lead, "paid": day} for lead, day in european.items()],
        },
        source={
            "stage_dates": [
                {"stage": "mql", "column": "MQL: on"},
                {"stage": "customer", "column": "paid", "file": "billing.csv", "lead_id": "who"},
            ]
        },
    )
    built.build(["int_contract__stage_changes"])
    days = {
        (row["to_stage"], row["lead_id"]): row["changed_at"] and row["changed_at"].date()
        for row in built.rows("int_contract__stage_changes")
    }
    assert days == {
        ("mql", "0035g00000AbCdEAAV"): date(2026, 3, 13),
        ("mql", "0035g00000AbCdFAAV"): date(2026, 1, 5),
        ("mql", "a:b"): date(2026, 2, 6),
        ("customer", "a:b"): date(2026, 3, 6),
        ("customer", "X"): date(2026, 5, 21),
        ("SQL", "Y"): None,
    }
    shown = "from quality.column_formats where column_name = 'changed_at' order by all"
    assert {row["stage_date"]: row["decided"] for row in built.rows(shown)} == {
        "customer:paid": "day",
        "mql:MQL: on": "month",
        None: "undecided",
    }


AMOUNTS_OF_COLUMNS: list[tuple[list[str], list[Any]]] = [
    (["$1,200.00", "1,200.00", "1200", ""], [1200, 1200, 1200, None]),
    (["1.200,50 €", "EUR 9.500,00", "7.500"], [Decimal("1200.5"), 9500, 7500]),
    (["7,500", "0.99"], [7500, Decimal("0.99")]),
    (["7,500", "0,99"], [Decimal("7.5"), Decimal("0.99")]),
    (["1 250,50", "1 250", "12 500 USD"], [Decimal("1250.5"), 1250, 12500]),
    (["(1,200.00)", "-$5.00", "$(5)"], [-1200, -5, -5]),
    (["1'250.50", "CHF 1’000.–"], [Decimal("1250.5"), 1000]),
    (["1,00,000.50", "1,234,567"], [Decimal("100000.5"), 1234567]),
    (["7,500"], [None]),
    (["7,500", "9.500,00", "12,000.00"], [None, 9500, 12000]),
    (["10k", "1.2M", "a lot", "5-", "50 %"], [None] * 5),
    # Letters before a sign may be a scale.
    (["5 MIO €", "1.2 M $", "5 K $", "K$ 5", "M€5"], [None] * 5),
    (["5 US$", "5 CA $", "EUR €5", "5 A$"], [5] * 4),
]


def test_an_amount_is_read_as_its_column_writes_it(warehouse: Warehouse, tmp_path: Path) -> None:
    columns = [texts for texts, _ in AMOUNTS_OF_COLUMNS]
    read_apart(warehouse, tmp_path, [{"opportunities": deals("amount", it)} for it in columns])
    found = column_apart(warehouse, "opportunities", "amount_given")
    assert list(zip(columns, found, strict=True)) == AMOUNTS_OF_COLUMNS
    assert sorted(unreadable(warehouse)) == sorted(
        ("amount", text)
        for texts, numbers in AMOUNTS_OF_COLUMNS
        for text, number in zip(texts, numbers, strict=True)
        if text and number is None
    )


@pytest.mark.parametrize(
    ("mark", "two_readings"),
    [
        (",", [7500, Decimal("7.5"), 7500, -7500, 7500]),
        (".", [Decimal("7.5"), 7500, Decimal("7.5"), Decimal("-7.5"), Decimal("7.5")]),
    ],
)
def test_a_named_decimal_mark_decides_what_has_two_readings_and_nothing_else(
    read: Read, mark: str, two_readings: list[Any]
) -> None:
    one_reading = {
        "1250.50": Decimal("1250.5"),
        "12.50": Decimal("12.5"),
        "0.75": Decimal("0.75"),
        "1,250.50": Decimal("1250.5"),
        "1.250,50 €": Decimal("1250.5"),
        "9,5": Decimal("9.5"),
        "1.250.000": 1250000,
        "7.500 Tsd.": None,
        "$ 7.500 M": None,
        "7.500 M $": None,
    }
    texts = [*one_reading, "7.500", "7,500", "R$ 7.500", "(7.500)", "7.500,-"]
    built = read(
        {"opportunities": deals("amount", texts)},
        source={"tables": {"opportunities": {"decimal_marks": {"amount": mark}}}},
    )
    assert column(built, "opportunities", "amount_given") == [
        *one_reading.values(),
        *two_readings,
    ]
    assert unreadable(built) == [
        ("amount", text) for text, number in one_reading.items() if number is None
    ]
    [shown] = built.rows("from quality.column_formats where column_name = 'amount'")
    assert (shown["decided"], shown["either_count"]) == ("comma" if mark == "," else "dot", 5)


def test_a_mark_that_is_named_later_decides_what_was_loaded_before(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    amounts: dict[str, Rows] = {"opportunities": deals("amount", ["7,500"])}
    assert column(read_loads(warehouse, tmp_path, amounts), "opportunities", "amount") == [None]
    named = {"opportunities": {"decimal_marks": {"amount": "."}}}
    source = {"kind": "files", "path": tmp_path, "mode": "append", "tables": named}
    warehouse.read_export(FilesSource.model_validate(source))
    warehouse.build(["int_contract__opportunities"])
    assert column(warehouse, "opportunities", "amount") == [7500]


def test_an_instant_is_read_like_its_text(warehouse: Warehouse, tmp_path: Path) -> None:
    """Of a typed file and of a text file: the same moment, in any zone, so the same made id."""
    write(tmp_path, {"leads": [{"lead_id": "L", "created_at": DAY}]})
    texts = ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00.500000Z"]
    write(
        tmp_path, {"calls": [{"lead_id": "L", "kind": "call", "occurred_at": it} for it in texts]}
    )
    duckdb.execute(
        f"""
        copy (
            select lead_id, kind, cast(occurred_at as timestamptz) as occurred_at
            from read_csv('{tmp_path / "calls.csv"}', all_varchar = true)
        ) to '{tmp_path / "typed.parquet"}' (format parquet)
        """
    )
    warehouse.execute("delete from raw.activities; delete from raw.leads; delete from raw.loads")
    parts = {"activities": {"file": ["calls.csv", "typed.parquet"]}}
    source = {"kind": "files", "path": tmp_path, "tables": parts}
    warehouse.read_export(FilesSource.model_validate(source))
    raw_schema.write_sources(warehouse.connection, {"files": "Europe/Amsterdam"})
    warehouse.decide(datetime(2026, 6, 30), timezone="Europe/Amsterdam")
    warehouse.build(["row_counts", "unreadable_values"])
    half = timedelta(seconds=0.5)
    moment = datetime(2026, 3, 1, 8)
    read = warehouse.rows(
        "select * from int_contract__activities order by occurred_at, source_file"
    )
    assert [row["occurred_at"] for row in read] == [moment, moment, moment + half, moment + half]
    assert [row["source_file"] for row in read] == ["calls.csv", "typed.parquet"] * 2
    assert len({row["activity_id"] for row in read}) == 2
    [counts] = warehouse.rows("from quality.row_counts where table_name = 'activities'")
    assert (counts["rows_staged"], counts["exact_duplicates"]) == (2, 2)
    unread = "from quality.unreadable_values where table_name = 'activities'"
    assert warehouse.rows(unread) == []


def test_counts_of_things_have_no_fraction(read: Read) -> None:
    built = read({"leads": leads("employee_count", ["1.250", "1,250", "10 000", "87", "~50"])})
    assert column(built, "leads", "employee_count") == [1250, 1250, 10000, 87, None]


def test_words_for_yes_and_no(warehouse: Warehouse, tmp_path: Path) -> None:
    yes = ["true", "WAHR", "Ja", "oui", "Sí", "1", "1.0", "x", "Yes", "Won"]
    no = ["false", "FALSCH", "nein", "Non", "0", "no", "Lost"]
    exports = [{"opportunities": deals("is_won", [it], closed_at=DAY)} for it in yes + no]
    read_apart(warehouse, tmp_path, exports)
    found = column_apart(warehouse, "opportunities", "is_won")
    assert found == [[True]] * len(yes) + [[False]] * len(no)


@pytest.mark.parametrize(
    ("tables", "place"),
    [
        ({"leads": leads("is_deleted", ["perhaps"])}, ("leads", "is_deleted")),
        ({"leads": leads("merged_into_lead_id", ["1.23E+11"])}, ("leads", "merged_into_lead_id")),
        ({"opportunities": deals("is_won", ["maybe"])}, ("opportunities", "is_won")),
        ({"opportunities": deals("is_won", ["Open"])}, ("opportunities", "is_won")),
        ({"opportunities": deals("closed_at", ["soon"])}, ("opportunities", "closed_at")),
        ({"opportunities": deals("is_deleted", ["?"])}, ("opportunities", "is_deleted")),
        (
            {"leads": [{"lead_id": "1.23457E+11", "created_at": DAY}]},
            ("leads", "lead_id"),
        ),
    ],
)
def test_where_empty_means_something_an_unreadable_value_is_not_empty(
    read: Read, tables: dict[str, Rows], place: tuple[str, str]
) -> None:
    built = read(tables)
    found = [(row["table_name"], row["column_name"]) for row in built.rows("quarantine")]
    assert place in found


def test_a_required_time_with_two_readings_says_what_to_do(read: Read) -> None:
    built = read({"leads": [{"lead_id": "L1", "created_at": "01/02/2026"}]})
    assert f"required {NAME_THE_FORMAT}" in [row["reason"] for row in built.rows("quarantine")]


def test_an_unreadable_optional_value_keeps_its_row(read: Read) -> None:
    built = read({"leads": leads("crm_score", ["high"])})
    assert [row["column_name"] for row in built.rows("quarantine")] == []
    assert unreadable(built) == [("crm_score", "high")]


def test_every_unreadable_value_is_kept_with_its_place_and_why(read: Read) -> None:
    rows = [
        {"crm_score": "high", "updated_at": "01/02/2026", "employee_count": "~50"},
        {"crm_score": "7,500", "updated_at": "soon", "owner_id": "1.23E+11"},
        *[{"crm_score": f"n/a {number}"} for number in range(8)],
    ]
    built = read(
        {
            "leads": [
                {**lead, **row} for lead, row in zip(leads("title", ["x"] * 10), rows, strict=True)
            ]
        }
    )
    found = built.rows("from quality.unreadable_values order by source_row, column_name")
    assert {(row["source_system"], row["table_name"], row["source_file"]) for row in found} == {
        ("files", "leads", "leads.csv")
    }
    assert [
        (row["source_row"], row["column_name"], row["value_text"], row["reason"]) for row in found
    ] == [
        (2, "crm_score", "high", "number can't be read"),
        (2, "employee_count", "~50", "number can't be read"),
        (2, "updated_at", "01/02/2026", NAME_THE_FORMAT),
        (3, "crm_score", "7,500", NAME_THE_MARK),
        (3, "owner_id", "1.23E+11", NOT_AN_ID),
        (3, "updated_at", "soon", "time can't be read"),
        *[(row, "crm_score", f"n/a {row - 4}", "number can't be read") for row in range(4, 12)],
    ]


def test_each_kind_of_value_has_one_reason_wherever_it_is_said(read: Read) -> None:
    decided = leads("updated_at", ["01/02/2026 25:00", "31/01/2026"])
    spend = [
        {"spend_date": DAY, "channel": "ads", "amount": "7,500"},
        {"spend_date": "never", "channel": "ads", "amount": "1"},
    ]
    call = {"activity_id": "#N/A", "lead_id": "L", "occurred_at": DAY}
    built = read(
        {
            "leads": [{"lead_id": "L", "created_at": DAY, "employee_count": "~50"}, *decided],
            # Undecided.
            "opportunities": deals("closed_at", ["soon", "01/02/2026"], amount="10k"),
            "activities": [call],
            "reps": [{"rep_id": "R", "is_active": "perhaps"}],
            "channel_spend": spend,
        }
    )
    query = "select value_text, reason from quality.unreadable_values"
    reasons = {row["value_text"]: row["reason"] for row in built.rows(query)}
    assert reasons == {
        "~50": "number can't be read",
        "10k": "number can't be read",
        "soon": "time can't be read",
        "01/02/2026": NAME_THE_FORMAT,
        # No format would make it a time.
        "01/02/2026 25:00": "time can't be read",
        "#N/A": NOT_AN_ID,
        "perhaps": "truth value can't be read",
        "7,500": NAME_THE_MARK,
        "never": "date can't be read",
    }
    query = "select json_extract_string(row_json, '$.' || column_name) as text, reason from"
    quarantined = built.rows(f"{query} quality.quarantine order by text")
    assert [row["text"] for row in quarantined] == ["01/02/2026", "7,500", "never", "soon"]
    for row in quarantined:
        assert row["reason"].removeprefix("required ") == reasons[row["text"]]


def test_another_currency_without_a_rate_is_unknown(read: Read) -> None:
    built = read({"opportunities": deals("amount", ["$12,000.00", "€ 9.500,00", "100", "$5"])})
    assert column(built, "opportunities", "amount") == [12000, None, 100, 5]
    assert column(built, "opportunities", "currency") == ["USD", "EUR", "USD", "USD"]


def test_the_configured_currency_is_that_of_the_marts(read: Read) -> None:
    rows = deals("amount", ["$12,000.00", "9500", "$1"])
    built = read({"opportunities": rows}, currency="EUR")
    assert column(built, "opportunities", "amount") == [None, 9500, None]


SIGNS = {
    "₽100,000.00": ("RUB", None),
    "HK$ 10.50": ("HKD", None),
    "10.50 A$": ("AUD", None),
    "CN¥5": ("CNY", None),
    "1200 kr": ("kr", None),
    "500 lei": ("RON", None),
    "US $1,000.00": ("USD", None),
    "USD $1,000.00": ("USD", None),
    "A $10.50": ("AUD", None),
    "Rs. 1,00,000.00": ("INR", None),
    "₨ 500": ("INR", None),
    "¥500": ("JPY", None),
    "1.200,00 TL": ("TRY", None),
    "120000円": ("JPY", None),
    "€ 5": ("EUR", 5),
    "$5": ("USD", None),
    "5": ("EUR", 5),
}


def test_signs_of_currencies(warehouse: Warehouse, tmp_path: Path) -> None:
    exports = [{"opportunities": deals("amount", [text])} for text in SIGNS]
    read_apart(warehouse, tmp_path, exports, currency="EUR")
    found = column_apart(warehouse, "opportunities", "(currency, amount)")
    assert dict(zip(SIGNS, found, strict=True)) == {text: [it] for text, it in SIGNS.items()}


@pytest.mark.parametrize(
    ("home", "text"),
    [
        ("CAD", "$1,200.00"),
        ("SEK", "1 200 kr"),
        ("PKR", "Rs. 1,200.00"),
        ("LKR", "₨1200"),
        ("CNY", "¥1,200.00"),
    ],
)
def test_a_sign_that_currencies_share_is_that_of_the_marts(
    read: Read, home: str, text: str
) -> None:
    built = read({"opportunities": deals("amount", [text])}, currency=home)
    assert column(built, "opportunities", "amount") == [1200]


def test_the_amount_itself_says_its_currency_first(read: Read) -> None:
    rows = deals("amount", ["EUR 9.500,00"], currency="USD")
    built = read({"opportunities": rows}, currency="USD")
    assert column(built, "opportunities", "amount") == [None]


def test_spend_is_added_in_one_currency(read: Read) -> None:
    spend = [
        {"spend_date": DAY, "channel": channel, "amount": amount}
        for channel, amount in (("events", "€1,000.00"), ("events", "500"), ("ads", "CHF 10.00"))
    ]
    built = read({"channel_spend": spend}, currency="EUR")
    built.build(["fct_channel_spend"])
    assert [(row["channel"], row["amount"]) for row in built.rows("fct_channel_spend")] == [
        ("events", 1500)
    ]
    assert [(row["column_name"], row["reason"]) for row in built.rows("quarantine")] == [
        ("amount", "amount is in another currency without a rate")
    ]


def test_a_shortened_id_of_an_event_is_counted(read: Read) -> None:
    built = read({"activities": [{"activity_id": "1.23E+11", "lead_id": "L", "occurred_at": DAY}]})
    assert unreadable(built) == [("activity_id", "1.23E+11")]


def test_a_shortened_id_in_a_list_is_found(read: Read) -> None:
    texts = ["L;1.23E+11", "1,23E+11\nL", "L,1.23E+11", "L, 1E+5"]
    built = read({"opportunities": deals("lead_id", texts)})
    assert unreadable(built) == [("lead_id", text) for text in texts]


def test_an_error_of_a_spreadsheet_in_any_language_is_no_id(read: Read) -> None:
    errors = [
        *("#N/A", "#n/a", "#REF!", "#DIV/0!", "#NAME?", "#NULL!", "#SPILL!", "#ERROR!", "#####"),
        *("#NV", "#WERT!", "#BEZUG!", "#ÜBERLAUF!", "#N/D", "#¡VALOR!", "#¿NOMBRE?", "#ЗНАЧ!"),
        *("#GETTING_DATA", "#SAYI/0!", ' "#N/A" ', "1.23457E+11", "1,2e+5", "+4.9E12"),
        *("NULL", "(null)", "N/A", "none", "-", "\\N"),
    ]
    ids = [
        "Li, Nan",
        "US|NULL",
        "Müller, None",
        "nan",
        "None-1",
        "#1001",
        "#A7",
        "A#B",
        "#12/A",
        "#L-7",
        "N/A!",
        "E12",
        "12E5",
        "1E5",
        "#",
        "[EXT]-12",
    ]
    built = read({"leads": leads("owner_id", errors + ids)})
    assert column(built, "leads", "owner_id") == [None] * len(errors) + ids
    assert unreadable(built) == [("owner_id", text.strip()) for text in errors]


def test_a_column_says_the_currency(read: Read) -> None:
    currencies = ["usd", "USD", "EUR", "$", "US$", "€", "USD - U.S. Dollar", "", "Gold"]
    rows = deals("amount", ["100"] * len(currencies))
    for row, currency in zip(rows, currencies, strict=True):
        row["currency"] = currency
    built = read({"opportunities": rows}, currency="USD")
    expected = [100, 100, None, 100, 100, None, 100, 100, None]
    assert column(built, "opportunities", "amount") == expected


@pytest.mark.parametrize(
    ("home", "own", "others"),
    [
        (
            "NOK",
            ["kr", "kr.", "NOK", "nok", "Norwegian krone (NOK)"],
            ["Swedish krona", "Danish krone", "Ukrainian hryvnia", "SEK kr"],
        ),
        ("RON", ["lei", "RON - Leu"], ["lei moldovenesti"]),
        ("INR", ["Rs", "₹"], ["Pakistani Rs", "PKR"]),
        ("USD", ["$", "US $", "USD"], ["Mex$", "Canadian dollar ($)", "MX$", "CA $", "HRK$"]),
    ],
)
def test_a_label_is_a_sign_only_as_a_whole(
    read: Read, home: str, own: list[str], others: list[str]
) -> None:
    rows = deals("currency", own + others, amount="100")
    built = read({"opportunities": rows}, currency=home)
    assert column(built, "opportunities", "amount") == [100] * len(own) + [None] * len(others)


AMOUNTS = st.sampled_from(["7,500", "7.500", "1.234,56", "1,234.56", "12", "0,5", "x", ""])
TIMES = st.sampled_from(["01/02/2026", "13/02/2026", "02/13/2026", "2026-05-01", "03.04.2026", ""])


@given(
    values=st.lists(st.tuples(AMOUNTS, TIMES), min_size=1, max_size=8),
    at=st.integers(min_value=0, max_value=8),
)
@settings(max_examples=25, deadline=None)
def test_two_loads_are_read_as_one(
    tmp_path_factory: pytest.TempPathFactory,
    warehouse: Warehouse,
    values: list[tuple[str, str]],
    at: int,
) -> None:
    rows = [
        {
            "opportunity_id": f"O{number:03}",
            "lead_id": "L",
            "created_at": DAY,
            "amount": amount,
            "closed_at": closed_at,
        }
        for number, (amount, closed_at) in enumerate(values)
    ]
    kept = "select * exclude (load_id, source_row, source_file) from int_contract__opportunities"

    def told(*loads: Rows) -> list[Any]:
        directory = tmp_path_factory.mktemp("loads")
        tables = [{"opportunities": load} for load in loads]
        models = ("int_contract__opportunities", "column_formats")
        built = read_loads(warehouse, directory, *tables, wanted=models)
        return [
            built.rows(f"{kept} order by opportunity_id"),
            built.rows("select * from quality.column_formats order by all"),
        ]

    parts = [part for part in (rows[:at], rows[at:]) if part]
    assert told(*parts) == told(rows)
