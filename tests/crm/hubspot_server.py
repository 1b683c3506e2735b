"""A loopback HTTP server that speaks HubSpot's CRM API as documented.

It serves a small account from memory: lists with cursors and past values, searches with their cap,
batches, associations v4, owners, pipelines, properties, archived records, limits and errors.
Faults can be put in front of any kind of call.
"""

import json
import re
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

TOKEN = "pat-eu1-not-to-be-seen"
MISSING = object()


@dataclass
class Record:
    """One CRM record. ``history``: property -> entries, newest first, as HubSpot gives them."""

    id: str
    properties: dict[str, str]
    created_at: str
    updated_at: str
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    archived: bool = False


@dataclass
class Fault:
    """One way to fail, at the next ``times`` calls of a kind (after ``after`` good ones).

    ``call``: details, properties, pipelines, owners, list, archived, search, batch or
    associations, or one of these and an object (``list contacts``). ``how``: a status code, or cut
    (half an answer that says it is whole), short (half an answer), drop (no answer), slow (an
    answer after the time-out), repeat (the page names itself as the next).
    """

    call: str
    how: int | str
    times: int = 1
    after: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def rate_limit(policy: str) -> dict[str, Any]:
    """The body of a 429."""
    return {
        "status": "error",
        "message": f"You have reached your {policy.lower()} limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": "c033cdaa-2c40-4a64-ae48-b4cec88dad24",
        "policyName": policy,
    }


def missing_scope(scope: str) -> dict[str, Any]:
    """The body of a 403."""
    return {
        "status": "error",
        "message": "This app hasn't been granted all required scopes to make this call.",
        "category": "MISSING_SCOPES",
        "errors": [
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": [scope]},
            }
        ],
    }


