"""How Handoff speaks to Salesforce: login, queries page by page, Bulk 2.0 jobs, and errors.

Paging, sessions and retries are dlt's; this module says what Salesforce's pages, errors and limits
look like. Transient failures are retried with back-off and shown; an expired session is renewed
once per call; whatever remains becomes a ``SourceError`` that names the source and the call, and
never a secret.
"""

import io
import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.csv
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import HeaderCursorPaginator, JSONLinkPaginator
from requests import HTTPError, PreparedRequest, RequestException, Response

from dagster_project.errors import SourceError

if TYPE_CHECKING:
    from dagster_project.ingestion.landing import Progress
    from dagster_project.settings import SalesforceSource

# 406 and 420 are what Salesforce's front end answers when it is overloaded.
RETRY_STATUS = frozenset({406, 420, 429, *range(500, 600)})
RETRY_CODES = frozenset({"QUERY_TIMEOUT", "SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW"})
LIMIT_CODES = frozenset({"REQUEST_LIMIT_EXCEEDED", "TXN_SECURITY_METERING_ERROR"})
# Rows of one page of Bulk results: what is held in memory at a time.
BULK_PAGE_ROWS = 20_000


@dataclass(frozen=True)
class Patience:
    """How often and how long to try again: seconds of back-off double from ``backoff``."""

    attempts: int = 6
    backoff: float = 1.0
    longest: float = 120.0
    timeout: float = 120.0
    poll: float = 5.0


class SalesforceError(SourceError):
    """A call that Salesforce refused; ``code`` is its error code, such as INVALID_FIELD."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class LimitReached(SalesforceError):
    """The org's calls for the last 24 hours are used up: what came is kept, go on later."""


class QueryLost(SalesforceError):
    """The server forgot where a query stood: start again from the last record seen."""


class Session(OAuth2ClientCredentials):
    """Client credentials at the org's My Domain; a session that expired is renewed."""

    def __init__(self, source: "SalesforceSource", http: Client) -> None:
        self._source = source
        self.instance_url = ""
        super().__init__(
            access_token_url=f"{base_url(source)}/services/oauth2/token",
            client_id=_secret(source, source.client_id_env),
            client_secret=_secret(source, source.client_secret_env),
            session=http.session,
        )

    def build_access_token_request(self) -> dict[str, Any]:
        """Salesforce takes the client's id and secret as basic authentication."""
        pair = f"{self.client_id}:{self.client_secret}".encode()
        return {
            "headers": {"Authorization": f"Basic {b64encode(pair).decode()}"},
            "data": {"grant_type": "client_credentials"},
        }

    def obtain_token(self) -> None:
        """Log in. Raises ``SourceError`` when Salesforce refuses, without saying the secret."""
        call = "POST /services/oauth2/token"
        try:
            response = self.session.post(
                self.access_token_url, allow_redirects=False, **self.build_access_token_request()
            )
        except RequestException as error:
            raise _unreachable(self._source, call, error) from error
        content = _json(response)
        if response.status_code != 200 or not isinstance(content, dict):
            raise self._refusal(response, content)
        self.access_token = str(content.get("access_token"))
        # An unknown host would get the token: only Salesforce's own answer may name it.
        self.instance_url = str(content.get("instance_url") or base_url(self._source)).rstrip("/")
        self.token_expiry = _now().add(seconds=self.parse_expiration_in_seconds(content))

    def _refusal(self, response: Response, content: Any) -> SalesforceError:
        """Why a login failed and how to mend it."""
        content = content if isinstance(content, dict) else {}
        code = str(content.get("error", ""))
        why = content.get("error_description") or code or f"HTTP {response.status_code}"
        mend = {
            "invalid_client": f"check {self._source.client_secret_env}",
            "invalid_client_id": f"check {self._source.client_id_env}",
            "invalid_grant": "give the connected app a run-as user for client credentials",
            "unsupported_grant_type": "switch on the client credentials flow in the connected app",
            "no_client_credentials_user": "give the connected app a run-as user",
            "inactive_user": "the run-as user of the connected app is not active",
        }.get(code, "check the domain and the connected app")
        return SalesforceError(
            f"source {self._source.name}: POST /services/oauth2/token: login refused: {why}"
            f" ({mend})",
            code or "login",
        )

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign a request, and renew the session once if it turns out to have expired."""
        signed: PreparedRequest = super().__call__(request)
        signed.register_hook("response", self._renewed)
        return signed

    def _renewed(self, response: Response, **kwargs: Any) -> Response:
        """Send a request again with a new session, if the old one was refused."""
        if response.status_code != 401:
            return response
        used = response.request.headers.get("Authorization")
        if used == f"Bearer {self.access_token}":
            self.obtain_token()
        _ = response.content
        response.close()
        request = response.request.copy()
        request.headers["Authorization"] = f"Bearer {self.access_token}"
        again: Response = response.connection.send(request, **kwargs)
        again.history.append(response)
        again.request = request
        return again


class _Locator(HeaderCursorPaginator):
    """Bulk 2.0 pages: the next page's locator is a header, the text ``null`` at the end."""

    def __init__(self) -> None:
        super().__init__(cursor_key="Sforce-Locator", cursor_param="locator")

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        if self._next_reference in {"", "null"}:
            self._next_reference = None


