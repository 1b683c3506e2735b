"""Troubles of real exports, each tried in other columns, tables, formats and languages.

Every export is small, and what the models must say of it is written down by hand.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.errors import SourceError
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.files.settings import FilesSource
from expectations.case_counts import count_cases
from expectations.catalogue import known_checks
from tests.warehouse import Warehouse, project

Rows = list[dict[str, Any]]
DAY = "2026-01-05"


class Export:
    """A directory of files, and what the models make of it."""

    def __init__(self, warehouse: Warehouse, directory: Path) -> None:
        self._warehouse = warehouse
        self._directory = directory

    def has(self, **tables: Rows) -> Export:
        """Add tables as CSV."""
        for name, rows in tables.items():
            self.has_file(f"{name}.csv", as_csv(rows))
        return self

    def has_file(self, name: str, content: str | bytes) -> Export:
        """Add a file as it is."""
        data = content.encode() if isinstance(content, str) else content
        (self._directory / name).write_bytes(data)
        return self

    def read(
        self,
        *models: str,
        zone: str | None = None,
        choices: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Warehouse:
        """Read it as a run does, and build models. ``zone``: that of the source."""
        built = self._warehouse
        for table in (*CONTRACT_TABLES, "loads", "stage_map", "rejected_rows"):
            built.execute(f"delete from raw.{table}")
        source = {"kind": "files", "path": self._directory, **settings}
        built.read_export(FilesSource.model_validate(source))
        raw_schema.write_sources(built.connection, {"files": zone})
        built.decide(dt.datetime(2026, 6, 30), **(choices or {}))
        built.build(models)
        return built


@pytest.fixture(scope="module")
def warehouse() -> Warehouse:
    return Warehouse(project().for_files())


@pytest.fixture
def export(warehouse: Warehouse, tmp_path: Path) -> Export:
    return Export(warehouse, tmp_path)


def as_csv(rows: Rows) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_workbook(rows: Sequence[Sequence[Any]]) -> bytes:
    made, out = Workbook(), io.BytesIO()
    for row in rows:
        made.active.append(list(row))
    made.save(out)
    return out.getvalue()


def as_archive(**members: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_csv", ".csv").replace("_xlsx", ".xlsx"), content)
    return out.getvalue()


def leads(*lead_ids: str, **same: Any) -> Rows:
    return [{"lead_id": lead_id, "created_at": DAY, **same} for lead_id in lead_ids]


def deals(amounts: Iterable[str], **same: Any) -> Rows:
    """A won deal of each amount, each of a lead of its own."""
    return [
        {
            "opportunity_id": f"O{at}",
            "lead_id": f"L{at}",
            "created_at": DAY,
            "is_won": "yes",
            "closed_at": "2026-02-01",
            "amount": amount,
            **same,
        }
        for at, amount in enumerate(amounts)
    ]


def texts(warehouse: Warehouse, query: str) -> list[str]:
    """The rows of a query in order, each as one text."""
    return [" ".join(map(str, row.values())) for row in warehouse.rows(query)]


def set_aside(warehouse: Warehouse) -> list[str]:
    query = "select table_name, source_row, column_name from quality.quarantine order by all"
    return texts(warehouse, query)


def unreadable(warehouse: Warehouse) -> dict[str, str]:
    """What could not be read, by column."""
    found = warehouse.rows(
        """
        select
            table_name || '.' || column_name as place,
            string_agg(value_text, ' | ' order by value_text) as texts
        from quality.unreadable_values
        group by place
        """
    )
    return {row["place"]: row["texts"] for row in found}


# Numbers that can't be read


def test_numbers_of_every_table_are_read_or_unknown(export: Export) -> None:
    spend = ["$1,200.00", "1,200.00", "USD 7,500", "(50.00)", "n/a", "", "-", "1.2K"]
    counts = ["1,250", "2.500", "10 000", "1’250", "12.0", "50-100", "1001+", "5k"]
    scores = ["12.5", "7.250", "80%", "A", "", "1e2", "(3.5)", "n/a"]
    built = export.has(
        leads=[
            {"lead_id": f"L{at}", "created_at": DAY, "employee_count": count, "crm_score": score}
            for at, (count, score) in enumerate(zip(counts, scores, strict=True))
        ],
        channel_spend=[{"spend_date": DAY, "channel": "ads", "amount": text} for text in spend],
        reps=[
            {"rep_id": "R1", "weekly_capacity": "1,200"},
            {"rep_id": "R2", "weekly_capacity": "~"},
        ],
    ).read("quarantine", "unreadable_values", "int_contract__reps", "fct_channel_spend")
    numbers = "select employee_count, crm_score from int_contract__leads order by lead_id"
    assert [tuple(row.values()) for row in built.rows(numbers)] == [
        *((1250, 12.5), (2500, 7.25), (10000, None), (1250, None)),
        *((12, None), (None, 100), (None, -3.5), (None, None)),
    ]
    capacities = "select weekly_capacity from int_contract__reps order by rep_id"
    assert texts(built, capacities) == ["1200.0", "None"]
    # A row of spend without its amount says nothing: it is kept apart, and is never 0.
    assert texts(built, "select sum(amount) from fct_channel_spend") == ["9850.00"]
    assert set_aside(built) == [f"channel_spend {at} amount" for at in (6, 7, 8, 9)]
    assert unreadable(built) == {
        "leads.employee_count": "1001+ | 50-100 | 5k",
        "leads.crm_score": "80% | A | n/a",
        "reps.weekly_capacity": "~",
        "channel_spend.amount": "- | 1.2K | n/a",
    }


WON: Mapping[str, tuple[list[str], list[str | None]]] = {
    "plain": (
        ["$1,200.00", "1,200.00", "1200", "", "US$ 1,200", "TBD", "0", "1200 USD", "$", "$-5.00"],
        ["1200.00", "1200.00", "1200.00", None, "1200.00", None, "0.00", "1200.00", None, "-5.00"],
    ),
    "marks of two countries": (
        ["$12,000.00", "EUR 9.500,00", "7,500", "7.500", "9 500,5", "1.234.567"],
        ["12000.00", None, None, None, "9500.50", "1234567.00"],
    ),
    "a comma before the decimals": (
        ["1.250,00 €", "€ 7.500", "7,5", "1 000,00", "£100", "CHF 5.–"],
        ["1250.00", "7500.00", "7.50", "1000.00", None, None],
    ),
    "nothing tells what the mark means": (["7,500", "1,250"], [None, None]),
}


@pytest.mark.parametrize("kind", WON)
def test_a_won_amount_is_right_or_unknown_and_never_zero(export: Export, kind: str) -> None:
    amounts, expected = WON[kind]
    lead_ids = [f"L{at}" for at, _ in enumerate(amounts)]
    built = export.has(leads=leads(*lead_ids), opportunities=deals(amounts)).read("fct_lead_cycles")
    won = built.rows("select won_amount as won from fct_lead_cycles order by lead_id")
    assert [row["won"] for row in won] == [text and Decimal(text) for text in expected]


def test_numbers_of_typed_files_have_one_reading(export: Export) -> None:
    """Where a number has a type, 7.125 is no count of thousands."""
    numbers = [7.125, 55.375, 1234.5]
    header: list[Any] = ["lead_id", "created_at", "crm_score"]
    rows = [header, *([f"X{n}", DAY, n] for n in numbers)]
    export.has_file("leads-1.xlsx", as_workbook(rows))
    lines = [{"lead_id": f"J{n}", "created_at": DAY, "crm_score": n} for n in numbers]
    export.has_file("leads-2.jsonl", "\n".join(map(json.dumps, lines)))
    built = export.read("int_contract__leads", tables={"leads": {"file": "leads-*"}})
    found = built.rows("select crm_score as score from int_contract__leads order by lead_id, score")
    assert [row["score"] for row in found] == [1234.5, 55.375, 7.125] * 2


# Truth values

YES = """
    true T yes Y 1 1.0 x ✓ checked WAHR Ja J VRAI Oui VERDADERO Sí Si S VERDADEIRO Sim VERO Sì
    WAAR PRAWDA Tak SANT SANN SAND TOSI Kyllä DOĞRU Evet ИСТИНА да PRAVDA Ano IGAZ Igen ADEVĂRAT
    Da はい 真
