"""Source kind ``hubspot``: an account's contacts, leads, deals and engagements, with their history.

The first load lists everything; later ones search for what changed since and read only that. Rows
land in chunks, each in one transaction with the cursor behind it: whatever stops a load, the next
one goes on from there. HubSpot's clock decides what "since" means.
"""

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dagster_project.config.errors import SourceError
from dagster_project.config.sources import HubSpotSource
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.finding import Finding
from dagster_project.ingestion.hubspot.client import (
    HISTORY_BATCH,
    LIST_PAGE,
    HubSpotClient,
    batches,
)
from dagster_project.ingestion.hubspot.resources import (
    OBJECTS,
    HubSpotObject,
    add_history,
    configured_properties,
    ensure_hubspot_tables,
    history_properties,
    properties,
    replace_associations,
    replace_records,
    replace_table,
    write_property_roles,
)
from dagster_project.ingestion.rest import (
    CallRefused,
    Patience,
    RepeatedPage,
    read_state,
    write_state,
)
from dagster_project.ingestion.result import IngestionResult, Note, Progress, TableResult

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Records that are held in memory before they land.
CHUNK = 5_000
# How often a listing whose place is lost or repeats starts again before it counts as broken.
RESTARTS = 2

_NO_LEADS = (
    "the leads object can't be read (it needs Sales Hub Professional and the scope "
    "crm.objects.leads.read); without it, rejections come from the contact's properties alone"
)

_RECORD_FIELDS = ("id", "archived", "created_at", "updated_at", "properties")
_HISTORY_FIELDS = (
    *("object_type", "object_id", "property", "value", "changed_at"),
    *("source_type", "source_id", "updated_by"),
)
_PIPELINE_FIELDS = (
    *("object_type", "pipeline_id", "stage_id", "stage_label", "is_closed", "probability"),
)
_ASSOCIATION_FIELDS = ("from_id", "to_type", "to_id", "is_primary", "position")


@dataclass
class _Buffer:
    """Records of one object that wait to land."""

    records: list[tuple[str | None, ...]] = field(default_factory=list)
    history: list[tuple[str | None, ...]] = field(default_factory=list)
    associations: list[tuple[str | None, ...]] = field(default_factory=list)

    def clear(self) -> None:
        self.records.clear()
        self.history.clear()
        self.associations.clear()


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
    connection: "DuckDBPyConnection",
    source: HubSpotSource,
    load_id: int,
    progress: Progress | None = None,
    *,
    patience: Patience | None = None,
) -> IngestionResult:
    """Read what changed in an account since the last load into the raw HubSpot tables.

    Raises ``SourceError`` when the account cannot be read; what came before then is kept, and the
    next load goes on from there.
    """
    report = progress or (lambda _: None)
    client = HubSpotClient(source, report, patience)
    ensure_hubspot_tables(connection)
    load = _Load(connection, source, client, load_id, report)
    load.read()
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
        findings += _check_object(client, source, OBJECTS[name])
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
        if configured_properties(item.name, source):
            _require_properties(source, item, _definitions(client, item))
    except CallRefused as refused:
        if item.name == "leads" and _may_be_absent(source, refused):
            yield Finding("warning", f"source {source.name}: {_NO_LEADS}")
            return
        yield Finding("error", refused.problems[0], _mend(refused, item))
    except SourceError as error:
        yield from (Finding("error", problem) for problem in error.problems)