@dataclass
class HubSpotAccount:
    """What an account holds, and the clock of its server."""

    now: datetime
    records: dict[str, dict[str, Record]] = field(default_factory=dict)
    # (object, contacts) pairs: object -> record id -> [(contact id, label)].
    contacts_of: dict[str, dict[str, list[tuple[str, str | None]]]] = field(default_factory=dict)
    owners: list[dict[str, Any]] = field(default_factory=list)
    pipelines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    options: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    properties: dict[str, set[str]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    missing_scopes: dict[str, str] = field(default_factory=dict)
    time_zone: str = "Europe/Amsterdam"
    associations_per_page: int = 100

    def add(self, name: str, record: Record) -> Record:
        """Put a record into the account, in the place of one with its id."""
        self.records.setdefault(name, {})[record.id] = record
        return record

    def known_properties(self, name: str) -> set[str]:
        """The properties that the account defines: those named, and those that records have."""
        known = set(self.properties.get(name, set()))
        for record in list(self.records.get(name, {}).values())[:200]:
            known |= record.properties.keys() | record.history.keys()
        return known


class HubSpotServer:
    """Serves an account on a loopback port; remembers the calls and injects faults."""

    def __init__(self, account: HubSpotAccount) -> None:
        self.account = account
        self.token = TOKEN
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self.slowness = 2.0
        self._sorted: dict[tuple[str, bool], list[str]] = {}
        handler = type("Handler", (_Handler,), {"server_state": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["HubSpotServer"]:
        """Serve for the length of a block."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join()

    def fault_for(self, call: str) -> Fault | None:
        """The fault that strikes at this call, if one does."""
        for fault in self.faults:
            if fault.times > 0 and fault.call in {call, call.split()[0], "*"}:
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def ids(self, name: str, archived: bool) -> list[str]:
        """The ids of an object's records, in order."""
        records = self.account.records.get(name, {})
        key = (name, archived)
        cached = self._sorted.get(key)
        if cached is None or len(records) < 1_000:
            cached = sorted(
                (record.id for record in records.values() if record.archived is archived), key=int
            )
            self._sorted[key] = cached
        return cached


class _Refusal(Exception):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def _invalid(message: str) -> _Refusal:
    return _Refusal(
        400, {"status": "error", "message": message, "category": "VALIDATION_ERROR", "errors": []}
    )


class _Handler(BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"
    server_state: HubSpotServer
    # Small answers go out at once: without this each call waits for a delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._answer(json.loads(self.rfile.read(length)))

    def _answer(self, body: Any) -> None:
        url = urlparse(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        call, route, found = self._route(url.path, query)
        state = self.server_state
        state.calls.update({call.split()[0], call})
        fault = state.fault_for(call)
        if fault and isinstance(fault.how, int):
            self._send(fault.how, fault.body or {"status": "error"}, fault.headers)
            return
        try:
            if len(self.path) > 16_000:
                raise _Refusal(414, {"status": "error", "message": "URI too long"})
            self._authorise(call)
            status, content = getattr(self, f"_{route}")(found, query, body)
        except _Refusal as refusal:
            self._send(refusal.status, refusal.body)
            return
        if fault and fault.how == "repeat" and "paging" in content:
            after = (body or query).get("after")
            content["paging"]["next"]["after"] = after or content["paging"]["next"]["after"]
        if fault and fault.how == "slow":
            time.sleep(state.slowness)
        self._send(status, content, how=fault.how if fault else None)

    def _send(
        self,
        status: int,
        content: Any,
        headers: dict[str, str] | None = None,
        how: int | str | None = None,
    ) -> None:
        payload = json.dumps(content).encode()
        if how == "drop":
            self.close_connection = True
            self.connection.close()
            return
        if how == "cut":
            payload = payload[: len(payload) // 2]
        self.send_response_only(status)
        self.send_header("Date", format_datetime(self.server_state.account.now, usegmt=True))
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("X-HubSpot-RateLimit-Daily", "500000")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if how == "short":
            payload = payload[: len(payload) // 2]
            self.close_connection = True
        self.wfile.write(payload)
        self.wfile.flush()

    def _route(self, path: str, query: dict[str, str]) -> tuple[str, str, tuple[str, ...]]:
        for pattern, route in _ROUTES:
            if match := pattern.fullmatch(path):
                found = match.groups()
                kind = "archived" if query.get("archived") == "true" else route
                kind = kind if route == "list" else route
                return " ".join((kind, *found[:1])), route, found
        return f"unknown {path}", "unknown", ()

    def _authorise(self, call: str) -> None:
        state = self.server_state
        if self.headers.get("Authorization") != f"Bearer {state.token}":
            raise _Refusal(
                401,
                {
                    "status": "error",
                    "message": "Authentication credentials not found. This API supports OAuth "
                    "2.0 authentication and you can find more details in the documentation",
                    "category": "INVALID_AUTHENTICATION",
                },
            )
        kind, _, name = call.partition(" ")
        for key in (name, kind):
            if key in state.account.missing_scopes:
                raise _Refusal(403, missing_scope(state.account.missing_scopes[key]))
        if name in state.account.absent:
            raise _Refusal(
                404, {"status": "error", "message": f"Unable to infer object type from: {name}"}
            )

    def _unknown(self, *_: Any) -> tuple[int, Any]:
        raise _Refusal(404, {"status": "error", "message": "resource not found"})

    def _details(self, *_: Any) -> tuple[int, Any]:
        return 200, {"portalId": 4711, "timeZone": self.server_state.account.time_zone}

    def _properties(self, found: tuple[str, ...], *_: Any) -> tuple[int, Any]:
        account, name = self.server_state.account, found[0]
        return 200, {
            "results": [
                {
                    "name": prop,
                    "label": prop,
                    "type": "string",
                    "options": [
                        {"value": value, "label": label, "hidden": False}
                        for value, label in account.options.get((name, prop), {}).items()
                    ],
                }
                for prop in sorted(account.known_properties(name))
            ]
        }

    def _pipelines(self, found: tuple[str, ...], *_: Any) -> tuple[int, Any]:
        return 200, {"results": self.server_state.account.pipelines.get(found[0], [])}

    def _owners(self, _: Any, query: dict[str, str], __: Any) -> tuple[int, Any]:
        archived = query.get("archived") == "true"
        owners = [
            owner
            for owner in self.server_state.account.owners
            if bool(owner.get("archived")) is archived
        ]
        start = int(query.get("after", "0"))
        limit = int(query.get("limit", "100"))
        return 200, _page(owners[start : start + limit], start + limit, len(owners))

    def _list(self, found: tuple[str, ...], query: dict[str, str], _: Any) -> tuple[int, Any]:
        state, name = self.server_state, found[0]
        limit = int(query.get("limit", "10"))
        history = _names(query.get("propertiesWithHistory"))
        most = 50 if history else 100
        if limit > most:
            raise _invalid(f"limit must be at most {most}")
        after = query.get("after")
        if after is not None and not after.isdigit():
            raise _invalid("Invalid after parameter")
        ids = state.ids(name, query.get("archived") == "true")
        start = bisect_right(ids, int(after), key=int) if after else 0
        chosen = ids[start : start + limit]
        properties = _names(query.get("properties"))
        records = state.account.records.get(name, {})
        state.read[name] += len(chosen)
        content: dict[str, Any] = {
            "results": [_rendered(records[key], properties, history) for key in chosen]
        }
        if start + limit < len(ids):
            link = f"{state.url}/crm/v3/objects/{name}?after={chosen[-1]}"
            content["paging"] = {"next": {"after": chosen[-1], "link": link}}
        return 200, content

    def _search(self, found: tuple[str, ...], _: Any, body: Any) -> tuple[int, Any]:
        state, name = self.server_state, found[0]
        limit, after = int(body.get("limit", 10)), int(body.get("after") or 0)
        if limit > 200:
            raise _invalid("limit must be at most 200")
        if after + limit > 10_000:
            raise _invalid("The maximum number of results for a search is 10000")
        filters = [item for group in body["filterGroups"] for item in group["filters"]]
        if len(filters) > 6 or len(body.get("sorts", [])) > 1:
            raise _invalid("too many filters or sorts")
        records = state.account.records.get(name, {})
        matching = [
            records[key]
            for key in state.ids(name, archived=False)
            if all(_passes(records[key], name, item) for item in filters)
        ]
        chosen = matching[after : after + limit]
        content = _page(
            [_rendered(record, body.get("properties", []), []) for record in chosen],
            after + limit,
            len(matching),
        )
        return 200, {"total": len(matching), **content}

    def _batch(self, found: tuple[str, ...], _: Any, body: Any) -> tuple[int, Any]:
        state, name = self.server_state, found[0]
        history = body.get("propertiesWithHistory") or []
        if len(body["inputs"]) > (50 if history else 100):
            raise _invalid(
                "The maximum number of inputs supported in a batch request for property "
                "histories is 50. Please reduce the number of items and try again"
            )
        records = state.account.records.get(name, {})
        present = [
            records[item["id"]]
            for item in body["inputs"]
            if item["id"] in records and not records[item["id"]].archived
        ]
        state.read[name] += len(present)
        results = [_rendered(record, body["properties"], history) for record in present]
        content: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if len(present) < len(body["inputs"]):
            content["errors"] = [{"status": "error", "category": "OBJECT_NOT_FOUND"}]
            return 207, content
        return 200, content

    def _associations(self, found: tuple[str, ...], _: Any, body: Any) -> tuple[int, Any]:
        if len(body["inputs"]) > 100:
            raise _invalid("at most 100 inputs")
        page = self.server_state.account.associations_per_page
        results = []
        for item in body["inputs"]:
            contacts = self._contacts(found[0], item["id"])
            if contacts:
                result: dict[str, Any] = {"from": {"id": item["id"]}, "to": contacts[:page]}
                if len(contacts) > page:
                    result["paging"] = {"next": {"after": str(page)}}
                results.append(result)
        status = 200 if len(results) == len(body["inputs"]) else 207
        return status, {"status": "COMPLETE", "results": results}

    def _associated(self, found: tuple[str, ...], query: dict[str, str], _: Any) -> tuple[int, Any]:
        contacts = self._contacts(found[0], found[1])
        page = self.server_state.account.associations_per_page
        start = int(query.get("after", "0"))
        return 200, _page(contacts[start : start + page], start + page, len(contacts))

    def _contacts(self, name: str, record_id: str) -> list[dict[str, Any]]:
        pairs = self.server_state.account.contacts_of.get(name, {}).get(record_id, [])
        return [
            {
                "toObjectId": contact,
                "associationTypes": [
                    {"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None},
                    *([{"category": "USER_DEFINED", "typeId": 9, "label": label}] if label else []),
                ],
            }
            for contact, label in pairs
        ]


_ROUTES = [
    (re.compile(r"/account-info/v3/details"), "details"),
    (re.compile(r"/crm/v3/properties/(\w+)"), "properties"),
    (re.compile(r"/crm/v3/pipelines/(\w+)"), "pipelines"),
    (re.compile(r"/crm/v3/owners/?"), "owners"),
    (re.compile(r"/crm/v3/objects/(\w+)/search"), "search"),
    (re.compile(r"/crm/v3/objects/(\w+)/batch/read"), "batch"),
    (re.compile(r"/crm/v3/objects/(\w+)"), "list"),
    (re.compile(r"/crm/v4/associations/(\w+)/contacts/batch/read"), "associations"),
    (re.compile(r"/crm/v4/objects/(\w+)/(\d+)/associations/contacts"), "associated"),
]


def _names(text: str | None) -> list[str]:
    return text.split(",") if text else []


def _page(results: list[Any], following: int, total: int) -> dict[str, Any]:
    content: dict[str, Any] = {"results": results}
    if following < total:
        content["paging"] = {"next": {"after": str(following)}}
    return content


def _rendered(record: Record, properties: list[str], history: list[str]) -> dict[str, Any]:
    values = {prop: record.properties.get(prop) for prop in (*properties, *history)}
    values["hs_object_id"] = record.id
    content: dict[str, Any] = {
        "id": record.id,
        "properties": values,
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
        "archived": record.archived,
    }
    if history:
        content["propertiesWithHistory"] = {
            prop: record.history[prop] for prop in history if prop in record.history
        }
    return content


def _milliseconds(moment: str) -> int:
    parsed = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    return int(parsed.astimezone(UTC).timestamp() * 1000)


def _passes(record: Record, name: str, condition: dict[str, str]) -> bool:
    prop, value = condition["propertyName"], int(condition["value"])
    modified = "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate"
    if prop == "hs_object_id":
        own = int(record.id)
    elif prop == modified:
        own = _milliseconds(record.updated_at)
    else:
        raise _invalid(f"there is no property {prop}")
    return own >= value if condition["operator"] == "GTE" else own > value
