"""Source kind ``hubspot``: an account's contacts, leads, deals and engagements, with their history.

The first load lists everything; later ones search for what changed since and read only that. Rows
land in chunks, each in one transaction with the cursor behind it: whatever stops a load, the next
one continues from there. HubSpot's clock decides what "since" means.
"""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.diagnosis import Finding
from dagster_project.ingestion.hubspot import resources
from dagster_project.ingestion.hubspot.client import (
    HISTORY_BATCH,
    LIST_PAGE,
    HubSpotClient,
    batches,
)
from dagster_project.ingestion.hubspot.resources import HubSpotObject
from dagster_project.ingestion.hubspot.settings import HubSpotSource
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.raw_schema import transaction
from dagster_project.ingestion.rest import CallRefused, Patience, RepeatedPage, text_of, texts_of
from dagster_project.ingestion.result import IngestionResult, Progress

# Records that are held in memory before they land.
CHUNK = 5_000
# How often a listing whose place is lost or repeats starts again before it counts as broken.
RESTARTS = 2

_NO_LEADS = (
    "the leads object can't be read (it needs Sales Hub Professional and the scope "
    "crm.objects.leads.read); without it, rejections come from the contact's properties alone"
)

Row = tuple[str | None, ...]
# Some records of an object, and the place in its listing or search that is reached with them.
_Portion = tuple[list[dict[str, Any]], dict[str, Any]]


@dataclass
class _Buffer:
    """Rows of one object that wait to land."""

    records: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    associations: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class _Stream:
    """One object as this load reads it: the properties that the account has of those wanted."""

    item: HubSpotObject
    properties: list[str]
    history: list[str]

    @property
    def fingerprint(self) -> str:
        """Which properties are read: other ones need a new full read."""
        return json.dumps([sorted(self.properties), sorted(self.history)])


def ingest(
    connection: DuckDBPyConnection,
    source: HubSpotSource,
    load_id: int,
    progress: Progress | None = None,
    *,
    patience: Patience | None = None,
) -> IngestionResult:
    """Read what changed in an account since the last load into the raw HubSpot tables.

    Raises ``SourceError`` when the account can't be read; what came before then is kept, and the
    next load continues from there.
    """
    client = HubSpotClient(source, progress, patience)
    load = RawLoad(connection, source.name, load_id, progress)
    _AccountReader(load, source, client).read()
    for remark in client.remarks:
        load.note(remark)
    load.result.api_calls = client.calls
    return load.result


def check(source: HubSpotSource) -> list[Finding]:
    """What keeps an account from being read: one cheap call for each thing that may be missing."""
    try:
        client = HubSpotClient(source, patience=Patience(attempts=2, timeout=20))
        client.learn_time_zone()
    except SourceError as error:
        return [Finding("error", problem) for problem in error.problems]
    findings: list[Finding] = []
    for name in source.objects:
        findings += _check_object(client, source, resources.OBJECTS[name])
    try:
        next(client.owners(), None)
    except SourceError as error:
        findings += [Finding("error", problem) for problem in error.problems]
    return findings


def _check_object(
    client: HubSpotClient, source: HubSpotSource, item: HubSpotObject
) -> Iterator[Finding]:
    """Whether an object's records and definitions can be read and its properties are there."""
    try:
        client.first_record(item.name)
        if item.name == "deals":
            client.pipelines(item.name)
        if resources.configured_properties(item.name, source):
            _require_properties(source, item, client.property_definitions(item.name))
    except SourceError as error:
        if item.name == "leads" and _may_be_absent(source, error):
            yield Finding("warning", f"source {source.name}: {_NO_LEADS}")
        else:
            yield from (Finding("error", problem) for problem in error.problems)


