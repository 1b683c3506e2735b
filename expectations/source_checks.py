"""Checks that every table of the sources gets: usable rows, readable values, freshness and so on.

They tell of the source, not of a lead, so most warn by default, and they ask for enough data to
say something: in a tiny export most are not judged.
"""

from dagster_project.config.contract import CONTRACT_TABLES, RHYTHM
from expectations.check import Check

QUARANTINE_BLOCK = 0.05
UNREADABLE_BLOCK = 0.05
# Of these a value that can't be read blocks: without it, revenue, time, deletions and who did what
# are wrong. Of fewer values one is too great a share to hold the marts back.
_BLOCKING_KINDS = {"money", "time", "flag", "id", "event_id"}
_BLOCKS_FROM_VALUES = 5

# New rows are overdue from three of the usual gaps on; where fewer than eight gaps are known (a new
# table, or one that was imported in a day), from 90 days on, or three gaps if they are longer. With
# the days that a check allows beyond, what fills by chance at any pace, on working days or in
# batches warns less than once in two years.
_USUAL_GAPS, _KNOWN_GAPS, _DAYS_WITHOUT_RHYTHM = 3, RHYTHM["known_gaps"], 90
_OVERDUE = (
    f"{_USUAL_GAPS} times the gap between two days with rows that is usual "
    f"({RHYTHM['usual_share']:.0%} of those of a year do not exceed it), or within "
    f"{_DAYS_WITHOUT_RHYTHM} days where fewer than {_KNOWN_GAPS} gaps are known"
)
# Volume is judged by the shortest span (day, week, four weeks) that usually holds 50 rows: below,
# chance alone halves it now and then. Four weeks with 12 rows or more are judged, too; there, what
# chance may do counts as no difference: the square roots of two counts of one rhythm differ by
# more than 2, four standard deviations of either, in less than one span of a thousand.
_USUAL_ROWS, _USUAL_ROWS_OF_WEEKS, _CHANCE_OF_ROOTS = 50, 12, 2
_LONGEST_SPAN, _SPANS_BEFORE = max(RHYTHM["spans"].items())
# Rows and columns are compared with the build before where it had 50 rows of the table or more;
# that none are left is worse at any size.
_FILLED_ROWS = 50

# The checks that tell whether rows that there were are gone.
LASTING_ROWS = frozenset(f"{name}_do_not_vanish" for name in CONTRACT_TABLES)


def source_checks(
    table_name: str, *, fresh_days: float | None = None, has_usual_volume: bool = False
) -> tuple[Check, ...]:
    """The checks of one table. ``fresh_days``: how many days it may lag behind, if it is dated."""
    table = CONTRACT_TABLES[table_name]
    checks = [_usable_rows(table_name), _lasting_rows(table_name), _steady_columns(table_name)]
    checks += [
        _readable_values(table_name, column, kind)
        for column, kind in table.kinds.items()
        # A row without its required values is in quarantine, which has a check.
        if column not in table.required
    ]
    if fresh_days is not None:
        checks.append(_fresh(table_name, fresh_days))
    if has_usual_volume:
        checks.append(_usual_volume(table_name))
    return tuple(checks)


def _usable_rows(table_name: str) -> Check:
    """Few rows of a table are in quarantine; blocks above 5 %."""
    return Check(
        name=f"{table_name}_rows_are_usable",
        headline=f"{{failing}} row{{s}} of {table_name} in quarantine",
        description=f"Rows of {table_name} can be used: required values are there and readable, "
        "and the lead they name is known.",
        severity="error",
        owner="data",
        runbook="Read the reasons in quality.quarantine for the listed rows; fix the export or "
        "the mapping in handoff.yml.",
        cases=f"""
            select source_system, source_file, source_row, load_id, true as is_broken
            from quality.quarantine
            where table_name = '{table_name}'
        """,
        counts=f"""
            select
                coalesce(sum(rows_read), 0) as cases,
                coalesce(sum(rows_quarantined), 0) as broken
            from quality.row_counts
            where table_name = '{table_name}'
        """,
        keys=("source_system", "source_file", "source_row"),
        newest_by="load_id",
        block=QUARANTINE_BLOCK,
    )


