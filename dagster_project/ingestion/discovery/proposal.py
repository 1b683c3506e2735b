"""``handoff init``: examine exports and propose the configuration that reads them.

The proposal says what it could not place. It asks nothing and overwrites nothing.
"""

import tempfile
from pathlib import Path

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.warehouse import POLICY_DIR, connect
from dagster_project.ingestion.discovery.exports import DATA_FILES, Exports
from dagster_project.ingestion.discovery.meanings import read_values
from dagster_project.ingestion.discovery.placing import Proposal, crm_of, place_files
from dagster_project.ingestion.discovery.text import render
from dagster_project.ingestion.discovery.values import read_vocabulary


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
    proposal = Proposal(directory, out_file)
    with (
        tempfile.TemporaryDirectory(prefix="handoff-") as scratch,
        connect(Path(scratch) / "exports.duckdb") as connection,
    ):
        exports = Exports(connection, directory, Path(scratch))
        if not exports.files:
            raise SourceError(
                f"{directory}: no export that can be read; expected files that end in "
                f"{', '.join(DATA_FILES)}" + "".join(f"; {line}" for line in exports.problems)
            )
        proposal.unplaced += exports.problems
        proposal.crm = crm_of(exports)
        place_files(exports, proposal)
        read_values(exports, proposal, read_vocabulary(policy_dir))
        _report_what_is_left(exports, proposal)
    placed = proposal.tables
    proposal.tables = {name: placed[name] for name in CONTRACT_TABLES if name in placed}
    proposal.text = render(proposal)
    try:
        with out_file.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except OSError as error:
        raise ConfigError(f"{out_file}: can't be written: {error.strerror}") from error
    return proposal


def _report_what_is_left(exports: Exports, proposal: Proposal) -> None:
    """Name the files and the columns that found no place."""
    if "leads" not in proposal.tables:
        proposal.unplaced.insert(
            0, "no file looks like leads: it needs an id and a creation time per lead"
        )
    for file in exports.files:
        used: set[str] = set()
        for plan in (plan for plan in proposal.tables.values() if plan.file == file):
            used.update(plan.columns.values(), plan.where, *plan.only_when.values())
        for date in (item for item in proposal.stage_dates if item.file == file):
            used |= {date.header, date.lead_header}
        left = [header for header in file.headers if header not in used]
        if not used:
            proposal.unplaced.append(
                f"{file.name}: not read; it looks like none of the tables "
                f"(its header: {', '.join(file.headers[:12])})"
            )
        elif left:
            proposal.unplaced.append(
                f"{file.name}: columns not used: {', '.join(left[:40])}"
                + (f" and {len(left) - 40} more" if len(left) > 40 else "")
            )
