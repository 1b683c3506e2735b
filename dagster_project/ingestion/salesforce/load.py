"""Source kind ``salesforce``: an org's leads and what happened to them, by its APIs.

Each object is a stream, read in the order of its changes: everything at first, later what changed
since. Small answers come by REST, large ones by a Bulk 2.0 job. Each page and how far the stream
has been read are written in one transaction, so a run that breaks off continues where it stopped.
Deleted and merged records are read too (queryAll).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.diagnosis import Finding
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.raw_schema import transaction
from dagster_project.ingestion.rest import CallRefused, Patience, texts_of
from dagster_project.ingestion.result import IngestionResult, Progress
from dagster_project.ingestion.salesforce.client import QueryLost, SalesforceClient
from dagster_project.ingestion.salesforce.resources import (
    OBJECTS,
    SalesforceObject,
    custom_fields,
    fields_fingerprint,
    insert_rows,
    write_field_roles,
)
from dagster_project.ingestion.salesforce.settings import SalesforceSource

# How often a query may start again at the same record before the run gives up.
MAX_RESTARTS = 3


@dataclass
class _Stream:
    """One object of one source while it is read."""

    item: SalesforceObject
    fields: list[str]
    since: str | None
    newest: str | None = None
    rows: int = 0
    restarts: Counter[str | None] = field(default_factory=Counter)

    @property
    def soql(self) -> str:
        """The query for what changed since, in the order of the changes."""
        where = f" WHERE {self.item.cursor} >= {self.since}" if self.since else ""
        return (
            f"SELECT {', '.join(self.fields)} FROM {self.item.name}{where}"
            f" ORDER BY {self.item.cursor}, Id"
        )


def ingest(
    connection: DuckDBPyConnection,
    source: SalesforceSource,
    load_id: int,
    progress: Progress | None = None,
    *,
    patience: Patience | None = None,
) -> IngestionResult:
    """Read what changed in an org since the last load into the raw Salesforce tables.

    Raises ``SourceError`` when the org can't be read; what came before then is kept, and the next
    load continues from there.
    """
    client = SalesforceClient(source, progress, patience)
    load = RawLoad(connection, source.name, load_id, progress)
    with transaction(connection):
        write_field_roles(load, source)
    for item in OBJECTS.values():
        _read_object(load, client, item)
    for remark in client.remarks:
        load.note(remark)
    load.result.api_calls = client.calls
    return load.result


def _read_object(load: RawLoad, client: SalesforceClient, item: SalesforceObject) -> None:
    """Read one object with the fields that the user may see of it."""
    available = _available_fields(client, item)
    if available is None:
        load.note(f"{item.name} can't be read: {item.without}", item.table)
        return
    fields = _chosen_fields(client.source, item, available)
    missing = [name for name in item.fields if name not in fields and name != "CurrencyIsoCode"]
    if missing:
        load.note(f"{item.name} has no field {', '.join(missing)}", item.table)
    _read_stream(load, client, _Stream(item, fields, _since(load, client.source, item)))


def check(source: SalesforceSource) -> list[Finding]:
    """What keeps an org from being read, or makes it say less; a few cheap calls."""
    try:
        client = SalesforceClient(source, patience=Patience(attempts=2, timeout=20))
        findings = list(_limit_findings(client.get("limits")))
        for item in OBJECTS.values():
            findings += _object_findings(client, item)
        if all(finding.status != "error" for finding in findings):
            findings += _untracked(client, source)
    except SourceError as error:
        return [Finding("error", problem) for problem in error.problems]
    return findings


def _limit_findings(limits: dict[str, Any]) -> Iterator[Finding]:
    daily = limits.get("DailyApiRequests", {})
    if daily.get("Remaining", 1) <= 0:
        used = f"all {daily.get('Max')} API calls of the last 24 hours are used"
        yield Finding("warning", used, "run again later")


def _object_findings(client: SalesforceClient, item: SalesforceObject) -> list[Finding]:
    """Whether an object and the fields that are read of it are visible."""
    try:
        available = _available_fields(client, item)
        if available is not None:
            _chosen_fields(client.source, item, available)
            return []
    except CallRefused:
        raise
    except SourceError as error:
        return [Finding("error", problem) for problem in error.problems]
    message = f"{item.name} can't be read: {item.without}"
    return [Finding("warning", message, "give the run-as user read access to it")]


def _untracked(client: SalesforceClient, source: SalesforceSource) -> Iterator[Finding]:
    """Fields that should have a history and have none: history tracking is probably off."""
    for name in (*(stage.field for stage in source.stages), *source.reasons):
        tracked = "leadConverted" if name.lower() == "isconverted" else name
        soql = f"SELECT Id FROM LeadHistory WHERE Field = '{_escaped(tracked)}' LIMIT 1"
        try:
            has_rows = any(records for _, records in client.query_pages(soql))
        except CallRefused:
            # Without LeadHistory there is a finding already; Field knows trackable fields only.
            has_rows = False
        if not has_rows:
            fix = "switch on Field History Tracking for it on the Lead object"
            yield Finding("warning", f"LeadHistory holds no change of {name}", fix)


def _escaped(text: str) -> str:
    """A text as SOQL writes it between quotes."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _available_fields(client: SalesforceClient, item: SalesforceObject) -> set[str] | None:
    """The fields of an object that the user may see; none if the object is hidden or not there.

    Raises ``SourceError`` when a required object is hidden.
    """
    try:
        described = client.get(f"sobjects/{item.name}/describe")
    except CallRefused as error:
        if error.code not in {"NOT_FOUND", "INVALID_TYPE", "INSUFFICIENT_ACCESS"}:
            raise
        if item.is_required:
            raise SourceError(
                f"source {client.source.name}: {item.name} can't be read ({error.code}):"
                " give the run-as user read access to it"
            ) from error
        return None
    return {str(entry["name"]) for entry in described.get("fields", [])}