class _BulkPages(RESTClient):
    """A REST client whose pages are CSV: one Arrow table of text columns each."""

    def extract_response(self, response: Response, data_selector: Any) -> list[Any]:  # noqa: ARG002 - dlt's signature
        return [_csv_table(response.content)]


class SalesforceClient:
    """Calls to one org. ``calls`` counts them, ``usage`` is what the org last said of its limit."""

    def __init__(
        self,
        source: "SalesforceSource",
        progress: "Progress | None" = None,
        patience: Patience | None = None,
    ) -> None:
        self.source = source
        self.calls = 0
        self.usage = ""
        self._progress = progress or (lambda _: None)
        self._patience = patience or Patience()
        self._call = ""
        self._tries = 0
        http = Client(
            request_timeout=self._patience.timeout,
            raise_for_status=False,
            status_codes=[],
            exceptions=[],
            retry_condition=self._should_retry,
            request_max_attempts=self._patience.attempts,
            request_backoff_factor=self._patience.backoff,
            request_max_retry_delay=self._patience.longest,
        )
        self._session = Session(source, http)
        self._options: dict[str, Any] = {"auth": self._session, "session": http.session}

    def get(self, path: str, **params: Any) -> Any:
        """One answer in JSON; ``path`` is relative to the API version."""
        return self._json_call("GET", path, params=params or None)

    def query_pages(self, soql: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """The pages of a query over all records, deleted and archived ones too.

        Yields the total number of rows beside each page's records. Raises ``QueryLost`` when the
        server no longer knows the query, or when it repeats a page.
        """
        client = RESTClient(self._base(), **self._options)
        seen: set[str] = set()
        with self._errors("GET queryAll", soql[soql.index("FROM ") :]):
            pages = client.paginate(
                "queryAll",
                params={"q": soql},
                paginator=JSONLinkPaginator("nextRecordsUrl"),
                data_selector="records",
                hooks={"response": [self._checked]},
            )
            for page in pages:
                content = page.response.json()
                following = content.get("nextRecordsUrl")
                if following is not None and following in seen:
                    raise QueryLost(f"{self._where()}: the same page came twice", "REPEATED_PAGE")
                seen.add(following)
                yield int(content.get("totalSize", 0)), content.get("records", [])

    def bulk_pages(self, soql: str) -> Iterator[pa.Table]:
        """The pages of a query, by a Bulk 2.0 job; all columns are text, empty is null."""
        job = self._json_call(
            "POST",
            "jobs/query",
            json={"operation": "queryAll", "query": soql, "contentType": "CSV", "lineEnding": "LF"},
        )
        self._wait_for(job["id"])
        path = f"jobs/query/{job['id']}/results"
        client = _BulkPages(self._base(), **self._options)
        with self._errors("GET", path):
            for page in client.paginate(
                path,
                params={"maxRecords": BULK_PAGE_ROWS},
                paginator=_Locator(),
                data_selector="$",
                headers={"Accept": "text/csv"},
                hooks={"response": [self._checked]},
            ):
                yield page[0]

    def _wait_for(self, job_id: str) -> None:
        """Wait until a Bulk job is complete. Raises ``SalesforceError`` when it failed."""
        pause = min(0.5, self._patience.poll)
        while True:
            job = self._json_call("GET", f"jobs/query/{job_id}")
            if job["state"] == "JobComplete":
                return
            if job["state"] in {"Failed", "Aborted"}:
                message = job.get("errorMessage") or job["state"].lower()
                raise SalesforceError(
                    f"{self._where()}: the Bulk job for {job.get('object', 'a query')}"
                    f" {job['state'].lower()}: {message}",
                    str(message).split(":")[0].strip(),
                )
            self._progress(f"{self.source.name}: Bulk job {job_id}: {job['state']}")
            time.sleep(pause)
            pause = min(pause * 2, self._patience.poll)

    def _json_call(self, method: str, path: str, **options: Any) -> Any:
        client = RESTClient(self._base(), **self._options)
        with self._errors(method, path):
            response = client.request(
                path,
                method=method,  # type: ignore[arg-type]  # a plain str; dlt's literal type
                hooks={"response": [self._checked]},
                **options,
            )
            return response.json()

    def _base(self) -> str:
        """The API's address: the instance that the login named."""
        if not self._session.instance_url:
            self._session.obtain_token()
        return f"{self._session.instance_url}/services/data/v{self.source.api_version}"

    def _errors(self, method: str, path: str) -> "_Errors":
        """Name the call of the block in whatever goes wrong in it."""
        self._call, self._tries = f"{method} {path}", 0
        return _Errors(self)

    def _where(self) -> str:
        return f"source {self.source.name}: {self._call}"

    def _should_retry(self, response: Response | None, error: BaseException | None) -> bool:
        """Whether an answer (or its absence) is worth another try; says so when it is."""
        self.calls += 1
        reason = _transient_reason(response, error)
        self._tries = self._tries + 1 if reason else 0
        if reason and self._tries < self._patience.attempts:
            self._progress(f"{self.source.name}: {reason}; trying again ({self._tries})")
        return reason is not None

    def _checked(self, response: Response, *_: Any, **__: Any) -> None:
        """Note the org's limit and raise what a refused call means."""
        self.usage = response.headers.get("Sforce-Limit-Info", self.usage)
        if response.status_code < 400:
            return
        if _transient_reason(response, None):
            raise HTTPError(f"HTTP {response.status_code}", response=response)
        raise self._refusal(response)

    def _refusal(self, response: Response) -> SalesforceError:
        code, message = error_of(response)
        text = f"{self._where()}: {message} ({code or f'HTTP {response.status_code}'})"
        if code in LIMIT_CODES:
            return LimitReached(
                f"{text}; what came is kept: run again when calls of the last 24 hours have"
                f" expired{f' ({self.usage})' if self.usage else ''}",
                code,
            )
        if code == "INVALID_QUERY_LOCATOR":
            return QueryLost(text, code)
        if response.status_code == 401 or code == "INVALID_SESSION_ID":
            text += "; the connected app needs the scope 'api' and its user 'API Enabled'"
        elif response.status_code == 403:
            text += "; the run-as user lacks a permission for this call"
        return SalesforceError(text, code)


class _Errors:
    """Turns what the HTTP library raises into ``SourceError``, with the call's name."""

    def __init__(self, client: SalesforceClient) -> None:
        self._client = client
        self._where = client._where()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, HTTPError) and error.response is not None:
            code, message = error_of(error.response)
            tries = self._client._patience.attempts
            raise SalesforceError(
                f"{self._where}: still failing after {tries} tries:"
                f" {message or 'HTTP ' + str(error.response.status_code)}; try again later",
                code or f"HTTP {error.response.status_code}",
            ) from error
        if isinstance(error, json.JSONDecodeError | pa.ArrowInvalid | KeyError):
            raise SalesforceError(
                f"{self._where}: the answer can not be read; try again later", "unreadable"
            ) from error
        if isinstance(error, RequestException):
            raise _unreachable(self._client.source, self._client._call, error) from error