def _readable_values(table_name: str, column: str, kind: str) -> Check:
    """The values of a column can be read; those of the blocking kinds block above 5 %."""
    blocks = kind in _BLOCKING_KINDS
    # Of an event without an id of its own, one is made; of money, the value as it was given.
    read = {
        "event_id": f"case when {column} not like 'made:%' then {column} end",
        "money": f"{column}_given",
    }.get(kind, column)
    names = f"'{column}'"
    readable = f"(select count({read}) from build.int_contract__{table_name})"
    if column.startswith("merged_into_"):
        # Merged records may be listed instead, in the row of the one that is left.
        names += ", '~merged_ids'"
        readable += (
            " + (select count(merged_id) from build.int_contract__merge_lists"
            f" where table_name = '{table_name}')"
        )
    place = f"table_name = '{table_name}' and column_name in ({names})"
    return Check(
        name=f"{table_name}_{column}_can_be_read",
        headline=f"{{failing}} value{{s}} of {table_name}.{column} that can't be read",
        description=f"A value that a source gives for {table_name}.{column} has one reading; "
        "another one is unknown, as if it were missing.",
        severity="error" if blocks else "warning",
        owner="data",
        runbook="Read the text and the reason of the listed rows in quality.unreadable_values; fix "
        "the export, or name the format in time_formats, decimal_marks or values of the mapping.",
        cases=f"""
            select source_system, source_file, source_row, load_id, true as is_broken
            from quality.unreadable_values
            where {place}
        """,
        counts=f"""
            select readable + unreadable as cases, unreadable as broken
            from (
                select
                    {readable} as readable,
                    (select count(*) from quality.unreadable_values where {place}) as unreadable
            ) as counted
        """,
        keys=("source_system", "source_file", "source_row"),
        newest_by="load_id",
        block=UNREADABLE_BLOCK if blocks else None,
        blocks_from=_BLOCKS_FROM_VALUES,
    )


def fresh_source(days: float) -> Check:
    """The newest row of a source is at most ``days`` overdue, whatever its table."""
    return Check(
        name="sources_are_fresh",
        headline="the newest row of a source is older than usual",
        description="A source brings new rows, of any table but channel_spend (a budget has rows "
        f"for days to come), as often as it usually does: within {_OVERDUE}; per source.",
        severity="warning",
        owner="data",
        runbook="Look whether the export or the API user still works, then whether the CRM is "
        "still used. An old export that is read on purpose: run it with --as-of its day.",
        cases=_late("table_name is null", "days_old", "from ' || source_system || '"),
        keys=("source_system",),
        told_with=("newest_day", "said"),
        unit="days",
        warn=days,
    )


def _fresh(table_name: str, days: float) -> Check:
    """The newest row of a table is at most ``days`` overdue, seen from the newest of its source."""
    return Check(
        name=f"{table_name}_are_fresh",
        headline=f"the newest row of {table_name} is older than usual",
        description=f"{table_name} get new rows as often as they usually do while their source "
        f"brings rows: within {_OVERDUE}, up to the newest row of any table; per source. That a "
        "source brings nothing at all is for sources_are_fresh to tell.",
        severity="warning",
        owner="data",
        runbook="Look whether the export of this table still works, then whether the CRM is still "
        "used for this.",
        meaning=2,
        cases=_late(f"table_name = '{table_name}'", "days_behind_source", f"of {table_name}"),
        keys=("source_system",),
        told_with=("newest_day", "said"),
        unit="days",
        warn=days,
    )


def _late(condition: str, silent_days: str, whose: str) -> str:
    """Cases of freshness: what goes beyond the usual, and what is said of it."""
    return f"""
        select
            source_system,
            newest_day,
            greatest(
                {silent_days} - greatest(
                    {_USUAL_GAPS} * coalesce(usual_gap_days, 0),
                    case when recent_gaps < {_KNOWN_GAPS} then {_DAYS_WITHOUT_RHYTHM} else 0 end
                ),
                0
            ) as measure,
            concat(
                'no new rows {whose} since ',
                newest_day,
                case
                    when recent_gaps < {_KNOWN_GAPS} then ''
                    when usual_gap_days <= 1 then ' (usually every day)'
                    when middle_gap_days >= usual_gap_days
                        then ' (usually every ' || ceil(usual_gap_days)::integer || ' days)'
                    else ' (usually every ' || floor(middle_gap_days)::integer || '-'
                        || ceil(usual_gap_days)::integer || ' days)'
                end
            ) as said
        from quality.source_freshness
        where {condition}
    """