"""
NO = """
    false F no N 0 0.0 unchecked FALSCH Nein FAUX Non FALSO Não ONWAAR Nee FAŁSZ Nie FALSKT USANN
    FALSK Nej Nei EPÄTOSI Ei YANLIŞ HAYIR ЛОЖЬ нет NEPRAVDA Ne HAMIS Nem FALS Nu いいえ 偽
"""
NEITHER = ["perhaps", "2", "?", "-", "deleted", "vielleicht", "#N/A"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_a_lead_is_deleted_in_every_language_or_set_aside(export: Export, form: str) -> None:
    words = [
        *((word, "deleted") for word in YES.split()),
        *((word, "in marts") for word in NO.split()),
    ]
    words += [(word, "quarantined") for word in NEITHER] + [("", "in marts")]
    rows = [
        {"lead_id": f"{at:03}", "created_at": DAY, "is_deleted": f" {word} " if word else word}
        for at, (word, _) in enumerate(words)
    ]
    content: dict[str, str | bytes] = {
        "csv": as_csv(rows),
        "jsonl": "\n".join(map(json.dumps, rows)),
        "xlsx": as_workbook([[*rows[0]], *([*row.values()] for row in rows)]),
    }
    built = export.has_file(f"leads.{form}", content[form]).read("lead_accounting")
    found = {row["lead_id"]: row["bucket"] for row in built.rows("lead_accounting")}
    assert [(word, found[f"{at:03}"]) for at, (word, _) in enumerate(words)] == words


def test_a_won_deal_is_never_a_lost_one(export: Export) -> None:
    won = ["Won", "closedwon", "Closed Won", "Gewonnen", "Gagnée", "Ganada", "Vinta", "Ganho", "Ja"]
    lost = ["Lost", "closedlost", "Verloren", "Perdue", "Perdida", "Persa", "Nein", "0"]
    neither = ["Negotiation", "50 %", "Ja?", "Geschlossen"]
    words = [*won, *lost, *neither]
    rows = [row | {"is_won": word} for row, word in zip(deals(["1"] * 21), words, strict=True)]
    lead_ids = [row["lead_id"] for row in rows]
    built = export.has(leads=leads(*lead_ids), opportunities=rows).read(
        "fct_lead_cycles", "quarantine"
    )
    outcomes = {row["lead_id"]: row["outcome"] for row in built.rows("fct_lead_cycles")}
    assert [outcomes.get(lead_id) for lead_id in lead_ids] == (
        ["won"] * len(won) + ["lost"] * len(lost) + [None] * len(neither)
    )
    assert set_aside(built) == [f"opportunities {at} is_won" for at in range(19, 23)]


def test_deleted_deals_and_people_who_left_are_told_in_every_language(export: Export) -> None:
    flags = ["VRAI", "Falso", "Sim", "Nee"]
    rows = [row | {"is_deleted": flag} for row, flag in zip(deals("1234"), flags, strict=True)]
    built = export.has(
        leads=leads("L0", "L1", "L2", "L3"),
        opportunities=rows,
        reps=[
            {"rep_id": word or "silent", "is_active": word}
            for word in [*flags, "Aktiv", "inaktiv", "Activo", "Inactivo", "actif", "maybe", ""]
        ],
    ).read("fct_lead_cycles", "dim_reps", "unreadable_values")
    assert texts(built, "select lead_id from fct_lead_cycles order by 1") == ["L1", "L3"]
    active = {row["rep_id"]: row["is_active"] for row in built.rows("dim_reps")}
    assert active == {
        **{"VRAI": True, "Falso": False, "Sim": True, "Nee": False},
        **{"Aktiv": True, "inaktiv": False, "Activo": True, "Inactivo": False, "actif": True},
        # What can't be read is unknown; whose status is empty is active.
        **{"maybe": None, "silent": True},
    }
    assert unreadable(built) == {"reps.is_active": "maybe"}


# Dates without a time

# The day in the zone of the reports is the one that is written, whatever the source's zone.
WRITTEN = {
    "2026-04-01": "2026-04-01",
    "01.04.2026": "2026-04-01",
    "4/24/26": "2026-04-24",
    "Apr 1, 2026": "2026-04-01",
    "1 avril 2026": "2026-04-01",
    "20260401": "2026-04-01",
    "46113": "2026-04-01",
    "46113.0": "2026-04-01",
    # Midnight is missing or comes twice on these days, here or there.
    "2026-04-24": "2026-04-24",
    "2026-03-29": "2026-03-29",
    "2026-03-08": "2026-03-08",
    "2025-11-02": "2025-11-02",
    # The edges of a year, of quarters and of February.
    "2026-01-01": "2026-01-01",
    "2025-12-31": "2025-12-31",
    "2026-03-31": "2026-03-31",
    "2026-02-28": "2026-02-28",
}


@pytest.mark.parametrize(
    "zone",
    ["America/Los_Angeles", "Pacific/Auckland", "Africa/Cairo", "Asia/Beirut"],
)
def test_a_date_is_that_date_in_every_mart(export: Export, zone: str) -> None:
    named = list(enumerate(WRITTEN))
    export.has(
        leads=[{"lead_id": f"{at:02}", "created_at": "2025-01-01"} for at, _ in named],
        stage_changes=[
            {"lead_id": f"{at:02}", "changed_at": written, "to_stage": "MQL"}
            for at, written in named
        ],
        opportunities=[
            {
                "opportunity_id": f"{at:02}",
                "lead_id": f"{at:02}",
                "created_at": "2026-05-01",
                "closed_at": written,
                "is_won": "no",
            }
            for at, written in named
        ],
        channel_spend=[
            {"spend_date": written, "channel": f"{at:02}", "amount": "1"} for at, written in named
        ],
    )
    built = export.read(
        *("fct_opportunities", "fct_channel_spend", "funnel_conversion", "funnel_trend"),
        zone="Europe/Berlin",
        choices={"timezone": zone},
    )
    local = f"cast(timezone('{zone}', timezone('UTC', {{}})) as date)"
    entered = local.format("marketing_qualified_at")
    days = [dt.date.fromisoformat(day) for day in WRITTEN.values()]
    for query in (
        f"select {entered} as day from fct_lead_cycles where cycle_number = 1 order by lead_id",
        f"select {local.format('closed_at')} as day from fct_opportunities order by lead_id",
        "select spend_date as day from fct_channel_spend order by channel",
    ):
        assert [row["day"] for row in built.rows(query)] == days, query
    periods = built.rows(
        "select period, period_start, sum(entered) as leads from funnel_conversion "
        "where dimension = 'all' and metric = 'mql_to_sql' group by all"
    )
    found = {(row["period"], row["period_start"]): row["leads"] for row in periods if row["leads"]}
    expected: dict[tuple[str, dt.date], int] = {}
    for day in days:
        quarter = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        week = day - dt.timedelta(days=day.weekday())
        for key in (("month", day.replace(day=1)), ("quarter", quarter), ("week", week)):
            expected[key] = expected.get(key, 0) + 1
    assert found == expected


@pytest.mark.parametrize(
    ("zone", "of_source"),
    [("UTC", None), ("America/New_York", None), ("UTC", "Europe/Amsterdam")],
)
def test_dates_beside_times_are_noted(export: Export, zone: str, of_source: str | None) -> None:
    """A date counts from its midnight on; a time may be at midnight by chance: one of a hundred,
    or of hours one of 24."""
    midnight = dt.datetime(2026, 1, 6, tzinfo=ZoneInfo(zone))
    times = [midnight + dt.timedelta(minutes=at) for at in range(120)]
    hours = [midnight + dt.timedelta(hours=at) for at in range(24)]
    built = export.has(
        leads=[{"lead_id": "L1", "created_at": moment.isoformat()} for moment in times[60:]],
        activities=[{"lead_id": "L1", "occurred_at": moment.isoformat()} for moment in times],
        engagements=[
            {"lead_id": "L1", "kind": "demo_request", "occurred_at": moment}
            for moment in ("2026-01-06", "2026-01-07 00:00:00", times[61].isoformat())
        ],
        owner_changes=[{"lead_id": "L1", "changed_at": moment.isoformat()} for moment in hours],
        stage_changes=[{"lead_id": "L1", "changed_at": moment.isoformat()} for moment in hours],
        opportunities=[
            {"opportunity_id": "O1", "lead_id": "L1", "created_at": DAY, "closed_at": "2026-01-09"}
        ],
    ).read("notes", zone=of_source, choices={"timezone": zone})
    found = built.rows("from quality.notes where kind = 'dates_without_time'")
    assert {row["place"]: row["row_count"] for row in found} == {
        "engagements.occurred_at": 2,
        "opportunities.created_at": 1,
        "opportunities.closed_at": 1,
    }
    assert {row["note"].rpartition(" in ")[2] for row in found} == {
        "activities.occurred_at, leads.created_at, owner_changes.changed_at, "
        "stage_changes.changed_at"
    }


def test_what_to_do_about_rows_in_quarantine_follows_from_their_reason(export: Export) -> None:
    built = (
        export.has(
            opportunities=[{"opportunity_id": "O1", "lead_id": "L1", "created_at": "01/02/2026"}],
            activities=[{"lead_id": "L9", "occurred_at": DAY}],
            channel_spend=[{"spend_date": "soon", "channel": "ads", "amount": "5"}]
            + [{"spend_date": DAY, "channel": "ads", "amount": text} for text in ("lots", "7,500")],
        )
        .has_file(
            "leads.csv",
            f"lead_id,created_at,is_deleted\nL1,{DAY},\n1E+12,{DAY},\nL3,{DAY},maybe\n"
            "L4,soon,\nL5,,\nL6\n",
        )
        .read("notes", "row_counts")
    )
    found = built.rows("from quality.notes where kind = 'rows_in_quarantine'")
    fix = {row["reason"]: row["what_to_do"] for row in found}
    as_it_says = "fix the export or the mapping as the reason says"
    fix_values = "fix these values in the CRM or the export"
    name_format = "fix these values, or name their format in time_formats"
    says_so = ("scientific notation", "the day or the month first", "a mark of decimals")
    assert {reason for reason, what in fix.items() if what == as_it_says} == {
        reason for reason in fix if any(part in reason for part in says_so)
    }
    assert {reason: what for reason, what in fix.items() if what != as_it_says} == {
        "required number can't be read": fix_values,
        "required time can't be read": name_format,
        "required date can't be read": name_format,
        "truth value can't be read": "say what they mean in values of the mapping",
        "required value is missing": "fill it in the CRM, or map the column that holds it",
        "unknown lead": "export these leads, too, or the id that the leads have",
        "the row has 1 fields, the header has 3": "fix the quotes or delimiters of these lines",
    }
    (usable,) = count_cases(built.connection, [known_checks()["leads_rows_are_usable"]])
    assert (usable.failing, usable.cases, len(usable.keys)) == (5, 6, 5)


def test_cells_of_dates_stay_dates(export: Export) -> None:
    april = dt.date(2026, 4, 1)
    header = ["lead_id", "created_at"]
    export.has_file("leads-1.xlsx", as_workbook([header, ["X1", april], ["X2", "1.4.2026"]]))
    export.has_file("leads-2.jsonl", json.dumps({"lead_id": "J", "created_at": 46113.0}))
    table = pa.table({"lead_id": ["P"], "created_at": pa.array([april])})
    out = io.BytesIO()
    pq.write_table(table, out)
    export.has_file("leads-3.parquet", out.getvalue())
    built = export.read(
        "int_contract__leads",
        tables={"leads": {"file": "leads-*"}},
        zone="Asia/Tokyo",
        choices={"timezone": "America/Los_Angeles"},
    )
    assert texts(built, "select created_at from int_contract__leads") == ["2026-04-01 07:00:00"] * 4


# Ids that a spreadsheet shortened

SHORT = [
    "1.23457E+11",
    "1,23457E+11",
    "1E+11",
    "123E+9",
    "2.E+11",
    "4.91521e+12",
    "'1.5E+10",
    "#N/A",
]
WHOLE = ["5E10", "1E11", "12E10", "123457000000", "#1001", "A1.5E+3", "1.5E+3-B"]


def test_shortened_ids_join_nobody_in_any_table(export: Export) -> None:
    about = [*SHORT, *WHOLE]
    people = leads(*about, *about[: len(SHORT)])
    built = export.has(
        leads=[{**lead, "email": f"{at}@acme.example"} for at, lead in enumerate(people)],
        stage_changes=[{"lead_id": at, "changed_at": DAY, "to_stage": "MQL"} for at in about],
        activities=[{"lead_id": at, "kind": "call", "occurred_at": DAY} for at in about],
        engagements=[{"lead_id": at, "kind": "page_view", "occurred_at": DAY} for at in about],
        owner_changes=[{"lead_id": at, "changed_at": DAY, "owner_id": "R"} for at in about],
        opportunities=[
            {"opportunity_id": at, "lead_id": "5E10", "created_at": DAY} for at in about
        ],
        reps=[{"rep_id": at, "name": at} for at in about],
    ).read("quarantine", "lead_accounting")
    accounted = "select lead_id from lead_accounting where bucket = 'in marts' order by lead_id"
    assert texts(built, accounted) == sorted(WHOLE)
    reasons = built.rows("select table_name, reason from quality.quarantine")
    assert all("export ids as text" in row["reason"] for row in reasons)
    counts = dict.fromkeys(sorted({row["table_name"] for row in reasons}), 0)
    for row in reasons:
        counts[row["table_name"]] += 1
    assert counts == {
        **dict.fromkeys(["activities", "engagements", "opportunities", "owner_changes"], 8),
        **{"leads": 16, "reps": 8, "stage_changes": 8},
    }


def test_numbers_that_lost_digits_are_no_ids(export: Export) -> None:
    """Excel keeps 15 digits, and a double 16: what is behind them could be anybody."""
    export.has_file(
        "leads-1.xlsx",
        as_workbook([["lead_id", "created_at"], [120210000123456789, DAY], [123456789012, DAY]]),
    )
    numbers = ["1.2345678901234567e17", "1.23457E+11", "123457012345.0", "120210000123456789"]
    lines = [f'{{"lead_id": {number}, "created_at": "{DAY}"}}' for number in numbers]
    export.has_file("leads-2.jsonl", "\n".join(lines))
    table = pa.table({"lead_id": [120210000123456789.0, 42.0], "created_at": [DAY, DAY]})
    out = io.BytesIO()
    pq.write_table(table, out)
    export.has_file("leads-3.parquet", out.getvalue())
    built = export.read("quarantine", tables={"leads": {"file": "leads-*"}})
    whole = "select lead_id from int_contract__leads where lead_id is not null order by 1"
    assert texts(built, whole) == ["120210000123456789", "123456789012", "123457012345", "42"]
    assert set_aside(built) == [f"leads {at} lead_id" for at in (1, 1, 2, 2)]


# Errors of a spreadsheet in any language, and what only looks like one.
ERRORS = """
    #N/A #REF! #NAME? #DIV/0! ##### #n/a #SPILL! #GETTING_DATA #NV #WERT! #BEZUG! #N/D #¡VALOR!
    #¿NOMBRE? #DEEL/0! #Н/Д #ЗНАЧ! #DĚLENÍ_NULOU! #YOK #DEĞER!