class _AccountReader:
    """Reads one account: its small tables, then object by object."""

    def __init__(self, load: RawLoad, source: HubSpotSource, client: HubSpotClient) -> None:
        self._load = load
        self._source = source
        self._client = client
        self._buffer = _Buffer()
        self._options: list[Row] = []

    def read(self) -> None:
        with transaction(self._load.connection):
            resources.write_property_roles(self._load, self._source)
        self._client.learn_time_zone()
        streams = [stream for name in self._source.objects if (stream := self._stream(name))]
        self._read_small_tables({stream.item.name for stream in streams})
        for stream in streams:
            self._read_stream(stream)

    # What an account has

    def _stream(self, name: str) -> _Stream | None:
        """An object with the properties that this account has; ``None`` for absent leads."""
        item = resources.OBJECTS[name]
        try:
            if name == "leads":
                self._client.first_record(name)
            known = self._client.property_definitions(name)
        except CallRefused as refused:
            was_read = bool(self._load.state(name))
            if name != "leads" or was_read or not _may_be_absent(self._source, refused):
                raise
            self._load.note(_NO_LEADS, item.table)
            return None
        _require_properties(self._source, item, known)
        wanted = [prop for prop in resources.properties(name, self._source) if prop in known]
        self._options += [
            (name, prop, *texts_of(option, "value", "label"))
            for prop in wanted
            for option in known[prop].get("options") or []
        ]
        history = resources.history_properties(name, self._source)
        return _Stream(item, wanted, [prop for prop in history if prop in known])

    def _read_small_tables(self, names: set[str]) -> None:
        """Owners, the pipelines of these objects, the labels of values: read whole, every time."""
        rows = {
            "hubspot_owners": [_owner_row(owner) for owner in self._client.owners()],
            "hubspot_pipelines": [
                row
                for name in ("deals", "leads")
                if name in names
                for pipeline in self._pipelines(name)
                for row in _pipeline_rows(name, pipeline)
            ],
            "hubspot_property_options": self._options,
        }
        load = self._load
        for table, columns in resources.SMALL_TABLES.items():
            with transaction(load.connection), load.staged(columns, rows[table]) as staged:
                count = resources.replace_table(load, table, staged)
                load.record(table, table.removeprefix("hubspot_"), count, mode="snapshot")

    def _pipelines(self, name: str) -> list[dict[str, Any]]:
        """The pipelines of an object; none where leads have no pipelines to read."""
        try:
            return self._client.pipelines(name)
        except CallRefused as refused:
            if name != "leads" or not _may_be_absent(self._source, refused):
                raise
            return []

    # Records

    def _read_stream(self, stream: _Stream) -> None:
        """Read one object: all of it the first time, then what changed."""
        state = self._begin(stream)
        is_full = state["phase"] == "all"
        try:
            for records, place in (self._listed if is_full else self._changed)(stream, state):
                self._collect(stream, records)
                state |= place
                if len(self._buffer.records) >= CHUNK:
                    self._land(stream, state)
        except SourceError:
            self._land(stream, state)
            raise
        if is_full:
            self._land(stream, state)
            self._forget_unseen(stream, state["first_load"])
        done = {"fingerprint": state["fingerprint"], "phase": "done", "since": state["next"]}
        self._land(stream, done)
        self._read_archived(stream)

    def _begin(self, stream: _Stream) -> dict[str, Any]:
        """Where this load starts: behind the last one, or where an unfinished one stopped."""
        state = self._load.state(stream.item.name)
        now = self._client.now().isoformat()
        if not state or state.get("fingerprint") != stream.fingerprint:
            state = {"fingerprint": stream.fingerprint, "phase": "all", "next": now}
            state["first_load"] = self._load.load_id
            if self._source.start_date:
                start = datetime.combine(self._source.start_date, datetime.min.time(), UTC)
                state |= {"phase": "changed", "since": start.isoformat(), "last_id": "0"}
        elif state["phase"] == "done":
            since = datetime.fromisoformat(state["since"])
            since -= timedelta(minutes=self._source.overlap_minutes)
            state |= {"phase": "changed", "since": since.isoformat(), "next": now, "last_id": "0"}
        return state

    def _listed(self, stream: _Stream, state: dict[str, Any]) -> Iterator[_Portion]:
        """Every record, from where the listing stopped on; one that lost its place starts again."""
        restarts = RESTARTS
        while True:
            pages = self._client.list_records(
                stream.item, stream.properties, stream.history, after=state.get("after")
            )
            try:
                for page in pages:
                    yield page.records, {"after": page.following}
                return
            except (CallRefused, RepeatedPage) as error:
                is_lost = isinstance(error, RepeatedPage) or error.status == 400
                if not is_lost or not state.get("after") or not restarts:
                    raise
                restarts -= 1
                if isinstance(error, CallRefused):
                    state.pop("after")
                why = error.problems[0].removeprefix(f"source {self._source.name}: ")
                self._load.say(f"{why}; starting again ({stream.item.name})")

    def _changed(self, stream: _Stream, state: dict[str, Any]) -> Iterator[_Portion]:
        """The records that changed since the last load, found by a search."""
        since = datetime.fromisoformat(state["since"])
        ids = self._client.changed_ids(stream.item, since, state["last_id"])
        for batch in batches(ids, HISTORY_BATCH if stream.history else LIST_PAGE):
            records = self._client.read_batch(stream.item, batch, stream.properties, stream.history)
            yield records, {"last_id": batch[-1]}

    def _forget_unseen(self, stream: _Stream, first_load: int) -> None:
        """Remove records that a full read no longer met: HubSpot has erased them for good."""
        condition = "object_type = ? and load_id < ? and archived = 'false'"
        self._load.remove(stream.item.table, condition, stream.item.name, first_load)

    def _read_archived(self, stream: _Stream) -> None:
        """Mark what was deleted: HubSpot lists it for about 90 days."""
        found = self._load.connection.execute(
            f"""
            select id from {RAW_SCHEMA}.{stream.item.table}
            where source_system = ? and object_type = ? and archived = 'true'
            """,
            [self._source.name, stream.item.name],
        ).fetchall()
        known = {record_id for (record_id,) in found}
        for page in self._client.list_records(stream.item, stream.properties, archived=True):
            fresh = [record for record in page.records if text_of(record.get("id")) not in known]
            self._buffer.records += [_record_row(record, is_archived=True) for record in fresh]
            if len(self._buffer.records) >= CHUNK:
                self._land(stream)
        self._land(stream)

    def _collect(self, stream: _Stream, records: list[dict[str, Any]]) -> None:
        """Take a page of records, with what they belong to, into the buffer."""
        ids = [str(record["id"]) for record in records if record.get("id") is not None]
        if stream.item.has_contacts:
            # All calls first: a page lands with all of its associations or not at all.
            pairs = list(self._client.contacts_of(stream.item, ids))
            self._buffer.associations += [
                _association_row(from_id, to, position)
                for position, (from_id, to) in enumerate(pairs)
            ]
        for record in records:
            self._buffer.records.append(_record_row(record))
            self._buffer.history += _history_rows(stream.item.name, record)

    # Landing

    def _land(self, stream: _Stream, state: dict[str, Any] | None = None) -> None:
        """Write the buffered records, and with them how far the object has been read."""
        item, load, buffer = stream.item, self._load, self._buffer
        with (
            transaction(load.connection),
            load.staged(resources.RECORD_FIELDS, buffer.records) as records,
            load.staged(resources.HISTORY_FIELDS, buffer.history) as history,
            load.staged(resources.ASSOCIATION_FIELDS, buffer.associations) as associations,
        ):
            if buffer.records:
                count = resources.replace_records(load, item.name, records)
                load.record(item.table, f"crm/v3/objects/{item.name}", count)
            if buffer.history:
                count = resources.add_history(load, history)
                load.record(resources.HISTORY_TABLE, f"{item.name} with history", count)
            if buffer.records and item.has_contacts:
                resources.replace_associations(load, item.name, records, associations)
            if state is not None:
                load.keep_state(item.name, state)
        if buffer.records:
            read = load.result.tables[item.table].rows_read
            load.say(f"{item.name}: {len(buffer.records):,} read ({read:,} in all)")
        self._buffer = _Buffer()