class _Load:
    """One load of one account."""

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        source: HubSpotSource,
        client: HubSpotClient,
        load_id: int,
        report: Progress,
    ) -> None:
        self.result = IngestionResult(source_system=source.name, load_id=load_id)
        self._connection = connection
        self._source = source
        self._client = client
        self._load_id = load_id
        self._report = report
        self._buffer = _Buffer()
        self._options: list[tuple[str, str, str | None, str | None]] = []

    def read(self) -> None:
        """Everything, object by object."""
        with raw_schema.transaction(self._connection):
            write_property_roles(self._connection, self._source.name, self._source)
        self._client.learn_time_zone()
        streams = [stream for name in self._source.objects if (stream := self._stream(name))]
        self._read_small_tables()
        for stream in streams:
            self._read_stream(stream)

    # What an account has

    def _stream(self, name: str) -> _Stream | None:
        """An object with the properties that this account has; ``None`` for absent leads."""
        item = OBJECTS[name]
        wanted, history = properties(name, self._source), history_properties(name, self._source)
        try:
            if name == "leads":
                self._client.first_record(name)
            known = _definitions(self._client, item)
        except CallRefused as refused:
            was_read = bool(read_state(self._connection, self._source.name, name))
            if name == "leads" and not was_read and _may_be_absent(self._source, refused):
                self._note(item.table, _NO_LEADS)
                return None
            raise _with_mend(refused, item) from None
        _require_properties(self._source, item, known)
        asked_for = set(wanted) | set(history)
        for prop in asked_for & set(known):
            self._options += [
                (name, prop, _text(option.get("value")), _text(option.get("label")))
                for option in known[prop].get("options") or []
            ]
        return _Stream(
            item,
            [prop for prop in wanted if prop in known],
            [prop for prop in history if prop in known],
        )

    def _read_small_tables(self) -> None:
        """Owners, pipelines and the labels of values: read whole, every time."""
        owners = [_owner_row(owner) for owner in self._client.owners()]
        pipelines = [
            row
            for name in ("deals", "leads")
            if name in self._source.objects
            for row in self._pipeline_rows(name)
        ]
        tables: dict[str, tuple[tuple[str, ...], list[Any]]] = {
            "hubspot_owners": (("id", "user_id", "name", "team", "archived"), owners),
            "hubspot_pipelines": (_PIPELINE_FIELDS, pipelines),
            "hubspot_property_options": (
                ("object_type", "property", "value", "label"),
                list(self._options),
            ),
        }
        for table, (columns, rows) in tables.items():
            with raw_schema.transaction(self._connection), self._staged(columns, rows) as staged:
                count = replace_table(
                    self._connection, table, staged, self._source.name, self._load_id
                )
                self._record(table, table.removeprefix("hubspot_"), count, None, "snapshot")

    def _pipeline_rows(self, name: str) -> Iterator[tuple[str | None, ...]]:
        try:
            pipelines = self._client.pipelines(name)
        except CallRefused as refused:
            if name == "leads" and _may_be_absent(self._source, refused):
                return
            raise _with_mend(refused, OBJECTS[name]) from None
        for pipeline in pipelines:
            for stage in pipeline.get("stages") or []:
                meta = stage.get("metadata") or {}
                yield (
                    name,
                    _text(pipeline.get("id")),
                    _text(stage.get("id")),
                    _text(stage.get("label")),
                    _text(meta.get("isClosed")),
                    _text(meta.get("probability")),
                )

    # Records

    def _read_stream(self, stream: _Stream) -> None:
        """Read one object: all of it the first time, then what changed."""
        state = self._begin(stream)
        try:
            if state["phase"] == "all":
                self._read_all(stream, state)
            else:
                self._read_changed(stream, state)
            done = {key: state[key] for key in ("fingerprint",)}
            self._land(stream, {**done, "phase": "done", "since": state["next"]})
            self._read_archived(stream)
        except CallRefused as refused:
            raise _with_mend(refused, stream.item) from None

    def _begin(self, stream: _Stream) -> dict[str, Any]:
        """Where this load starts: behind the last one, or where an unfinished one stopped."""
        state = read_state(self._connection, self._source.name, stream.item.name)
        now = self._client.now()
        if not state or state.get("fingerprint") != stream.fingerprint:
            state = {"fingerprint": stream.fingerprint, "phase": "all", "next": now.isoformat()}
            state["first_load"] = self._load_id
            if self._source.start_date:
                start = datetime.combine(self._source.start_date, datetime.min.time(), UTC)
                state |= {"phase": "changed", "since": start.isoformat(), "last_id": "0"}
        elif state["phase"] == "done":
            since = datetime.fromisoformat(state["since"])
            since -= timedelta(minutes=self._source.overlap_minutes)
            state |= {
                "phase": "changed",
                "since": since.isoformat(),
                "next": now.isoformat(),
                "last_id": "0",
            }
        return state

    def _read_all(self, stream: _Stream, state: dict[str, Any]) -> None:
        """List every record, from where the listing stopped on."""
        restarts = RESTARTS
        while True:
            try:
                self._list(stream, state)
            except (CallRefused, RepeatedPage) as error:
                is_lost = isinstance(error, RepeatedPage) or error.status == 400
                if not is_lost or not state.get("after") or not restarts:
                    raise
                restarts -= 1
                if isinstance(error, CallRefused):
                    state.pop("after")
                self._report(f"{error.problems[0]}; starting again ({stream.item.name})")
            else:
                break
        self._forget_unseen(stream, state)

    def _list(self, stream: _Stream, state: dict[str, Any]) -> None:
        pages = self._client.list_records(
            stream.item, stream.properties, stream.history, after=state.get("after")
        )
        try:
            for page in pages:
                self._collect(stream, page.records)
                state["after"] = page.following
                if len(self._buffer.records) >= CHUNK:
                    self._land(stream, state)
        except SourceError:
            self._land(stream, state)
            raise

    def _forget_unseen(self, stream: _Stream, state: dict[str, Any]) -> None:
        """Remove records that a full read no longer met: HubSpot has erased them for good."""
        self._land(stream, state)
        self._connection.execute(
            f"""
            delete from {RAW_SCHEMA}.{stream.item.table}
            where source_system = ? and object_type = ? and load_id < ? and archived = 'false'
            """,
            [self._source.name, stream.item.name, state["first_load"]],
        )

    def _read_changed(self, stream: _Stream, state: dict[str, Any]) -> None:
        """Search for what changed, and read only that."""
        since = datetime.fromisoformat(state["since"])
        ids = self._client.changed_ids(stream.item, since, state["last_id"])
        size = HISTORY_BATCH if stream.history else LIST_PAGE
        try:
            for batch in batches(ids, size):
                records = self._client.read_batch(
                    stream.item, batch, stream.properties, stream.history
                )
                self._collect(stream, records)
                state["last_id"] = batch[-1]
                if len(self._buffer.records) >= CHUNK:
                    self._land(stream, state)
        except SourceError:
            self._land(stream, state)
            raise

    def _read_archived(self, stream: _Stream) -> None:
        """Mark what was deleted: HubSpot lists it for about 90 days."""
        known = {
            row[0]
            for row in self._connection.execute(
                f"""
                select id from {RAW_SCHEMA}.{stream.item.table}
                where source_system = ? and object_type = ? and archived = 'true'
                """,
                [self._source.name, stream.item.name],
            ).fetchall()
        }
        for page in self._client.list_records(stream.item, stream.properties, archived=True):
            fresh = [record for record in page.records if _text(record.get("id")) not in known]
            self._buffer.records += [_record_row(record, is_archived=True) for record in fresh]
            if len(self._buffer.records) >= CHUNK:
                self._land(stream)
        self._land(stream)

    def _collect(self, stream: _Stream, records: list[dict[str, Any]]) -> None:
        """Take a page of records, with what they belong to, into the buffer."""
        ids = [str(record["id"]) for record in records if record.get("id") is not None]
        associations: list[tuple[str | None, ...]] = []
        if stream.item.has_contacts:
            for position, (from_id, to) in enumerate(self._client.contacts_of(stream.item, ids)):
                associations.append(_association_row(from_id, to, position))
        self._buffer.associations += associations
        for record in records:
            self._buffer.records.append(_record_row(record))
            self._buffer.history += _history_rows(stream.item.name, record)

    # Landing

    def _land(self, stream: _Stream, state: dict[str, Any] | None = None) -> None:
        """Write the buffered records, and with them how far the object has been read."""
        name, source = stream.item.name, self._source.name
        buffer, connection = self._buffer, self._connection
        newest = max((row[3] for row in buffer.records if row[3]), default=None)
        with (
            raw_schema.transaction(connection),
            self._staged(_RECORD_FIELDS, buffer.records) as records,
            self._staged(_HISTORY_FIELDS, buffer.history) as history,
            self._staged(_ASSOCIATION_FIELDS, buffer.associations) as associations,
        ):
            if buffer.records:
                count = replace_records(connection, name, records, source, self._load_id)
                path = f"crm/v3/objects/{name}"
                self._record(stream.item.table, path, count, newest)
            if buffer.history:
                count = add_history(connection, history, source, self._load_id)
                self._record("hubspot_property_history", f"{name} with history", count, None)
            if buffer.records and stream.item.has_contacts:
                replace_associations(connection, name, records, associations, source, self._load_id)
            if state is not None:
                write_state(connection, source, name, state)
        if buffer.records:
            read = self.result.tables[stream.item.table].rows_read
            self._report(f"{source}: {name}: {len(buffer.records):,} read ({read:,} in all)")
        buffer.clear()

    def _staged(self, columns: Iterable[str], rows: list[Any]) -> "_Staged":
        return _Staged(self._connection, tuple(columns), rows)

    def _record(
        self, table: str, place: str, count: int, newest: str | None, mode: str = "append"
    ) -> None:
        """Count what landed, in the load's record and in the result."""
        present = self.result.tables.get(table, TableResult(table))
        newest = max((value for value in (present.newest, newest) if value), default=None)
        self.result.tables[table] = replace(
            present,
            rows_read=present.rows_read + count,
            newest=newest,
            files=tuple(dict.fromkeys((*present.files, place))),
        )
        earlier = self._connection.execute(
            f"""
            delete from {RAW_SCHEMA}.loads
            where source_system = ? and load_id = ? and source_file = ?
            returning rows_read
            """,
            [self._source.name, self._load_id, place],
        ).fetchall()
        raw_schema.record_load(
            self._connection,
            raw_schema.Load(
                load_id=self._load_id,
                source_system=self._source.name,
                table_name=table,
                source_file=place,
                mode=mode,
                rows_read=count + sum(row[0] for row in earlier),
            ),
        )

    def _note(self, table: str, message: str) -> None:
        self.result.notes.append(Note(message, table))
        raw_schema.record_note(self._connection, self._source.name, self._load_id, table, message)


