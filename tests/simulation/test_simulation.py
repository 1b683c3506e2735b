"""What the simulation promises: the contract's shape, the same bytes, a believable year."""

import csv
import filecmp
import json
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT
from dagster_project.simulation import assumptions as given
from dagster_project.simulation import export, simulate
from dagster_project.simulation.scenario import Cause, Scenario
from tests.lifecycle import reference

SAMPLE = PROJECT_ROOT / "seeds" / "sample_crm"
SAMPLE_LEADS = 2_000
SAMPLE_SEED = 2026
YEAR_START = datetime(2025, 7, 1, tzinfo=UTC)


def files_of(directory: Path) -> dict[str, bytes]:
    """The simulation's files by name."""
    names = [*json.loads((directory / export.MANIFEST).read_text())["files"].values()]
    return {name: (directory / name).read_bytes() for name in [*names, export.MANIFEST]}


def query(directory: Path, sql: str) -> list[tuple]:
    """Rows of a query over the tables of an export."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    for table in CONTRACT_TABLES:
        if table not in sql:
            continue
        file = next(directory.glob(f"{table}.*"))
        connection.execute(f"create view {table} as select * from '{file}'")
    return connection.sql(sql).fetchall()


def policy(table: str, key: str, value: str | None = None) -> dict[str, str]:
    """A column of a policy table by its key column; the keys themselves without ``value``."""
    with (POLICY_DIR / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return {row[key]: row[value or key] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 leads: enough for rates."""
    out = tmp_path_factory.mktemp("simulation") / "year"
    simulate(20_000, 5, out)
    return out


# --- The sample ----------------------------------------------------------------------------------


def test_the_committed_sample_is_what_the_simulation_gives(tmp_path: Path) -> None:
    simulate(SAMPLE_LEADS, SAMPLE_SEED, tmp_path)
    made = files_of(tmp_path)
    match, mismatch, errors = filecmp.cmpfiles(tmp_path, SAMPLE, list(made), shallow=False)
    assert (mismatch, errors) == ([], [])
    assert sorted(match) == sorted(made)


def test_the_sample_is_small_and_has_2000_leads() -> None:
    assert sum(len(content) for content in files_of(SAMPLE).values()) < 3_000_000
    assert query(SAMPLE, "select count(*) from leads") == [(SAMPLE_LEADS,)]