def _usual_volume(table_name: str) -> Check:
    """The last day, week or four weeks (UTC) of a table hold about as many rows as usual.

    A table that was silent in the span before as well is for freshness to tell.
    """
    return Check(
        name=f"{table_name}_have_their_usual_volume",
        headline=f"the latest rows of {table_name} are {{observed}} off their usual number",
        description=f"The last whole day of {table_name} differs by at most half from the median "
        "of the same weekday in the eight weeks before; of a table with fewer than "
        f"{_USUAL_ROWS} rows a day, the last week from the weeks before, or the last four weeks by "
        "more than chance makes of few rows; per source, judged from "
        f"{_USUAL_ROWS_OF_WEEKS} rows in four weeks on.",
        severity="warning",
        owner="data",
        runbook="Too few: look for an export that was cut off or a form that broke. Too many: an "
        "import, or a row delivered twice under new ids.",
        cases=f"""
            select
                source_system, last_day, span_days, span_rows, usual_rows,
                case
                    when
                        usual_rows < {_USUAL_ROWS}
                        and abs(sqrt(span_rows) - sqrt(usual_rows)) <= {_CHANCE_OF_ROOTS}
                        then 0
                    else abs(span_rows - usual_rows) / usual_rows
                end as measure
            from quality.source_volume
            where
                table_name = '{table_name}' and was_alive and spans_before >= {_SPANS_BEFORE}
                and usual_rows >= case
                    when span_days = {_LONGEST_SPAN} then {_USUAL_ROWS_OF_WEEKS}
                    else {_USUAL_ROWS}
                end
            qualify row_number() over (partition by source_system order by span_days) = 1
        """,
        keys=("source_system",),
        told_with=("last_day", "span_days", "span_rows", "usual_rows"),
        unit="ratio",
        warn=0.5,
    )


def _lasting_rows(table_name: str) -> Check:
    """A table has not lost most of its rows since the last build that was not held back.

    Of a small table only whether any are left is judged.
    """
    return Check(
        name=f"{table_name}_do_not_vanish",
        headline=f"{{observed}} of the rows of {table_name} are gone",
        description=f"The sources deliver about as many rows of {table_name} as for the last build "
        f"that was not held back; per source. Of a table with fewer than {_FILLED_ROWS} rows only "
        "whether any are left is judged.",
        severity="error",
        owner="data",
        runbook="Look for an export that was cut off or empty, or a filter or permission that "
        "changed. If the rows are rightly gone, publish once with --audit warn.",
        cases=f"""
            with before as (
                select source_system, arg_max(rows_read, ran_at) as rows_read
                from quality.row_history
                where
                    table_name = '{table_name}'
                    and build_id is distinct from (select build_id from raw.run_parameters)
                group by source_system
            )

            select
                before.source_system,
                case
                    when coalesce(counts.rows_read, 0) > 0 and before.rows_read < {_FILLED_ROWS}
                        then 0
                    else 1 - coalesce(counts.rows_read, 0) / before.rows_read
                end as measure
            from before
            inner join raw.sources as sources
                on before.source_system = sources.source_system
            left join quality.row_counts as counts
                on
                    before.source_system = counts.source_system
                    and counts.table_name = '{table_name}'
            where before.rows_read > 0
        """,
        keys=("source_system",),
        unit="ratio",
        warn=0.5,
        block=0.9,
    )


def _steady_columns(table_name: str) -> Check:
    """A table has the columns that it had in the previous build of the warehouse."""
    latest = "(select max(build_number) from quality.column_history)"
    return Check(
        name=f"{table_name}_keep_their_columns",
        headline=f"{{failing}} column{{s}} of {table_name} new or gone",
        description=f"No column of {table_name} is new, and none that was filled is empty or "
        "gone since the previous build; per source.",
        severity="warning",
        owner="data",
        runbook="New: map the column in handoff.yml if it is of use. Vanished: look for a renamed "
        "field in the CRM or the export.",
        cases=f"""
            select
                source_system, column_name,
                rows_before is null
                or (rows_now is null and rows_before >= {_FILLED_ROWS}) as is_broken
            from (
                select
                    source_system, column_name,
                    max(filled_rows) filter (where build_number = {latest}) as rows_now,
                    max(filled_rows) filter (where build_number < {latest}) as rows_before
                from quality.column_history
                where table_name = '{table_name}'
                group by source_system, column_name
            ) as filled
            where source_system in (
                select source_system from quality.column_history where build_number = {latest}
            )
            qualify max(rows_before) over (partition by source_system) >= {_FILLED_ROWS}
        """,
        keys=("source_system", "column_name"),
    )