def base_url(source: "SalesforceSource") -> str:
    """The org's address: https, except for a server on this machine."""
    domain = source.domain
    return domain if urlparse(domain).scheme in {"http", "https"} else f"https://{domain}"


def error_of(response: Response) -> tuple[str, str]:
    """The error code and message of a refused call: a list, or the token endpoint's object."""
    content = _json(response)
    if isinstance(content, list) and content and isinstance(content[0], dict):
        first = content[0]
        return str(first.get("errorCode", "")), str(first.get("message", ""))
    if isinstance(content, dict):
        code = content.get("errorCode") or content.get("error") or ""
        return str(code), str(content.get("message") or content.get("error_description") or "")
    return "", ""


def _transient_reason(response: Response | None, error: BaseException | None) -> str | None:
    """What happened, if it may pass by itself; else ``None``."""
    if response is not None and response.status_code >= 400:
        code, message = error_of(response)
        if code in LIMIT_CODES:
            return None
        if response.status_code in RETRY_STATUS or code in RETRY_CODES:
            return f"HTTP {response.status_code} {message}".strip()
        return None
    if isinstance(error, RequestException):
        return f"no whole answer ({type(error).__name__})"
    if response is not None and response.status_code == 200 and not _is_whole(response):
        return "the answer was cut off"
    return None


