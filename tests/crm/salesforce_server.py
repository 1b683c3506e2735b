"""A loopback HTTP server that speaks Salesforce's REST and Bulk 2.0 query APIs as documented.

It serves a small org from memory: login with client credentials, describe, queryAll with
``nextRecordsUrl``, Bulk 2.0 query jobs with ``Sforce-Locator``, limits, and errors as arrays.
Faults can be put in front of any kind of call.
"""

import base64
import csv
import io
import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

CLIENT_ID = "consumer-key"
CLIENT_SECRET = "s3cr3t-of-the-app"
VERSION = "v62.0"
SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

_SOQL = re.compile(
    r"^SELECT (?P<fields>.+?) FROM (?P<object>\w+)(?: WHERE (?P<where>.+?))?"
    r"(?: ORDER BY (?P<order>.+?))?(?: LIMIT (?P<limit>\d+))?$"
)


def salesforce_id(prefix: str, number: int) -> str:
    """An id of 18 characters: key prefix, number, and the checksum of its upper-case letters."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    tail = ""
    for _ in range(12):
        number, digit = divmod(number, len(digits))
        tail = digits[digit] + tail
    short = prefix + tail
    checksum = "".join(
        SUFFIX[sum(1 << at for at, letter in enumerate(short[part : part + 5]) if letter.isupper())]
        for part in (0, 5, 10)
    )
    return short + checksum


@dataclass
class Fault:
    """One way to fail, at the next ``times`` calls of a kind (after ``after`` good ones).

    ``call``: token, describe, query, next, job, status, results or limits. ``how``: a status code
    with or without an error code, or cut, broken, silent, repeat, empty (a page without its rows),
    expire.
    """

    call: str
    how: str
    times: int = 1
    after: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Org:
    """The records of an org, by object, and what its objects look like.

    ``hidden``: objects that the user may not see. ``rest_page`` and ``bulk_page``: rows a page.
    """

    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    rest_page: int = 2000
    bulk_page: int = 50_000
    calls_left: int = 100_000
    calls_max: int = 100_000

    def names(self, item: str) -> list[str]:
        """The fields of an object: as declared, else those that its records have."""
        if item in self.fields:
            return self.fields[item]
        return list(dict.fromkeys(name for row in self.records.get(item, []) for name in row))


class SalesforceServer:
    """``with SalesforceServer(org) as server``; ``server.url`` is the org's domain."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.queries: list[str] = []
        self.rows_served = 0
        self.tokens: set[str] = set()
        self.results: dict[str, list[dict[str, Any]]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "SalesforceServer":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault_at(self, call: str) -> Fault | None:
        """The fault that hits this call, if any."""
        for fault in self.faults:
            if fault.call != call or fault.times <= 0:
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            return fault
        return None

    def select(self, soql: str) -> list[dict[str, Any]]:
        """Run a query. Raises ``_Refusal`` as Salesforce refuses it."""
        match = _SOQL.match(soql)
        if match is None:
            raise _Refusal(400, "MALFORMED_QUERY", f"unexpected token: {soql}")
        name = match["object"]
        names = self.org.names(name)
        if name in self.org.hidden:
            raise _Refusal(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
        wanted = [part.strip() for part in match["fields"].split(",")]
        for part in wanted:
            if part not in names:
                raise _Refusal(400, "INVALID_FIELD", f"No such column '{part}' on entity '{name}'.")
        rows = [row for row in self.org.records.get(name, []) if _fits(row, match["where"])]
        for part in reversed((match["order"] or "").split(", ")):
            if part:
                rows.sort(key=lambda row: row.get(part) or "")
        rows = rows[: int(match["limit"] or len(rows))]
        return [{part: row.get(part) for part in wanted} for row in rows]


class _Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def _fits(row: dict[str, Any], where: str | None) -> bool:
    """Whether a row fits a condition of the form ``Field >= time`` or ``Field = 'text'``."""
    if not where:
        return True
    name, sign, value = where.split(" ", 2)
    actual = row.get(name) or ""
    if sign == "=":
        return bool(actual == value.strip("'"))
    return bool(actual.replace("+0000", "Z") >= value)


def _handler_for(server: "SalesforceServer") -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one packet: otherwise each answer waits for a delayed ACK.
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Say nothing: the tests read ``server.calls``."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/services/oauth2/token":
                self._answer("token", lambda: self._token(body))
            elif self.path.endswith("/jobs/query"):
                self._answer("job", lambda: self._new_job(json.loads(body)))
            else:
                self._refuse(_Refusal(404, "NOT_FOUND", "The requested resource does not exist"))

        def do_GET(self) -> None:
            parts = urlparse(self.path)
            params = {name: values[0] for name, values in parse_qs(parts.query).items()}
            path = parts.path.removeprefix(f"/services/data/{VERSION}/")
            if path == "limits":
                self._answer("limits", self._limits)
            elif match := re.match(r"^sobjects/(\w+)/describe$", path):
                self._answer("describe", lambda: self._describe(match[1]))
            elif path == "queryAll":
                self._answer("query", lambda: self._query(params["q"]))
            elif match := re.match(r"^query/(\w+)-(\d+)$", path):
                self._answer("next", lambda: self._page(match[1], int(match[2])))
            elif match := re.match(r"^jobs/query/(\w+)$", path):
                self._answer("status", lambda: self._job(match[1]))
            elif match := re.match(r"^jobs/query/(\w+)/results$", path):
                self._answer("results", lambda: self._results(match[1], params))
            else:
                self._refuse(_Refusal(404, "NOT_FOUND", "The requested resource does not exist"))

        def _answer(self, call: str, answer: Any) -> None:
            """Count a call, let a fault hit it, else answer it."""
            server.calls[call] += 1
            fault = server.fault_at(call)
            try:
                if fault is not None and fault.how not in {
                    *("cut", "broken", "silent", "repeat", "empty")
                }:
                    self._fail(fault)
                    return
                if call != "token" and self.headers.get("Authorization", "")[7:] not in (
                    server.tokens
                ):
                    raise _Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
                if fault is not None and fault.how == "silent":
                    self.connection.recv(1)  # until the client gives up and closes
                    return
                self._cut = fault.how if fault else ""
                answer()
            except _Refusal as refusal:
                self._refuse(refusal)

        def _fail(self, fault: Fault) -> None:
            if fault.how == "expire":
                server.tokens.clear()
                raise _Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
            status, _, code = fault.how.partition(" ")
            message = {"REQUEST_LIMIT_EXCEEDED": "TotalRequests Limit exceeded."}.get(code, code)
            body = fault.body or ([{"message": message, "errorCode": code}] if code else "oops")
            self._send(int(status), json.dumps(body).encode(), headers=fault.headers)

        def _refuse(self, refusal: _Refusal) -> None:
            body = [{"message": refusal.message, "errorCode": refusal.code}]
            self._cut = ""
            self._send(refusal.status, json.dumps(body).encode())

        def _send(
            self,
            status: int,
            body: bytes,
            kind: str = "application/json;charset=UTF-8",
            headers: dict[str, str] | None = None,
        ) -> None:
            cut = getattr(self, "_cut", "")
            length = len(body)
            if cut in {"cut", "broken"}:
                body = body[: max(1, length * 2 // 3)]
                length = length if cut == "broken" else len(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            used = server.org.calls_max - server.org.calls_left
            self.send_header("Sforce-Limit-Info", f"api-usage={used}/{server.org.calls_max}")
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if cut == "broken":
                self.close_connection = True

        def _json(self, content: Any) -> None:
            self._send(200, json.dumps(content).encode())

        def _token(self, body: bytes) -> None:
            form = parse_qs(body.decode())
            given = base64.b64decode(self.headers.get("Authorization", "")[6:]).decode()
            if form.get("grant_type") != ["client_credentials"]:
                problem = ("unsupported_grant_type", "grant type not supported")
            elif given.split(":")[0] != CLIENT_ID:
                problem = ("invalid_client_id", "client identifier invalid")
            elif given != f"{CLIENT_ID}:{CLIENT_SECRET}":
                problem = ("invalid_client", "invalid client credentials")
            else:
                token = f"00Dxx!AR8.{len(server.tokens)}.{time.monotonic_ns()}"
                server.tokens.add(token)
                self._json(
                    {
                        "access_token": token,
                        "instance_url": server.url,
                        "id": f"{server.url}/id/00Dxx/005xx",
                        "token_type": "Bearer",
                        "issued_at": "1699999999999",
                        "signature": "c2ln",
                        "scope": "api",
                    }
                )
                return
            error, description = problem
            content = {"error": error, "error_description": description}
            self._send(401 if error == "invalid_client" else 400, json.dumps(content).encode())

        def _limits(self) -> None:
            self._json(
                {
                    "DailyApiRequests": {
                        "Max": server.org.calls_max,
                        "Remaining": server.org.calls_left,
                    }
                }
            )

        def _describe(self, name: str) -> None:
            if name in server.org.hidden or not server.org.names(name):
                raise _Refusal(404, "NOT_FOUND", "The requested resource does not exist")
            fields = [{"name": item, "type": "string"} for item in server.org.names(name)]
            self._json({"name": name, "queryable": True, "fields": fields})

        def _query(self, soql: str) -> None:
            server.queries.append(soql)
            key = f"01gxx{len(server.queries):010}"
            name = _SOQL.match(soql)["object"] if _SOQL.match(soql) else ""
            server.results[key] = [
                {"attributes": {"type": name, "url": f"/services/data/{VERSION}/x"}, **row}
                for row in server.select(soql)
            ]
            self._page(key, 0)

        def _page(self, key: str, start: int) -> None:
            rows = server.results.get(key)
            if rows is None:
                raise _Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
            if self._cut == "repeat":
                start = max(0, start - server.org.rest_page)
            end = start + server.org.rest_page
            content: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows)}
            if end < len(rows):
                content["nextRecordsUrl"] = f"/services/data/{VERSION}/query/{key}-{end}"
            content["records"] = [] if self._cut == "empty" else rows[start:end]
            server.rows_served += len(rows[start:end])
            self._json(content)

        def _new_job(self, request: dict[str, str]) -> None:
            server.queries.append(request["query"])
            key = f"750xx{len(server.jobs):010}"
            rows = server.select(request["query"])
            server.jobs[key] = {"rows": rows, "polls": 0, **request}
            self._json(self._job_state(key, "UploadComplete"))

        def _job_state(self, key: str, state: str) -> dict[str, Any]:
            job = server.jobs[key]
            return {
                "id": key,
                "operation": job["operation"],
                "object": _SOQL.match(job["query"])["object"],  # type: ignore[index]  # parsed before
                "state": state,
                "contentType": "CSV",
                "apiVersion": 62.0,
                "lineEnding": "LF",
                "columnDelimiter": "COMMA",
            }

        def _job(self, key: str) -> None:
            if key not in server.jobs:
                raise _Refusal(404, "NOT_FOUND", "The requested resource does not exist")
            server.jobs[key]["polls"] += 1
            ready = server.jobs[key]["polls"] > 1
            self._json(self._job_state(key, "JobComplete" if ready else "InProgress"))

        def _results(self, key: str, params: dict[str, str]) -> None:
            rows = server.jobs[key]["rows"]
            start = int(params.get("locator", 0))
            size = min(int(params.get("maxRecords", 50_000)), server.org.bulk_page)
            page = [] if self._cut == "empty" else rows[start : start + size]
            names = [
                part.strip()
                for part in _SOQL.match(server.jobs[key]["query"])["fields"].split(",")  # type: ignore[index]  # parsed before
            ]
            out = io.StringIO()
            writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(names)
            writer.writerows([_csv_text(row[name]) for name in names] for row in page)
            more = start + size < len(rows)
            server.rows_served += len(page)
            self._send(
                200,
                out.getvalue().encode(),
                kind="text/csv; charset=UTF-8",
                headers={
                    "Sforce-Locator": str(start + size) if more else "null",
                    "Sforce-NumberOfRecords": str(len(page)),
                },
            )

    return Handler


def _csv_text(value: Any) -> str:
    """A value as Bulk 2.0 writes it: times end in Z, null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return re.sub(r"\+0000$", "Z", str(value))