def _require_properties(
    source: HubSpotSource, item: HubSpotObject, known: dict[str, dict[str, Any]]
) -> None:
    """Raise ``SourceError`` for each configured property that the account does not have.

    HubSpot itself does not complain about an unknown property: it would just be missing.
    """
    problems = []
    for prop, setting in resources.configured_properties(item.name, source).items():
        if prop not in known:
            near = difflib.get_close_matches(prop, known, 3)
            hint = f"; similar: {', '.join(near)}" if near else ""
            problems.append(
                f"source {source.name}: {setting}: HubSpot's {item.name} have no property "
                f"{prop!r}{hint}"
            )
    if problems:
        raise SourceError(problems)


def _may_be_absent(source: HubSpotSource, error: SourceError) -> bool:
    """Whether an account may be read without its leads: it has none, and nobody asked for them."""
    if not isinstance(error, CallRefused):
        return False
    given = source.model_fields_set
    is_asked_for = "objects" in given or (
        "stages" in given and any(stage.property.startswith("leads.") for stage in source.stages)
    )
    return error.status == 404 or (error.status == 403 and not is_asked_for)


def _record_row(record: dict[str, Any], *, is_archived: bool = False) -> Row:
    return (
        text_of(record.get("id")),
        text_of(is_archived or record.get("archived") is True),
        *texts_of(record, "createdAt", "updatedAt"),
        json.dumps(record.get("properties") or {}, ensure_ascii=False),
    )


def _history_rows(name: str, record: dict[str, Any]) -> Iterator[Row]:
    record_id = text_of(record.get("id"))
    for prop, entries in (record.get("propertiesWithHistory") or {}).items():
        for entry in entries or []:
            origin = texts_of(entry, "sourceType", "sourceId", "updatedByUserId")
            yield (name, record_id, prop, *texts_of(entry, "value", "timestamp"), *origin)


def _association_row(from_id: str, to: dict[str, Any], position: int) -> Row:
    labels = [str(kind.get("label") or "") for kind in to.get("associationTypes") or []]
    is_primary = any("primary" in label.lower() for label in labels)
    to_id = text_of(to.get("toObjectId"))
    return (from_id, "contacts", to_id, text_of(is_primary), f"{position:06}")


def _pipeline_rows(name: str, pipeline: dict[str, Any]) -> Iterator[Row]:
    for stage in pipeline.get("stages") or []:
        closing = texts_of(stage.get("metadata") or {}, "isClosed", "probability")
        yield (name, text_of(pipeline.get("id")), *texts_of(stage, "id", "label"), *closing)


def _owner_row(owner: dict[str, Any]) -> Row:
    names = [str(owner[key]) for key in ("firstName", "lastName") if owner.get(key)]
    teams = owner.get("teams") or []
    primary = [team for team in teams if team.get("primary")] or teams
    user = owner.get("userId") or owner.get("userIdIncludingInactive")
    return (
        text_of(owner.get("id")),
        text_of(user),
        " ".join(names) or None,
        text_of(primary[0].get("name")) if primary else None,
        text_of(bool(owner.get("archived"))),
    )