def _chosen_fields(
    source: SalesforceSource, item: SalesforceObject, available: set[str]
) -> list[str]:
    """The fields to read: the standard ones that are there and all configured ones.

    Raises ``SourceError`` for a configured field that is not there.
    """
    by_name = {name.lower(): name for name in available}
    wanted = custom_fields(item.name, source)
    advice = {
        name: f" (setting {setting}; check its API name and field-level security)"
        for name, setting in wanted.items()
    }
    problems = [
        f"source {source.name}: {item.name} has no field {name} that the run-as user may see"
        + advice.get(name, "")
        for name in (*wanted, "Id", item.cursor)
        if name.lower() not in by_name
    ]
    if problems:
        raise SourceError(problems)
    standard = [by_name[name.lower()] for name in item.fields if name.lower() in by_name]
    return [*standard, *wanted]


def _since(load: RawLoad, source: SalesforceSource, item: SalesforceObject) -> str | None:
    """From when on to read: a little before the newest record, or everything.

    Everything is read again when other fields are configured than last time.
    """
    state = load.state(item.name)
    newest = state.get("newest")
    if newest is None or state.get("fields") != fields_fingerprint(item.name, source):
        return None
    return _iso(datetime.fromisoformat(newest) - timedelta(minutes=source.overlap_minutes))


def _read_stream(load: RawLoad, client: SalesforceClient, stream: _Stream) -> None:
    """Land all pages of a stream; a query that the server forgot starts again where it was."""
    name = stream.item.name
    while True:
        try:
            for records, total in _pages(client, stream):
                _land(load, client.source, stream, records)
                load.say(f"{name}: {stream.rows:,} of {total:,} rows")
        except QueryLost:
            stream.since = stream.newest or stream.since
            stream.restarts[stream.since] += 1
            if stream.restarts[stream.since] > MAX_RESTARTS:
                raise
            load.say(f"{name}: restarting the query")
        except CallRefused as error:
            raise _explained(client, stream, error) from error
        else:
            break
    # Without a row there is still a load to record, with the fields that are read from now on.
    _land(load, client.source, stream, [])


def _pages(client: SalesforceClient, stream: _Stream) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Pages of records, with the total: by REST, or by Bulk above the row threshold."""
    for total, records in client.query_pages(stream.soql):
        if total > client.source.bulk_above_rows:
            break
        yield records, total
    else:
        return
    came = 0
    for records in client.bulk_pages(stream.soql):
        came += len(records)
        yield records, total
    client.compare(f"jobs/query {stream.item.name}", came, total)


def _explained(client: SalesforceClient, stream: _Stream, error: CallRefused) -> CallRefused:
    """An error on a configured field names the setting that asks for it."""
    if error.code != "INVALID_FIELD":
        return error
    fields = custom_fields(stream.item.name, client.source).items()
    settings = [f"{name} (setting {setting})" for name, setting in fields if name in str(error)]
    hint = f"; check {', '.join(settings)}" if settings else ""
    return CallRefused(f"{error}{hint}", error.status, error.code)


def _land(
    load: RawLoad, source: SalesforceSource, stream: _Stream, records: list[dict[str, Any]]
) -> None:
    """Write a page, and with it how far the stream has been read, as one transaction."""
    item = stream.item
    names = {name.lower(): name for name in (records[0] if records else stream.fields)}
    fields = [names[name.lower()] for name in stream.fields]
    rows = [
        (*texts_of(record, *fields), str(stream.rows + at)) for at, record in enumerate(records, 1)
    ]
    if records:
        moment = _iso(datetime.fromisoformat(records[-1][names[item.cursor.lower()]]))
        stream.newest = max(moment, stream.newest or moment)
    stream.rows += len(rows)
    newest = stream.newest or load.state(item.name).get("newest")
    columns = (*stream.fields, "_row")
    with transaction(load.connection), load.staged(columns, rows) as staged:
        insert_rows(load, item, staged, stream.fields)
        if newest:
            state = {"newest": newest, "fields": fields_fingerprint(item.name, source)}
            load.keep_state(item.name, state)
        load.record(item.table, item.name, len(rows))


def _iso(moment: datetime) -> str:
    """A time as SOQL wants it: UTC with milliseconds."""
    utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03}Z"
