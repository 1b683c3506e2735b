"""The story of a lead says what the models computed, with its reasons, on the golden export."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from dagster_project.config import policy
from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import POLICY_DIR, connect
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.dispatch import ensure_raw_tables
from dagster_project.ingestion.files import load as files
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.reporting.lead_page import explain
from dagster_project.reporting.lead_story import read_story
from dagster_project.running import dbt as dbt_runner

GOLDEN = Path(__file__).parents[1] / "golden" / "crm_export"

# What the story reads: these models and everything before them.
SELECTION = [
    f"+{name}"
    for name in (
        "build_info",
        "dim_milestones",
        "explain_stage_events",
        "fct_lead_cycles",
        "lead_accounting",
        "lifecycle_violations",
        "quarantine",
    )
]

# Leads beside the golden ones: each is left out for its own reason, or came in a bad row.
EXTRA_LEADS = """\
tester,2026-05-01T08:00:00Z,t@test.example,Test lead
tomorrow,2026-07-01T08:00:00Z,,
unreadable,soon,,
copycat,2026-05-01T08:00:00Z,,
"""
EXTRA_CHANGES = """\
x1,copycat,2026-05-02T08:00:00Z,MQL,mail bob@acme.example,R1
x1,copycat,2026-05-03T08:00:00Z,SAL,,R1
x2,copycat,2026-08-01T08:00:00Z,SQL,,R1
x3,copycat,no idea,SQL,,R1
x4,ghost,2026-05-03T08:00:00Z,SAL,,R1
"""

# A second CRM: one lead is a person of the first, one only has the same id.
SECOND_LEADS = """\
lead_id,created_at,email
twin,2026-05-01T08:00:00Z,Happy_Path@acme.example
screened_out,2026-05-01T08:00:00Z,someone@else.example
"""
SECOND_CHANGES = """\
change_id,lead_id,changed_at,to_stage
s1,twin,2026-06-01T08:00:00Z,Customer
"""


def append(path: Path, columns: list[str], rows: str) -> None:
    """Add rows that fill some columns of a CSV file."""
    header = path.read_text("utf-8").splitlines()[0].split(",")
    with path.open("a", encoding="utf-8") as file:
        for row in rows.splitlines():
            cells = dict(zip(columns, row.split(","), strict=True))
            file.write(",".join(cells.get(name, "") for name in header) + "\n")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds the golden export, with a few leads more, under a tradition."""
    root = tmp_path_factory.mktemp("explained")
    export, policy_dir = root / "crm_export", root / "policy"
    shutil.copytree(GOLDEN, export)
    shutil.copytree(POLICY_DIR, policy_dir)
    append(export / "leads.csv", ["lead_id", "created_at", "email", "company"], EXTRA_LEADS)
    append(
        export / "stage_changes.csv",
        ["change_id", "lead_id", "changed_at", "to_stage", "reason", "changed_by"],
        EXTRA_CHANGES,
    )
    second = root / "second"
    second.mkdir()
    (second / "leads.csv").write_text(SECOND_LEADS, "utf-8")
    (second / "stage_changes.csv").write_text(SECOND_CHANGES, "utf-8")
    exclusions = policy_dir / "exclusions.csv"
    exclusions.chmod(0o644)
    exclusions.write_text(
        "attribute,match,value,why\nemail_domain,equals,test.example,our own tests\n", "utf-8"
    )

    # What an editor leaves behind that writes other line ends than the file had.
    aliases = policy_dir / "stage_aliases.csv"
    aliases.chmod(0o644)
    with aliases.open("ab") as file:
        file.write(b"Demo Held,sal\nDemo Booked,sal\r\n")

    def build_under(tradition: str) -> Path:
        place = root / tradition / "warehouse.duckdb"
        place.parent.mkdir()
        with connect(place) as warehouse:
            ensure_raw_tables(warehouse)
            files.ingest(warehouse, FilesSource(kind="files", path=export), 1)
            files.ingest(warehouse, FilesSource(kind="files", name="second", path=second), 2)
            raw_schema.write_sources(warehouse, {"files": None, "second": None})
            raw_schema.write_run_parameters(
                warehouse,
                raw_schema.RunParameters(
                    build_id="golden",
                    as_of=datetime(2026, 6, 30),
                    tradition=tradition,
                    policy_fingerprint=policy.fingerprint(policy_dir),
                    hash_key="a key for tests",
                    match_on="email",
                ),
            )
        request = dbt_runner.BuildRequest(
            warehouse=place,
            target_path=place.parent / "dbt",
            log_path=place.parent / "logs",
            policy_dir=policy_dir,
            selection=SELECTION,
        )
        dbt_runner.build(dbt_runner.parsed_project(), request).require_success()
        return place

    return build_under


