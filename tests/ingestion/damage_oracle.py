"""Whether a damaged export is read as the sound one, or its damage is named.

The sound export is yesterday's, the damaged one today's of the same source. What is said is what
a user sees: the refusal, the notes, the quarantine, the unreadable values. It counts where it was
not said yesterday. What is published is a function of the contract's tables: where those are the
same, no published cell differs; else the facts are compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.errors import SourceError
from dagster_project.ingestion.files.settings import FilesSource
from tests.ingestion.damages import (
    FAMILIES,
    Damaged,
    Family,
    Files,
    Sound,
    as_files,
    sound_export,
)
from tests.warehouse import Warehouse, project

AS_OF = datetime(2026, 6, 30)
# To read a sound export costs as much as some damages of it.
CASES_OF_AN_EXPORT = 50
# A family that picks a place at random may pick one that it does not fit.
TRIES = 20
# What does not say what a row means.
LINEAGE = (
    "load_id, source_file, source_row, row_text, row_json, extra_columns, unreadable, "
    "problem_column, problem"
)
ROWS = ("quarantine", "unreadable_values")
VALUES = (*ROWS, "column_formats", "value_notes", "consistency_notes", "reference_notes")
LEADS = ("lead_notes",)
PUBLISHED = (
    *("fct_lead_stages", "fct_lead_cycles", "lifecycle_violations", "lead_accounting"),
    *("fct_activities", "fct_engagements", "fct_opportunities", "fct_channel_spend"),
    *("dim_leads", "dim_reps"),
)
READER_SAYS = """
    select coalesce(table_name, '') || ' ' || message as said, '' as place
    from raw.ingestion_notes
    where load_id = (select max(load_id) from raw.ingestion_notes)
    union all
    select
        table_name || ' ' || source_file || ' ' || reason || ' ' || row_json as said,
        ' row ' || source_row as place
    from raw.rejected_rows
"""
ROWS_SAY = """
    select
        concat_ws(' ', table_name, source_file, column_name, reason, row_json) as said,
        ' row ' || source_row as place
    from quality.quarantine
    union all
    select
        concat_ws(' ', table_name, source_file, column_name, reason, value_text) as said,
        ' row ' || source_row as place
    from quality.unreadable_values
"""
VALUES_SAY = """
    select concat_ws(' ', place, note, row_count, samples) as said, '' as place
    from quality.value_notes
    union all
    select concat_ws(' ', place, note, row_count, samples) as said, '' as place
    from quality.consistency_notes
    union all
    select concat_ws(' ', place, note, row_count, samples) as said, '' as place
    from quality.reference_notes
"""
LEADS_SAY = """
    select concat_ws(' ', place, note, row_count, samples) as said, '' as place
    from quality.lead_notes