def _is_whole(response: Response) -> bool:
    """Whether an answer's body is all there: JSON that parses, as many CSV rows as announced."""
    kind = response.headers.get("Content-Type", "")
    if "json" in kind:
        return _json(response) is not None
    if "csv" in kind:
        try:
            rows = _csv_table(response.content).num_rows
        except pa.ArrowInvalid:
            return False
        return str(rows) == response.headers.get("Sforce-NumberOfRecords", str(rows))
    return True


def _csv_table(content: bytes) -> pa.Table:
    """A page of Bulk results. NUL bytes are dropped; an empty field is null."""
    text = content.replace(b"\x00", b"")
    header = text.split(b"\n", 1)[0]
    if not header.strip():
        return pa.table({})
    names = pyarrow.csv.read_csv(io.BytesIO(header + b"\n")).column_names
    return pyarrow.csv.read_csv(
        io.BytesIO(text),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        read_options=pyarrow.csv.ReadOptions(block_size=len(text) + 1),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _unreachable(source: "SalesforceSource", call: str, error: RequestException) -> SalesforceError:
    """No answer, in words that hold neither a header nor a body."""
    host = urlparse(base_url(source)).netloc
    return SalesforceError(
        f"source {source.name}: {call}: no answer from {host} ({type(error).__name__});"
        " check the domain and the network, or try again later",
        "no answer",
    )


def _secret(source: "SalesforceSource", variable: str) -> str:
    """A secret from the environment. Raises ``SourceError`` that names the variable."""
    value = os.environ.get(variable, "")
    if not value:
        raise SalesforceError(
            f"source {source.name}: the environment variable {variable} is not set", "login"
        )
    return value


def _json(response: Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _now() -> Any:
    from dlt.common.pendulum import pendulum

    return pendulum.now()
