"""``handoff init``: examine exports and propose the configuration that reads them.

The proposal says what it could not place, and what it reads when it is tried. It asks nothing and
overwrites nothing.
"""

import tempfile
from pathlib import Path

from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.warehouse import POLICY_DIR, connect
from dagster_project.ingestion.discovery.exports import DATA_FILES, Exports
from dagster_project.ingestion.discovery.meanings import read_values
from dagster_project.ingestion.discovery.placing import crm_of, place_files
from dagster_project.ingestion.discovery.plans import Proposal, needs_query
from dagster_project.ingestion.discovery.text import render
from dagster_project.ingestion.discovery.trial import try_proposal
from dagster_project.ingestion.discovery.values import read_vocabulary

NO_LEADS = (
    "no file looks like leads: a leads table has one row per person or company that may become a "
    "customer, with an id of its own (lead_id) and the time at which it was created (created_at)"
)


def propose(directory: Path, out_file: Path, policy_dir: Path = POLICY_DIR) -> Proposal:
    """Examine the exports in a directory and write a commented configuration for them.

    Raises ``ConfigError`` if ``out_file`` exists or can't be written, ``SourceError`` if the
    directory holds no export that can be read.
    """
    if out_file.exists():
        raise ConfigError(
            f"{out_file}: already exists and is left as it is; name another file, or move it away"
        )
    if not directory.is_dir():
        raise SourceError(f"{directory}: no such directory; name the one that holds the exports")
    vocabulary = read_vocabulary(policy_dir)
    proposal = Proposal(directory, out_file)
    with (
        tempfile.TemporaryDirectory(prefix="handoff-") as scratch,
        connect(Path(scratch) / "exports.duckdb") as connection,
    ):
        exports = Exports(connection, directory, Path(scratch))
        if not exports.files:
            # Where a file is known to be broken, the endings would send people the wrong way.
            expected = f"expected files that end in {', '.join(DATA_FILES)}"
            raise SourceError(
                f"{directory}: no export that can be read; "
                + ("; ".join(exports.problems) or expected)
            )
        proposal.unplaced += exports.problems
        proposal.crm = crm_of(exports)
        place_files(exports, proposal, vocabulary)
        read_values(exports, proposal, vocabulary)
        _report_what_is_left(exports, proposal)
    proposal.text = render(proposal)
    try:
        with out_file.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except OSError as error:
        raise ConfigError(f"{out_file}: can't be written: {error.strerror}") from error
    if proposal.plan("leads"):
        try_proposal(proposal, vocabulary)
    return proposal


def _report_what_is_left(exports: Exports, proposal: Proposal) -> None:
    """Name the files and the columns that found no place, and the rows that are broken."""
    if not proposal.plan("leads"):
        proposal.unplaced.insert(0, NO_LEADS)
    queries = {name for name, plans in proposal.tables.items() if needs_query(plans)}
    for file in exports.files:
        used: set[str] = set()
        for plan in (plan for plan in proposal.plans if plan.file == file):
            used.update(plan.columns.values(), plan.where, *plan.only_when.values())
            used.update(filter(None, (plan.merged_ids, plan.previous_owner)))
            used.update(*plan.joined.values(), *plan.by_case.values())
            if plan.table.name not in queries:
                # Without a mapping, a header that is called like a column is that column.
                used |= {it for it in file.headers if it.strip().casefold() in plan.table.columns}
        for plan in proposal.plans:
            if plan.reasons_of and plan.reasons_of[0].file == file:
                used.add(plan.reasons_of[1])
            for found in plan.lookups.values():
                if found["file"] == file.setting:
                    used |= {found["key"], found["value"]}
        for date in (item for item in proposal.stage_dates if item.file == file):
            used |= {date.header, date.lead_header}
        if not used and file in proposal.spare:
            table = proposal.spare[file]
            read = ", ".join(plan.file.name for plan in proposal.tables.get(table, []))
            proposal.unplaced.append(f"{file.name}: looks like {table}, too; {read} is read")
            continue
        if not used:
            # The first sheet of a workbook is read without its name.
            title = f" ({file.title})" if file.title and not file.sheet else ""
            names = [file.name] if file.sheet else file.names
            proposal.unread += [f"{name}{title}" for name in names]
            continue
        for name, row in file.broken[:3]:
            proposal.unplaced.append(f"{name}: row {row.source_row}: {row.reason}; it is set aside")
        if len(file.broken) > 3:
            proposal.unplaced.append(f"{file.name}: {len(file.broken) - 3:,} more broken rows")
        left = [header for header in file.headers if header not in used]
        if left:
            proposal.unplaced.append(
                f"{file.name}: columns not used: {', '.join(left[:40])}"
                + (f" and {len(left) - 40} more" if len(left) > 40 else "")
            )
