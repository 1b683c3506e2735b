"""What a run was asked to do: the moment it looks at, and the export it reads."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.running.plan import RunOptions, parse_time, plan_run


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-06-30", "UTC", datetime(2026, 6, 30, tzinfo=UTC)),
        ("2026-06-30", "America/New_York", datetime(2026, 6, 30, 4, tzinfo=UTC)),
        ("2026-06-30T09:30", "Asia/Tokyo", datetime(2026, 6, 30, 0, 30, tzinfo=UTC)),
        ("2026-06-30T09:30:00Z", "Asia/Tokyo", datetime(2026, 6, 30, 9, 30, tzinfo=UTC)),
        ("2026-06-30T09:30:00+02:00", "UTC", datetime(2026, 6, 30, 7, 30, tzinfo=UTC)),
    ],
)
def test_a_date_begins_in_the_zone_of_the_reports(text: str, zone: str, moment: datetime) -> None:
    assert parse_time(text, zone) == moment


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="--as-of 'June': not a time; write 2026-06-30"):
        parse_time("June")


def plan(directory: Path, **files: bytes) -> None:
    """Plan a run over an export of these files."""
    export = directory / "export"
    export.mkdir()
    for name, content in files.items():
        (export / name.replace("_csv", ".csv")).write_bytes(content)
    plan_run(RunOptions(input=str(export), output=str(directory / "out")))


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"contacts_csv": b"Record ID,Create Date\n1,2026-01-01\n"}, "no leads table"),
        (
            {"leads_csv": b"Lead ID;Created Date\n1;2026-01-01\n"},
            "required column lead_id, created_at of table leads is missing; the header has: "
            "Lead ID, Created Date",
        ),
        ({"leads_csv": b""}, "the file is empty"),
        ({}, "no leads table"),
    ],
)
def test_an_input_that_is_no_contract_export_is_refused_before_anything_is_done(
    files: dict[str, bytes], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as refused:
        plan(tmp_path, **files)
    (line,) = refused.value.problems
    assert problem in line
    assert f"`handoff init --from {tmp_path / 'export'}`" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("shift", range(4))
def test_of_a_long_export_the_beginning_is_looked_at(
    shift: int, encoding: str, line_end: str, tmp_path: Path
) -> None:
    rows = [f'{at},2026-01-01,"Müller, Söhne"' for at in range(9999)]
    text = line_end.join(["lead_id,created_at,company" + " " * shift, *rows])
    plan(tmp_path, leads_csv=text.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("letter", "ĊਅӍ\U00013600")
def test_no_half_of_a_letter_is_taken_for_a_line_end(
    letter: str, encoding: str, tmp_path: Path
) -> None:
    text = f"lead_id,created_at\n1,2026-01-01\n{letter * 99_999}"
    plan(tmp_path, leads_csv=text.encode(encoding))


def test_a_packed_export_is_looked_at(tmp_path: Path) -> None:
    plan(tmp_path, **{"leads_csv.gz": gzip.compress(b"lead_id,created_at\nA,2026-01-01\n")})


def test_a_packed_export_that_is_cut_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"lead_id,created_at\nA,2026-01-01\n")
    with pytest.raises(SourceError, match=r"leads\.csv\.gz: the gzip file is damaged or cut off"):
        plan(tmp_path, **{"leads_csv.gz": packed[:-10]})