def test_the_sample_breaks_some_rules_and_no_blocking_threshold() -> None:
    tables = {}
    for table in CONTRACT_TABLES:
        with (SAMPLE / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            tables[table] = list(csv.DictReader(file))
    rules = reference.Policy.from_directory(POLICY_DIR)
    result = reference.read(tables, rules, reference.Run(as_of=given.YEAR_END))
    assert result.quarantined == []

    broken = Counter(violation["rule"] for violation in result.violations)
    visits = [stage for stage in result.stages if stage["reason_required"]]
    cases = {
        "rejection_reason_missing": sum(v["exit_kind"] == "rejected" for v in visits),
        "disqualification_reason_missing": sum(v["exit_kind"] == "disqualified" for v in visits),
        "loss_reason_missing": sum(v["exit_kind"] == "lost" for v in visits),
        "recycle_reason_missing": sum(v["exit_kind"] == "recycled" for v in visits),
        "backward_transition": len(result.stages),
        "handoff_without_owner": sum(c["handed_off_at"] is not None for c in result.cycles),
        "skipped_stage": len(result.stages),
    }
    shares = {rule: broken[rule] / count for rule, count in cases.items()}
    assert all(0 < share < 0.12 for share in shares.values()), shares
    assert 0.04 < shares["rejection_reason_missing"] < 0.12
    assert 0 < broken["unmapped_stage"] / len(tables["stage_changes"]) < 0.02
    assert broken["invalid_transition"] / len(result.stages) < 0.01
    assert 0.03 < len(result.violations) / len(result.stages) < 0.08
    assert {"unknown_reason", "untouched_past_sla", "not_recycled"} <= set(broken)
    second = [cycle for cycle in result.cycles if cycle["start_kind"] == "requalified"]
    assert {"won", "lost", "rejected"} <= {cycle["outcome"] for cycle in second}
    assert any(cycle["start_kind"] == "expansion" for cycle in result.cycles)


# --- Same arguments, same bytes ------------------------------------------------------------------


def test_same_seed_gives_the_same_bytes_whatever_the_thread_count(tmp_path: Path) -> None:
    threads = pa.cpu_count()
    try:
        for count in (1, 4):
            pa.set_cpu_count(count)
            simulate(3_000, 9, tmp_path / f"{count}")
    finally:
        pa.set_cpu_count(threads)
    assert files_of(tmp_path / "1") == files_of(tmp_path / "4")


def test_another_seed_gives_another_year(tmp_path: Path) -> None:
    simulate(300, 1, tmp_path / "one")
    simulate(300, 2, tmp_path / "two")
    assert files_of(tmp_path / "one")["leads.csv"] != files_of(tmp_path / "two")["leads.csv"]


def test_parquet_holds_what_csv_holds(tmp_path: Path) -> None:
    simulate(1_000, 3, tmp_path / "csv")
    simulate(1_000, 3, tmp_path / "parquet", file_format="parquet")
    for table in set(CONTRACT_TABLES) - {"channel_spend"}:  # Its date is text in Parquet.
        sql = f"select * from {table} order by all"
        assert query(tmp_path / "csv", sql) == query(tmp_path / "parquet", sql)


# --- The contract's shape ------------------------------------------------------------------------


@pytest.mark.parametrize("table", CONTRACT_TABLES)
def test_tables_have_the_columns_that_the_contract_asks_for(year: Path, table: str) -> None:
    with (year / f"{table}.csv").open(encoding="utf-8") as file:
        written = file.readline().strip().split(",")
    # Simulated deals are all in one currency, and none is merged or deleted.
    never = {"currency", "merged_into_opportunity_id"}
    never |= {"is_deleted"} if table == "opportunities" else set()
    assert written == [name for name in CONTRACT_TABLES[table].columns if name not in never]
    for column in CONTRACT_TABLES[table].required:
        assert query(year, f"select count(*) from {table} where {column} is null") == [(0,)]


@pytest.mark.parametrize(
    ("tables", "column", "of"),
    [
        (["stage_changes", "activities", "engagements"], "lead_id", "leads.lead_id"),
        (["opportunities", "owner_changes"], "lead_id", "leads.lead_id"),
        (["leads"], "merged_into_lead_id", "leads.lead_id"),
        (["leads", "opportunities", "owner_changes"], "owner_id", "reps.rep_id"),
        (["activities"], "rep_id", "reps.rep_id"),
    ],
)
def test_references_resolve(year: Path, tables: list[str], column: str, of: str) -> None:
    target, _, key = of.partition(".")
    for table in tables:
        lost = f"""
            select count(*) from {table}
            where {column} is not null and {column} not in (select {key} from {target})
        """
        assert query(year, lost) == [(0,)], table


def test_ids_are_unique_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LEADS_PER_BLOCK", 700)
    done = []
    rows = simulate(1_600, 4, tmp_path, progress=lambda *at: done.append(at))
    assert done == [(700, 1_600), (1_400, 1_600), (1_600, 1_600)]
    for table, column in {
        "leads": "lead_id",
        "stage_changes": "change_id",
        "activities": "activity_id",
        "engagements": "engagement_id",
        "opportunities": "opportunity_id",
    }.items():
        counted = query(tmp_path, f"select count(*), count(distinct {column}) from {table}")
        assert counted == [(rows[table], rows[table])]
    assert rows["leads"] == 1_600


def test_times_are_utc_text_within_the_year(year: Path) -> None:
    with (year / "stage_changes.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))["changed_at"]
    assert datetime.strptime(first, "%Y-%m-%dT%H:%M:%SZ").year in (2025, 2026)
    for table, column in {
        "leads": "created_at",
        "stage_changes": "changed_at",
        "activities": "occurred_at",
        "engagements": "occurred_at",
        "opportunities": "closed_at",
        "owner_changes": "changed_at",
    }.items():
        (bounds,) = query(year, f"select min({column}), max({column}) from {table}")
        assert bounds[0] >= YEAR_START, table
        assert bounds[1] < given.YEAR_END, table


def test_names_are_those_of_the_policy() -> None:
    channels = policy("channel_map", "lead_source", "channel")
    simulated = dict(zip(given.SOURCES.name, given.SOURCES.channel, strict=True))
    assert simulated.items() <= channels.items()
    acts = {*given.FIRST_TOUCHES.kind, *given.FOLLOW_UPS.kind, given.AUTOMATED_EMAIL}
    assert acts <= policy("activity_kinds", "kind").keys()
    signals = {
        *given.BACKGROUND_SIGNALS.kind,
        *filter(None, given.SOURCES.first_signal),
        given.OUTBOUND_SIGNAL,
        given.PRODUCT_SIGNAL,
    }
    assert signals - policy("signals", "signal").keys() == {"chat_opened"}
    known = policy("reason_aliases", "reason_raw").keys() | policy("reason_codes", "reason_code")
    assert {text for text in given.REASONS.text if text.lower() not in known} == set()
    assert {text for text in given.UNKNOWN_REASONS if text.lower() in known} == set()
    assert set(given.UNRECYCLABLE_REASONS) <= set(given.REASONS.text)
    assert set(given.Stage) - policy("stages", "label").keys() == {"On Hold"}


def test_signals_are_in_their_tier_of_the_policy() -> None:
    tiers = policy("signals", "signal", "intent_tier")
    assert [tiers[kind] for kind in given.TIER_SIGNALS.kind] == list(given.TIER_SIGNALS.tier)
    assert list(dict.fromkeys(given.TIER_SIGNALS.tier)) == list(given.TIERS.name)


def test_assumptions_about_sources_name_sources() -> None:
    assert list(given.SOURCE_MIX.source) == list(given.SOURCES.name)
    special = {given.SCALED_UP_SOURCE, given.OUTBOUND_SOURCE, given.PRODUCT_SOURCE}
    assert special.union(given.SUBSCRIBING_SOURCES) <= set(given.SOURCES.name)


def test_addresses_can_belong_to_nobody(year: Path) -> None:
    free = "regexp_extract(email, '^(.*)@gmail.com$', 1)"
    (row,) = query(
        year,
        f"""
        select
            count(*) filter (where email not like '%.example' and email not like '%@gmail.com'),
            count(*) filter (where email like '%@gmail.com') / count(*),
            min(length(replace({free}, '.', ''))) filter (where email like '%@gmail.com')
        from leads
        """,
    )
    assert row[0] == 0
    assert 0.02 < row[1] < 0.08
    # The longest name that this provider allows has 30 letters and digits.
    assert row[2] > 30


# --- A believable year ---------------------------------------------------------------------------


def test_rates_are_those_of_a_b2b_funnel(year: Path) -> None:
    (counts,) = query(
        year,
        """
        select
            count(distinct lead_id),
            count(distinct lead_id) filter (where to_stage in ('MQL', 'PQL')),
            count(distinct lead_id) filter (where to_stage = 'SAL'),
            count(distinct lead_id) filter (where to_stage = 'SQL'),
            count(distinct lead_id) filter (where to_stage = 'Opportunity'),
            count(distinct lead_id) filter (where to_stage = 'Customer')
        from stage_changes
        """,
    )
    _, handed, accepted, qualified, opportunity, won = counts
    assert 0.45 < handed / 20_000 < 0.65
    assert 0.65 < accepted / handed < 0.80
    assert 0.20 < qualified / handed < 0.32
    assert 0.50 < opportunity / qualified < 0.70
    assert 0.18 < won / opportunity < 0.35


def test_sources_differ_in_volume_and_quality(year: Path) -> None:
    rows = query(
        year,
        """
        select leads.lead_source, count(distinct leads.lead_id),
            count(distinct leads.lead_id) filter (where to_stage = 'SQL')
            / count(distinct leads.lead_id)
        from leads inner join stage_changes using (lead_id)
        where leads.lead_source is not null
            and leads.lead_id in (
                select lead_id from stage_changes where to_stage in ('MQL', 'PQL')
            )
        group by all
        """,
    )
    volume = {name: count for name, count, _ in rows}
    rate = {name: share for name, _, share in rows}
    assert set(rate) == set(given.SOURCES.name)
    assert max(volume, key=volume.__getitem__) == "Organic Search"
    assert rate["Referral"] > 1.3 * rate["Organic Search"] > 1.3 * 1.3 * rate["Paid Social"]


def test_the_crm_score_tells_good_leads_from_bad(year: Path) -> None:
    rows = query(
        year,
        """
        select crm_score >= 50 as is_high, avg((current_stage = 'Customer')::int)
        from leads where crm_score is not null group by all order by is_high
        """,
    )
    assert rows[1][1] > 1.3 * rows[0][1]


def test_august_weekends_and_nights_are_quiet(year: Path) -> None:
    by_month = dict(query(year, "select month(created_at), count(*) from leads group by all"))
    assert by_month[8] < 0.65 * by_month[9]
    by_day = dict(query(year, "select isodow(created_at), count(*) from leads group by all"))
    assert by_day[6] + by_day[7] < 0.6 * by_day[2]
    assert min(by_day, key=by_day.__getitem__) in (6, 7)


def test_the_year_has_the_same_shape_at_any_size(year: Path, tmp_path: Path) -> None:
    simulate(4_000, 5, tmp_path)
    sql = "select month(created_at), count(*) from leads group by all order by all"
    small, large = query(tmp_path, sql), query(year, sql)
    for (month, few), (_, many) in zip(small, large, strict=True):
        assert abs(5 * few - many) < 0.05 * many, month


def test_deals_close_at_the_end_of_the_quarter(year: Path) -> None:
    (row,) = query(
        year,
        """
        select count(*) filter (
            where closed_at >= date_trunc('quarter', closed_at) + interval 3 months
            - interval 7 days
        ) / count(*)
        from opportunities where closed_at is not null
        """,
    )
    # Seven days of some ninety-one would be 8 % without a pull.
    assert row[0] > 0.15


def test_reps_touch_leads_in_their_own_working_hours(year: Path) -> None:
    zones = dict(query(year, "select rep_id, timezone from reps"))
    rows = query(
        year,
        """
        select rep_id, occurred_at from activities
        where rep_id is not null and kind = 'call' order by activity_id limit 2000
        """,
    )
    local = [moment.astimezone(ZoneInfo(zones[rep])) for rep, moment in rows]
    at_work = [at.weekday() < 5 and 9 <= at.hour <= 18 for at in local]
    # Some calls come between a signal and its handoff, whenever that was.
    assert sum(at_work) / len(at_work) > 0.97


def test_reps_differ_in_acceptance_and_speed(year: Path) -> None:
    rows = query(
        year,
        """
        select changed_by, count(*) filter (where to_stage = 'SAL')
            / count(*) filter (where to_stage in ('SAL', 'Rejected'))
        from stage_changes inner join reps on rep_id = changed_by
        where role = 'sdr' group by all having count(*) > 200
        """,
    )
    rates = [rate for _, rate in rows]
    assert len(rates) > 5
    assert max(rates) - min(rates) > 0.1


# --- Cost ----------------------------------------------------------------------------------------


def test_ten_times_the_leads_cost_less_than_ten_times_the_time(tmp_path: Path) -> None:
    def seconds(leads: int) -> float:
        started = time.process_time()
        simulate(leads, 1, tmp_path / f"{leads}")
        return time.process_time() - started

    seconds(500)  # Whatever is loaded once is loaded now.
    assert seconds(30_000) < 10 * max(seconds(3_000), 0.1)


def test_memory_does_not_grow_with_the_leads(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from dagster_project.simulation import simulate\n"
        "simulate(int(sys.argv[1]), 1, Path(sys.argv[2]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )

    def peak(leads: int) -> int:
        ran = subprocess.run(
            [sys.executable, "-c", script, str(leads), str(tmp_path / f"{leads}")],
            check=True,
            capture_output=True,
            text=True,
            cwd=PROJECT_ROOT,
        )
        return int(ran.stdout)

    assert peak(200_000) < 1.4 * peak(50_000)


def test_importing_the_simulation_loads_nothing_heavy() -> None:
    script = (
        "import sys, dagster_project.simulation\n"
        "print([name for name in ('numpy', 'pyarrow', 'duckdb') if name in sys.modules])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=PROJECT_ROOT
    )
    assert ran.stdout.strip() == "[]"


# --- Arguments and the output directory ----------------------------------------------------------


@pytest.mark.parametrize(
    ("leads", "seed", "file_format", "names"),
    [
        (0, 1, "csv", "--leads"),
        (-5, 1, "csv", "--leads"),
        (10, -1, "csv", "--seed"),
        (10, 1, "xlsx", "xlsx"),
    ],
)
def test_arguments_out_of_range_are_named(
    tmp_path: Path, leads: int, seed: int, file_format: str, names: str
) -> None:
    with pytest.raises(ConfigError, match=names) as caught:
        simulate(leads, seed, tmp_path / "out", file_format=file_format)
    assert len(caught.value.problems) == 1
    assert not (tmp_path / "out").exists()


def test_one_lead_is_a_year(tmp_path: Path) -> None:
    assert simulate(1, 0, tmp_path)["leads"] == 1
    assert query(tmp_path, "select count(*) from leads") == [(1,)]


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        simulate(10, 1, out)
    with pytest.raises(ConfigError, match="can't be written"):
        simulate(10, 1, out / "below")
    assert out.read_text() == "mine"


def test_a_directory_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("lead_id,created_at\n")
    with pytest.raises(ConfigError, match="is not empty"):
        simulate(10, 1, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["leads.csv"]


def test_an_earlier_simulation_is_replaced_and_its_neighbours_stay(tmp_path: Path) -> None:
    simulate(10, 1, tmp_path, file_format="parquet")
    (tmp_path / "README.md").write_text("mine")
    simulate(20, 1, tmp_path)
    assert query(tmp_path, "select count(*) from leads") == [(20,)]
    expected = {*files_of(tmp_path), "README.md"}
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_a_table_that_is_not_of_the_earlier_simulation_is_not_overwritten(tmp_path: Path) -> None:
    simulate(10, 1, tmp_path)
    (tmp_path / "leads.parquet").write_text("mine")
    with pytest.raises(ConfigError, match=r"leads\.parquet"):
        simulate(10, 1, tmp_path, file_format="parquet")
    assert (tmp_path / "leads.parquet").read_text() == "mine"


def test_a_failed_simulation_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate(10, 1, tmp_path)
    before = files_of(tmp_path)
    monkeypatch.setattr(export, "LEADS_PER_BLOCK", 100)

    def stop(*_: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match="No space left"):
        simulate(300, 2, tmp_path, progress=stop)
    assert files_of(tmp_path) == before
    assert not (tmp_path / export.PARTIAL).exists()


# --- Causes --------------------------------------------------------------------------------------

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
WEAK = ", ".join(f"'{name}'" for name in given.WEAK_SOURCES)
# What each cause changes: a moment and a measure, whose mean is asked for before and after.
MEASURES = {
    Cause.GAMING: """
        select created_at as moment, lead_id in (
            select lead_id from stage_changes where to_stage in ('MQL', 'PQL')
        ) as measure from leads where created_at < '2026-05-01'
    """,
    Cause.MIX: f"select created_at as moment, lead_source in ({WEAK}) as measure from leads",
    Cause.DRIFT: """
        select closed_at as moment, employee_count < 100 as measure
        from opportunities join leads using (lead_id) where is_won
    """,
    Cause.OVERLOAD: """
        select created_at::date as moment, count(*) as measure from leads group by moment
    """,
    Cause.BOTTLENECK: """
        select changed_at as moment, lead_id in (select lead_id from opportunities) as measure
        from stage_changes where to_stage = 'SQL' and changed_at < '2026-06-15'
    """,
    Cause.SLOW_TOUCH: """
        select engagements.occurred_at as moment, min(activities.occurred_at)
            > engagements.occurred_at + interval 1 hour as measure
        from engagements join activities on engagements.lead_id = activities.lead_id
            and activities.kind in ('call', 'sms', 'email', 'linkedin')
            and activities.occurred_at >= engagements.occurred_at
        where engagements.kind in ('demo_request', 'contact_sales') group by engagements.occurred_at
    """,
    Cause.MISSING_REASONS: """
        select changed_at as moment, reason is null as measure
        from stage_changes where to_stage = 'Rejected'
    """,
}
# The mean is on one side of its bound, and with the cause on the other.
BOUNDS = {
    Cause.GAMING: 0.72,
    Cause.MIX: 0.3,
    Cause.DRIFT: 0.3,
    Cause.OVERLOAD: 17,
    Cause.BOTTLENECK: 0.45,
    Cause.SLOW_TOUCH: 0.1,
    Cause.MISSING_REASONS: 0.25,
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company without a cause."""
    out = tmp_path_factory.mktemp("simulation") / "sound"
    simulate(4_000, 3, out, file_format="parquet", scenario=Scenario(Cause.NONE))
    return out


@pytest.mark.parametrize("cause", MEASURES)
def test_a_cause_changes_its_measure_from_its_day_on(
    cause: Cause, sound: Path, tmp_path: Path
) -> None:
    simulate(4_000, 3, tmp_path, file_format="parquet", scenario=Scenario(cause, SINCE))
    is_after = f"moment >= '{SINCE:%Y-%m-%d}'"
    sql = (
        f"select avg(measure::int) from ({MEASURES[cause]}) group by {is_after} order by {is_after}"
    )
    above = [mean > BOUNDS[cause] for (mean,) in query(sound, sql) + query(tmp_path, sql)]
    assert above in ([False, False, False, True], [True, True, True, False])
