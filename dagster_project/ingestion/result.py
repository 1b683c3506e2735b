"""What an ingestion reports, per table, for the log, the metadata and the counts."""

from collections.abc import Callable
from dataclasses import dataclass, field

# Called with one short sentence whenever a reader gets further.
Progress = Callable[[str], None]


@dataclass(frozen=True)
class TableResult:
    """What one load took into one raw table.

    ``rows_read`` includes ``rows_rejected`` (rows the reader could not use). ``skipped_files``:
    already loaded (append mode).
    """

    table_name: str
    rows_read: int = 0
    rows_rejected: int = 0
    bytes: int = 0
    files: tuple[str, ...] = ()
    skipped_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """Something the reader noticed and went on with."""

    message: str
    table_name: str | None = None
    severity: str = "warning"


@dataclass
class IngestionResult:
    """What one load of a source brought."""

    source_system: str
    load_id: int
    tables: dict[str, TableResult] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    api_calls: int = 0