class _Staged:
    """Rows as a relation that SQL can read, for the length of a block."""

    def __init__(
        self, connection: "DuckDBPyConnection", columns: tuple[str, ...], rows: list[Any]
    ) -> None:
        self._connection = connection
        self._name = f"staged_{columns[0]}_{len(columns)}"
        values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
        self._table = pa.table(
            {
                column: pa.array(value, pa.string())
                for column, value in zip(columns, values, strict=True)
            }
        )

    def __enter__(self) -> str:
        self._connection.register(self._name, self._table)
        return self._name

    def __exit__(self, *_: object) -> None:
        self._connection.unregister(self._name)


def _definitions(client: HubSpotClient, item: HubSpotObject) -> dict[str, dict[str, Any]]:
    return {
        str(definition["name"]): definition for definition in client.property_definitions(item.name)
    }


def _require_properties(
    source: HubSpotSource, item: HubSpotObject, known: dict[str, dict[str, Any]]
) -> None:
    """Raise ``SourceError`` for each configured property that the account does not have.

    HubSpot itself says nothing of an unknown property: it would just be missing.
    """
    problems = []
    for prop, place in configured_properties(item.name, source).items():
        if prop not in known:
            near = difflib.get_close_matches(prop, known, 3)
            hint = f"; near to it: {', '.join(near)}" if near else ""
            problems.append(
                f"source {source.name}: {place}: HubSpot's {item.name} have no property "
                f"{prop!r}{hint}"
            )
    if problems:
        raise SourceError(problems)