@pytest.fixture(scope="module")
def four_stage(build: Callable[[str], Path]) -> Path:
    return build("four_stage")


@pytest.fixture(scope="module")
def handoff_first(build: Callable[[str], Path]) -> Path:
    return build("handoff_first")


def told(warehouse: Path, lead_id: str, source_system: str | None = None) -> list[str]:
    """The story as lines of words, with single spaces."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=200)
    console.print(explain(warehouse, lead_id, source_system))
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def section(lines: list[str], title: str) -> list[str]:
    """The lines of one section of a story."""
    start = next(at for at, line in enumerate(lines) if line.startswith(title))
    end = lines.index("", start) if "" in lines[start:] else len(lines)
    return lines[start + 1 : end]


def test_story_of_a_lead_that_came_back_and_won(four_stage: Path) -> None:
    lines = told(four_stage, "recycled_then_won")
    assert lines[0] == "Lead recycled_then_won of files"
    assert section(lines, "What came")[-2:] == [
        "2026-03-21 12:00 opportunity OPP-1 created, 12,000 R1 opportunity: proven by the "
        "opportunity",
        "2026-04-30 12:00 opportunity OPP-1 won R1 customer: proven by the opportunity",
    ]
    assert section(lines, "Stage visits")[2:5] == [
        "2 1 rejected 2026-01-12 08:00 2026-01-13 08:00 24 exit 'Bad timing': "
        "not_in_buying_cycle R1",
        "3 1 nurture 2026-01-13 08:00 2026-03-14 08:00 1,440 recycle R1",
        "4 2 mql 2026-03-14 08:00 2026-03-14 12:00 4 restart R1",
    ]
    first = section(lines, "Cycle 1 (new), from 2026-01-10 08:00 to 2026-03-14 08:00: rejected")
    assert "handed_off MQL 2026-01-11 08:00 explicit: visit 1, mql" in first
    assert "marketing_qualified MQL 2026-01-11 08:00 implied: visit 1, mql, means handed_off" in (
        first
    )
    assert "acceptance rejected: it left at 2026-01-12 08:00 without acceptance" in first
    assert "requalified 2026-03-14 08:00" in first
    second = section(lines, "Cycle 2 (requalified), from 2026-03-14 08:00: won")
    assert "accepted SAL 2026-03-14 12:00 explicit: visit 5, sal" in second
    assert "won Customer 2026-04-30 12:00 explicit: visit 8, customer" in second
    assert "opportunities 12,000" in second
    assert section(lines, "Broken rules")[1:] == [
        "warning untouched_past_sla cycle 2 2026-03-15 08:00 standard"
    ]


def test_everything_that_came_is_told_with_its_fate(four_stage: Path) -> None:
    came = section(told(four_stage, "messy"), "What came")
    assert came[1:] == [
        "2026-03-02 08:00 stage > MQL R1 mql",
        "2026-03-02 08:00 stage > MQL R1 dropped: repeats a row",
        "2026-03-03 08:00 stage > Zombie R1 not an event: no map knows this stage",
        "2026-03-04 08:00 stage > (empty) R1 dropped: a clear, no stage",
        "2026-03-05 08:00 stage > SAL R1 sal",
    ]
    lines = told(four_stage, "copycat")
    assert section(lines, "What came")[1:] == [
        "2026-05-02 08:00 stage > MQL, reason 'mail [e-mail]' R1 dropped: another version of this "
        "change is used",
        "2026-05-03 08:00 stage > SAL R1 sal",
        "2026-08-01 08:00 stage > SQL R1 dropped: later than as_of",
    ]
    (bad,) = section(lines, "Rows in quarantine")[1:]
    assert bad.startswith("stage_changes stage_changes.csv")
    assert "changed_at" in bad


def test_inferred_stages_say_what_they_are_known_by(four_stage: Path) -> None:
    assert section(told(four_stage, "no_history"), "What came")[1:] == [
        "2026-04-01 08:00 no change mql: only its current stage is known"
    ]
    came = section(told(four_stage, "history_starts_late"), "What came")
    assert came[1] == (
        "2026-04-01 08:00 no change mql: the first change says it was in this stage before"
    )


def test_deal_that_proves_nothing_says_why(four_stage: Path) -> None:
    came = section(told(four_stage, "two_deals"), "What came")
    assert came[-1] == (
        "2026-02-05 08:00 opportunity OPP-2 lost, reason 'lost to competitor' R1 proves nothing: "
        "another opportunity lived on or was won meanwhile"
    )


def test_score_is_told_in_its_parts(four_stage: Path) -> None:
    facts = section(told(four_stage, "gone_cold"), "Cycle 1")
    assert "score 28, band C, frozen at 2026-03-10 08:00" in facts
    assert "fit 20 = title contains 'vp' +20" in facts
    assert (
        "interest 8 = webinar_attended 2026-01-02 08:00 +8; trial_signup 2026-01-03 08:00 +20; "
        "decay -20, idle since 2026-01-03 08:00"
    ) in facts
    fit = next(
        line for line in section(told(four_stage, "friday_evening"), "Cycle 1") if "fit" in line
    )
    assert "employee_count 5 is 0 to 9 -20" in fit
    assert "email_domain is 'gmail.com' -10" in fit


def test_service_level_is_told_with_trigger_due_and_touch(handoff_first: Path) -> None:
    facts = section(told(handoff_first, "late_rejection"), "Cycle 1")
    assert (
        "accepted SAL 2026-05-04 08:00 default: 48 h after the handoff and sales had not "
        "rejected it"
    ) in facts
    assert (
        "intent hand_raise: triggered by pricing_inquiry at 2026-05-02 07:00; explicit intent: yes"
    ) in facts
    assert "service level breached, due 2026-05-02 08:05" in facts
    assert "exit rejected at 2026-05-05 08:00: wrong_persona, a late rejection" in facts
    pending = section(told(handoff_first, "pending"), "Cycle 1")
    assert "acceptance pending, by default at 2026-06-30 08:00" in pending


def test_first_touch_names_its_activity(four_stage: Path) -> None:
    facts = section(told(four_stage, "survivor"), "Cycle 1")
    assert "first touch call by R1, 2026-03-20 09:00, 60 minutes after it" in facts
    assert "service level met: the first touch came in time, due 2026-03-21 08:00" in facts


def test_first_touch_says_how_long_the_lead_waited(four_stage: Path) -> None:
    facts = section(told(four_stage, "happy_path"), "Cycle 1")
    (touch,) = (line for line in facts if line.startswith("first touch"))
    assert touch.endswith("4 minutes after it (6 after what the lead asked for)")


def test_an_unknown_amount_is_called_so(four_stage: Path) -> None:
    facts = section(told(four_stage, "deal_without_amount"), "Cycle 1")
    assert "opportunities unknown" in facts
    assert "won amount unknown" in facts


def test_merged_record_tells_the_story_of_the_survivor(four_stage: Path) -> None:
    lines = told(four_stage, "merged_twice")
    assert lines[0] == "Lead survivor of files"
    assert lines[1] == "merged_twice was merged into it: all its rows belong to this lead"
    assert "merged into it merged_twice, merged_once" in lines
    assert "2026-03-10 08:00 stage > Lead (record merged_twice) R1 lead" in lines
    assert any("its own record: 2026-04-01 08:00" in line for line in lines)


@pytest.mark.parametrize(
    ("lead_id", "why"),
    [
        ("deleted", "In no mart: deleted in the CRM"),
        ("tester", "In no mart: excluded by policy: our own tests"),
        ("tomorrow", "In no mart: not yet known: created at 2026-07-01 08:00, after as_of"),
        ("unreadable", "In no mart: in quarantine: no row of it can be used"),
        ("ghost", "In no mart: in quarantine: no row of it can be used"),
    ],
)
def test_lead_that_is_left_out_says_why(four_stage: Path, lead_id: str, why: str) -> None:
    lines = told(four_stage, lead_id)
    assert why in lines
    assert not any(line.startswith("Cycle") for line in lines)


def test_row_of_an_unknown_lead_is_shown_where_it_lies(four_stage: Path) -> None:
    (row,) = section(told(four_stage, "ghost"), "Rows in quarantine")[1:]
    assert row.startswith("stage_changes stage_changes.csv")


def test_every_golden_lead_has_a_story(four_stage: Path) -> None:
    with connect(four_stage, read_only=True) as warehouse:
        found = warehouse.execute(
            "select lead_id, source_system from build.lead_accounting"
        ).fetchall()
    assert len(found) > 30
    for lead_id, source_system in found:
        assert told(four_stage, lead_id, source_system)


def test_visits_and_cycles_are_those_of_the_facts(four_stage: Path) -> None:
    story = read_story(four_stage, "recycled_then_won")
    with connect(four_stage, read_only=True) as warehouse:
        counted = warehouse.execute(
            """
            select
                (select count(*) from build.fct_lead_stages where lead_id = 'recycled_then_won'),
                (select count(*) from build.fct_lead_cycles where lead_id = 'recycled_then_won')
            """
        ).fetchone()
    assert (len(story.visits), len(story.cycles)) == counted


def test_story_has_no_personal_data(four_stage: Path) -> None:
    for lead_id in ("happy_path", "copycat", "friday_evening"):
        assert "@" not in "\n".join(told(four_stage, lead_id))


def test_unknown_lead_is_one_line_with_near_matches(four_stage: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        explain(four_stage, "hapy_path")
    assert raised.value.exit_code == 2
    assert raised.value.problems == [
        "no source knows a lead 'hapy_path' (did you mean happy_path?)"
    ]
    with pytest.raises(ConfigError, match="ids are compared exactly"):
        explain(four_stage, "0815")


def test_source_must_know_the_lead(four_stage: Path) -> None:
    assert told(four_stage, "happy_path", "files")
    with pytest.raises(ConfigError, match="not in source 'crm', but in files"):
        explain(four_stage, "happy_path", "crm")


def test_id_that_several_sources_use_needs_a_source(four_stage: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        explain(four_stage, "screened_out")
    assert raised.value.problems == [
        "lead 'screened_out' is in several sources: files, second (name one with --source)"
    ]
    assert told(four_stage, "screened_out", "second")[0] == "Lead screened_out of second"
    assert told(four_stage, "screened_out", "files")[0] == "Lead screened_out of files"


def test_person_of_two_sources_has_one_story(four_stage: Path) -> None:
    lines = told(four_stage, "twin")
    assert lines[0] == "Lead happy_path of files"
    assert "merged into it twin of second" in lines
    assert "2026-06-01 08:00 stage > Customer (record twin of second) customer" in lines


def test_without_a_build_there_is_nothing_to_explain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no build to explain yet"):
        explain(tmp_path / "warehouse.duckdb", "happy_path")
    connect(tmp_path / "warehouse.duckdb").close()
    with pytest.raises(ConfigError, match="handoff run first"):
        explain(tmp_path / "warehouse.duckdb", "happy_path")