"""
NO_ERRORS = ["#1001", "#A7", "L#N/A", "#N/A-7", "#", "#N/", "#5", "NA", "Nullmeier", "#a#b"]


@pytest.mark.parametrize(
    ("header", "lines", "accounted"),
    [
        (
            "lead_id,created_at,company",
            [f"L2,{DAY},A, Inc.", f"L1,{DAY}", f"L3,{DAY}", f'L4,{DAY},"5" pipe', f"1E+12,{DAY}"],
            "L2 L4",
        ),
        # Ids of another look, or without digits; no row that could show one.
        ("lead_id,created_at,company", [f"EXT-2,{DAY}"], "EXT-2"),
        ("lead_id,created_at,company", [f"ann,{DAY},A, B, C", "thanks", "so,thanks"], "ann"),
        # A value of several lines that has no quotes around it: in the last column, and in another.
        (
            "lead_id,created_at,company",
            [f"L5,{DAY},Call", "Ada Lovelace,or her office", "Tel 12345", "5551234,20457"],
            "",
        ),
        ("lead_id,created_at,company", ["thanks"], ""),
        ("lead_id,created_at,company", ["Berlin,20457"], ""),
        ("lead_id,note,created_at,updated_at", ["L5,Call", f"5551234,{DAY},{DAY}"], ""),
        ("lead_id,note,created_at,updated_at", ['L5,"Call "5"', f"thanks,{DAY},{DAY}"], ""),
        # Cells before the id may have moved it.
        ("company,lead_id,created_at", [f"Acme, 3M,L3,{DAY}"], ""),
        ("company,lead_id,created_at,updated_at", [f"Acme,3M,L3,{DAY},{DAY}"], ""),
    ],
)
def test_a_lead_whose_row_is_broken_is_accounted_for(
    export: Export, header: str, lines: list[str], accounted: str
) -> None:
    known = ",".join({"lead_id": "L1", "company": "A"}.get(name, DAY) for name in header.split(","))
    text = "\n".join([header, known, *lines])
    built = export.has_file("leads.csv", text).read("lead_accounting", "quarantine")
    found = {row["lead_id"]: row["bucket"] for row in built.rows("lead_accounting")}
    whole = [line.split(",")[0] for line in lines if line == f"L5,{DAY},Call"]
    assert found == {
        **dict.fromkeys(["L1", *whole], "in marts"),
        **dict.fromkeys(accounted.split(), "quarantined"),
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"where": {"kind": ["Lead"]}},
        {"columns": {"lead_id": "kind"}},
        {"constants": {"created_at": DAY}},
    ],
)
def test_what_may_be_no_lead_is_not_accounted_for(export: Export, settings: dict[str, Any]) -> None:
    export.has_file("leads.csv", f"lead_id,created_at,kind\nL1,{DAY},Lead\nL2,{DAY},Part, ner\n")
    built = export.read("lead_accounting", tables={"leads": settings})
    assert {row["bucket"] for row in built.rows("lead_accounting")} == {"in marts"}


def test_where_all_rows_are_broken_their_leads_are_accounted_for(export: Export) -> None:
    export.has_file("leads.csv", f"Key,Made\na,{DAY},x\nb,5.1.2026,,\nc,1/13/2026,x\nd,soon,x\n")
    columns = {"lead_id": "Key", "created_at": "Made"}
    built = export.read("lead_accounting", tables={"leads": {"columns": columns}})
    assert texts(built, "select lead_id from lead_accounting order by 1") == ["a", "b", "c"]


def test_a_key_that_is_no_id_is_not_looked_up(export: Export) -> None:
    """Which texts those are, the reader and the models agree on."""
    not_ids = [*SHORT, "4.91521E12", "'4.9E+12", " #n/a ", "#N/A;K", "['1.5E+10']"]
    not_ids += ["N/A", "NULL", "null", "(null)", "None", "-", "\\N"]
    keys = [*not_ids, *ERRORS.split(), *WHOLE, *NO_ERRORS]
    export.has(
        leads=leads("L", *keys),
        people=[{"Key": key, "Id": "L"} for key in keys],
        opportunities=[
            {"opportunity_id": f"O{at}", "created_at": DAY, "Key": key}
            for at, key in enumerate(keys)
        ],
    )
    lookup = {"file": "people.csv", "key": "Key", "value": "Id"}
    built = export.read(
        "int_contract__leads",
        tables={"opportunities": {"lookups": {"lead_id": {**lookup, "from": "Key"}}}},
    )
    found = "select source_row from raw.opportunities where lead_id = 'L'"
    looked_up = {keys[row["source_row"] - 2] for row in built.rows(found)}
    ids = set(texts(built, "select lead_id from int_contract__leads where lead_id is not null"))
    assert looked_up == ids - {"L"} == {*WHOLE, *NO_ERRORS}


# A deal without a date, or with one that can't be read


def test_a_closing_date_that_cannot_be_read_is_not_a_missing_one(export: Export) -> None:
    closed = ["", "soon", "2026-02-30", "Q1 2026", "1.2.2026", "0000-00-00"]
    rows = [row | {"closed_at": at} for row, at in zip(deals(["9"] * 6), closed, strict=True)]
    stages = ["Customer", "Customer", "Junk", "Lead", "Disqualified", "Customer"]
    lead_rows = [
        {"lead_id": f"L{at}", "created_at": DAY, "current_stage": stage}
        for at, stage in enumerate(stages)
    ]
    built = export.has(leads=lead_rows, opportunities=rows).read(
        "lifecycle_violations", "quarantine"
    )
    assert set_aside(built) == [f"opportunities {at} closed_at" for at in (3, 4, 5, 7)]
    found = "select lead_id, rule, detail from lifecycle_violations order by all"
    assert texts(built, found) == [
        "L0 current_stage_differs customer",
        "L0 won_without_closing_date O0",
        "L2 unmapped_stage Junk",
        "L4 current_stage_differs disqualified",
    ]


# What a lead did is no touch


def test_opens_and_bounces_among_activities_are_no_sales_touches(export: Export) -> None:
    did = ["Email Bounce", "Email Open", "email_clicked", "Form Submission", "Page visit", "Call"]
    lead_ids = [f"L{at}" for at, _ in enumerate(did)]
    built = export.has(
        leads=leads(*lead_ids),
        stage_changes=[
            {"lead_id": lead_id, "changed_at": "2026-01-06", "to_stage": "MQL"}
            for lead_id in lead_ids
        ],
        activities=[
            {"lead_id": lead_id, "kind": kind, "occurred_at": "2026-01-07"}
            for lead_id, kind in zip(lead_ids, did, strict=True)
        ],
    ).read("fct_lead_cycles")
    touched = built.rows("select lead_id from fct_lead_cycles where first_touch_at is not null")
    assert [row["lead_id"] for row in touched] == ["L5"]


# Text and files


def test_marks_without_a_width_in_a_header_are_nothing(export: Export) -> None:
    header = "\ufeff\ufeff\u200bRecord\u00a0ID\u200b;Create\u2060 Date;Nume\u0301ro;Employe\u00ads"
    rows = "1;03.02.2026\u00a009:15;A;1\u202f250\n2;14.02.2026 9:15\u202fPM;B;1\u00a0250"
    export.has_file("people.csv", f"{header}\n{rows}\n")
    names = {
        "lead_id": "Record ID",
        "created_at": "create date",
        "company": "Num\u00e9ro",
        "employee_count": "EMPLOYES",
    }
    built = export.read(
        "int_contract__leads", tables={"leads": {"file": "people.csv", "columns": names}}
    )
    found = (
        "select lead_id, created_at, company, employee_count from int_contract__leads order by 1"
    )
    assert texts(built, found) == [
        "1 2026-02-03 09:15:00 A 1250.0",
        "2 2026-02-14 21:15:00 B 1250.0",
    ]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings_are_found_in_parts_and_archives(export: Export, encoding: str) -> None:
    text = "Record ID;Create Date;Straße;Mitarbeiter\n{};03/0{}/2026;Müller – Söhne;1.250\n"
    first, second = (text.format(at, at).encode(encoding) for at in (1, 2))
    export.has_file("people-1.csv", first)
    third = text.format(3, 3).replace("03/03", "31/03").encode(encoding)
    export.has_file("people.zip", as_archive(a_csv=second, b_csv=third))
    names = {
        "lead_id": "Record ID",
        "created_at": "Create Date",
        "company": "STRASSE",
        "employee_count": "Mitarbeiter",
    }
    # The last part settles the order of day and month for all of them.
    built = export.read(
        "int_contract__leads",
        tables={"leads": {"file": ["people-*.csv", "people.zip"], "columns": names}},
    )
    found = (
        "select lead_id, cast(created_at as date), company, employee_count from int_contract__leads"
    )
    assert texts(built, f"{found} order by 1") == [
        "1 2026-01-03 Müller – Söhne 1250.0",
        "2 2026-02-03 Müller – Söhne 1250.0",
        "3 2026-03-31 Müller – Söhne 1250.0",
    ]


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("leads.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "save it as XLSX"),
        ("leads.xls", b"<html><table><tr><td>lead_id</td></tr></table></html>", "save it as XLSX"),
        ("leads.csv", as_archive(leads_csv="lead_id\n"), "the ending .zip or .xlsx"),
        ("leads.csv", as_workbook([["lead_id"]]), "the ending .zip or .xlsx"),
        ("leads.xls", b"\xef\xbb\xbf \r\n<HTML><table></table></HTML>", "save it as XLSX"),
        ("leads.csv", b"PAR1" + bytes(50) + b"PAR1", "the ending .parquet"),
    ],
)
def test_a_file_of_another_format_is_one_line(
    export: Export, name: str, content: bytes, advice: str
) -> None:
    export.has_file(name, content)
    with pytest.raises(SourceError) as caught:
        export.read(tables={"leads": {"file": name}})
    (problem,) = caught.value.problems
    assert f"{name}: the file is" in problem
    assert advice in problem


@pytest.mark.parametrize("name", ["par1_name", "PAR1", "Pk", "PK"])
def test_a_header_that_begins_like_another_format_is_read(export: Export, name: str) -> None:
    export.has(leads=[{name: "x", "lead_id": "L1", "created_at": DAY}])
    assert texts(export.read("int_contract__leads"), "select lead_id from int_contract__leads") == [
        "L1"
    ]