def _may_be_absent(source: HubSpotSource, refused: CallRefused) -> bool:
    """Whether an account may be read without its leads: it has none, and nobody asked for them."""
    is_asked_for = "objects" in source.model_fields_set or any(
        name.startswith("leads.")
        for name in (stage.property for stage in source.stages)
        if "stages" in source.model_fields_set
    )
    return refused.status == 404 or (refused.status == 403 and not is_asked_for)


def _with_mend(refused: CallRefused, item: HubSpotObject) -> CallRefused:
    """The refusal, with how to mend it where a scope is missing."""
    mend = _mend(refused, item)
    if not mend:
        return refused
    return CallRefused(f"{refused.problems[0]}; {mend}", refused.status, refused.code)


def _mend(refused: CallRefused, item: HubSpotObject) -> str:
    """What to do about a missing scope; empty when that is not what is wrong."""
    if refused.status != 403:
        return ""
    is_named = "(missing: " in refused.problems[0]
    mend = f"give the private app {'that scope' if is_named else f'the scope {item.scope}'}"
    if item.name == "contacts":
        return mend
    return f"{mend}, or leave {item.name} out of objects"


def _record_row(record: dict[str, Any], *, is_archived: bool = False) -> tuple[str | None, ...]:
    archived = is_archived or record.get("archived") is True
    return (
        _text(record.get("id")),
        "true" if archived else "false",
        _text(record.get("createdAt")),
        _text(record.get("updatedAt")),
        json.dumps(record.get("properties") or {}, ensure_ascii=False),
    )


def _history_rows(name: str, record: dict[str, Any]) -> Iterator[tuple[str | None, ...]]:
    for prop, entries in (record.get("propertiesWithHistory") or {}).items():
        for entry in entries or []:
            yield (
                name,
                _text(record.get("id")),
                prop,
                _text(entry.get("value")),
                _text(entry.get("timestamp")),
                _text(entry.get("sourceType")),
                _text(entry.get("sourceId")),
                _text(entry.get("updatedByUserId")),
            )


def _association_row(from_id: str, to: dict[str, Any], position: int) -> tuple[str | None, ...]:
    labels = [str(kind.get("label") or "") for kind in to.get("associationTypes") or []]
    is_primary = any("primary" in label.lower() for label in labels)
    return (
        from_id,
        "contacts",
        _text(to.get("toObjectId")),
        "true" if is_primary else "false",
        f"{position:06}",
    )


def _owner_row(owner: dict[str, Any]) -> tuple[str | None, ...]:
    names = [str(owner[key]) for key in ("firstName", "lastName") if owner.get(key)]
    teams = owner.get("teams") or []
    primary = [team for team in teams if team.get("primary")] or teams
    user = owner.get("userId") or owner.get("userIdIncludingInactive")
    return (
        _text(owner.get("id")),
        _text(user),
        " ".join(names) or None,
        _text(primary[0].get("name")) if primary else None,
        "true" if owner.get("archived") else "false",
    )


def _text(value: Any) -> str | None:
    """A value as text; empty is null, as both mean the same to HubSpot."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