"""
NOTES_SAY = """
    select concat_ws(' ', place, note, row_count, samples) as said, '' as place
    from quality.notes
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a damage: read as the sound export, named by a line, or neither."""

    is_same: bool = False
    named: str | None = None
    said: tuple[str, ...] = ()


class Door:
    """Reads exports one after the other as one source, and models what is asked for."""

    def __init__(self, warehouse: Warehouse, directory: Path) -> None:
        self._warehouse = warehouse
        self._directory = directory
        self._files: Files = {}
        self._before: dict[str, Counter[str]] = {}
        self._facts_before: dict[str, Counter[str]] = {}
        self._changed: set[str] = set()
        self._built: set[str] = set()
        # Of so few rows, planning a query well costs more than running it.
        warehouse.execute("pragma disable_optimizer")
        warehouse.execute("create schema if not exists sound")

    def read_sound(self, sound: Sound) -> None:
        """Read the export of yesterday."""
        self._files = as_files(sound)
        self._read(self._files)
        self._warehouse.decide(AS_OF)
        self._warehouse.build([*map(_contract, CONTRACT_TABLES), *VALUES, *LEADS])
        for table in CONTRACT_TABLES:
            name = _contract(table)
            self._warehouse.execute(f"create or replace table sound.{name} as from build.{name}")
        queries = (READER_SAYS, ROWS_SAY, VALUES_SAY, LEADS_SAY)
        self._before = {query: self._said(query) for query in queries}
        self._facts_before = {}
        self._changed = set()

    def judge(self, damaged: Damaged, *, has_to_be_same: bool = False) -> Verdict:
        """Read the export of today, and see whether it is the same or what is said of it."""
        self._restore()
        try:
            self._read(damaged.files)
        except SourceError as error:
            return self._verdict(damaged, error.problems)
        self._changed = {
            table
            for table in CONTRACT_TABLES
            if _file_of(table, damaged.files) != _file_of(table, self._files)
        }
        verdict = self._verdict(damaged, self._new(READER_SAYS))
        if verdict.named and not has_to_be_same:
            return verdict
        self._build(map(_contract, self._changed))
        if self._is_read_as_before():
            return Verdict(is_same=True)
        for models, query in ((ROWS, ROWS_SAY), (VALUES, VALUES_SAY), (LEADS, LEADS_SAY)):
            self._build(models)
            verdict = self._verdict(damaged, self._new(query))
            if verdict.named:
                return verdict
        return self._judge_facts(damaged)

    def _judge_facts(self, damaged: Damaged) -> Verdict:
        """The same, where only the facts can tell."""
        facts = self._facts()
        if not self._facts_before:
            self._restore()
            self._facts_before = self._facts()
        said, before = facts.pop("notes"), self._facts_before["notes"]
        if all(self._facts_before[name] == rows for name, rows in facts.items()):
            return Verdict(is_same=True)
        return self._verdict(damaged, [*(said - before)])

    def _facts(self) -> dict[str, Counter[str]]:
        """The published facts, whatever ids were made for their rows, and the notes."""
        self._build([*PUBLISHED, "notes"])
        facts = {
            name: Counter(
                str([value for value in row.values() if not str(value).startswith("made:")])
                for row in self._warehouse.rows(name)
            )
            for name in PUBLISHED
        }
        return {**facts, "notes": self._said(NOTES_SAY)}

    def _read(self, files: Files) -> None:
        for path in self._directory.iterdir():
            path.unlink()
        for name, content in files.items():
            (self._directory / name).write_bytes(content)
        self._warehouse.read_export(FilesSource(kind="files", path=self._directory))

    def _restore(self) -> None:
        """Take back what the models made of the last damage."""
        for table in self._changed:
            name = _contract(table)
            self._warehouse.execute(f"create or replace table build.{name} as from sound.{name}")
        self._changed, self._built = set(), set()

    def _build(self, names: Iterable[str]) -> None:
        """Build models, but not what the damage does not reach nor what is built already."""
        unchanged = {
            name
            for table in CONTRACT_TABLES
            if table not in self._changed
            for name in (_contract(table), f"stg_files__{table}")
        }
        names, given = set(names), unchanged | self._built
        self._warehouse.build(names, given=given)
        self._built |= self._warehouse.project.upstream(names, stop_at=given)

    def _is_read_as_before(self) -> bool:
        return not any(self._differs(table) for table in self._changed)

    def _differs(self, table: str) -> bool:
        name = _contract(table)
        rows = f"(select distinct * exclude ({LINEAGE}) from {{}}.{name} where problem is null)"
        build, sound = rows.format("build"), rows.format("sound")
        query = f"({build} except {sound}) union all ({sound} except {build})"
        return self._warehouse.execute(f"select 1 from ({query}) limit 1").fetchone() is not None

    def _said(self, query: str) -> Counter[str]:
        return Counter(row["said"] for row in self._warehouse.rows(query))

    def _new(self, query: str) -> list[str]:
        """What is said now and was not said, or not so often, of the sound export."""
        new = self._said(query) - self._before[query]
        return [
            row["said"] + row["place"] for row in self._warehouse.rows(query) if row["said"] in new
        ]

    @staticmethod
    def _verdict(damaged: Damaged, said: Iterable[str]) -> Verdict:
        lines = tuple(said)
        named = next((line for line in lines if names(line, damaged)), None)
        return Verdict(named=named, said=lines)


def names(line: str, damaged: Damaged) -> bool:
    """Whether a line names the table, or its file, and one of the marks."""
    is_there = damaged.table is None or re.search(rf"\b{damaged.table}\b", line) is not None
    marks = damaged.marks or ("",)
    return is_there and any(re.search(mark, line, re.IGNORECASE) for mark in marks)


def _contract(table: str) -> str:
    return f"int_contract__{table}"


def _file_of(table: str, files: Files) -> tuple[str, bytes] | None:
    return next(((name, text) for name, text in files.items() if name.split(".")[0] == table), None)


def cases(number: int) -> dict[int, list[tuple[int, Family]]]:
    """So many cases, each family as often as another: by the seed of their sound export."""
    by_seed: dict[int, list[tuple[int, Family]]] = {}
    for case in range(number):
        seed = case // CASES_OF_AN_EXPORT
        by_seed.setdefault(seed, []).append((case, FAMILIES[case % len(FAMILIES)]))
    return by_seed


def try_cases(scratch: Path, number: int, *, processes: int = 1) -> list[str]:
    """What is wrong, a line for each case whose damage is silent."""
    by_seed = cases(number)
    parts = [
        (scratch / str(part), {seed: by_seed[seed] for seed in list(by_seed)[part::processes]})
        for part in range(processes)
    ]
    if processes == 1:
        return _try_part(*parts[0])
    with ProcessPoolExecutor(processes) as pool:
        return [line for lines in pool.map(_try_part, *zip(*parts, strict=True)) for line in lines]


def _try_part(scratch: Path, by_seed: dict[int, list[tuple[int, Family]]]) -> list[str]:
    scratch.mkdir()
    door = Door(Warehouse(project().for_files()), scratch)
    lines = []
    for seed, chosen in by_seed.items():
        sound = sound_export(seed)
        door.read_sound(sound)
        lines += [try_case(door, sound, case, family) for case, family in chosen]
    return [line for line in lines if line]


def damage_of(sound: Sound, case: int, family: Family) -> Damaged:
    """A damage of a family. Raises ``LookupError`` where the export has nothing of that kind."""
    rng = Random(case)
    for _ in range(TRIES):
        if damaged := family.damage(rng, sound):
            return damaged
    raise LookupError(f"case {case}: {family.name} finds nothing to damage in {TRIES} tries")


def try_case(door: Door, sound: Sound, case: int, family: Family) -> str:
    """What is wrong with one case; an empty text when nothing is."""
    damaged = damage_of(sound, case, family)
    verdict = door.judge(damaged, has_to_be_same=family.is_harmless)
    if verdict.is_same or (verdict.named and not family.is_harmless):
        return ""
    what = "changed something" if family.is_harmless else "is silent"
    said = "".join(f"\n    {line[:300]}" for line in verdict.said)
    return f"case {case}: {family.name} {what}; {damaged.table} {damaged.marks}; said:{said}"
