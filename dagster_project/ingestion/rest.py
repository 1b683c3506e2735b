"""What every source behind a REST API shares: calls with back-off, pages, and how far it was read.

Sessions, retries and paging are dlt's. This module decides when to try again (whatever may pass by
itself: no answer, half an answer, an overloaded server), says so while it happens, and turns what
remains into a ``SourceError`` that names the source and the call and never holds a secret.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests import HTTPError, RequestException, Response
from requests.auth import AuthBase

from dagster_project.config.errors import SourceError
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.ingestion.result import Progress

STATE_TABLE = "source_state"
STATE_COLUMNS = ("source_system", "stream", "cursor")


@dataclass(frozen=True)
class Patience:
    """How often and how long to try again: seconds of back-off double from ``backoff``."""

    attempts: int = 6
    backoff: float = 1.0
    longest: float = 120.0
    timeout: float = 60.0


class CallRefused(SourceError):
    """A call that the API refused. ``status``: the HTTP status; ``code``: the API's own code."""

    def __init__(self, message: str, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class LimitReached(CallRefused):
    """The calls of the day are used up: what came is kept, and the next run goes on from there."""


class RepeatedPage(SourceError):
    """The API gave the place it was asked for as the next one: its pages never end."""


class Dialect:
    """How one API says what went wrong; each source has its own."""

    def transient_reason(self, response: Response) -> str | None:
        """Why an answer of status 400 and above may pass by itself; ``None`` when it will not."""
        if response.status_code == 429 or response.status_code >= 500:
            return f"HTTP {response.status_code} {self.message(response)}".strip()
        return None

    def message(self, response: Response) -> str:
        """What the API says of a call that went wrong."""
        content = json_of(response)
        return str(content.get("message", "")) if isinstance(content, dict) else ""

    def refusal(self, call: str, response: Response) -> CallRefused:
        """The error of a call that will not pass by itself; ``call`` names source and call."""
        message = self.message(response) or f"HTTP {response.status_code}"
        return CallRefused(f"{call}: {message}", response.status_code)


class Cursor(JSONResponseCursorPaginator):
    """dlt's cursor paging, which also notices when a page names itself as the next one."""

    def __init__(self, start: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._asked_for = start

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Take the next cursor from an answer. Raises ``RepeatedPage`` when it is the same one."""
        super().update_state(response, data)
        following = self._next_reference
        if following is not None and str(following) == str(self._asked_for):
            raise RepeatedPage(f"the page at {following} names itself as the next page")
        self._asked_for = following

    @property
    def following(self) -> str | None:
        """Where the next page starts; ``None`` at the end."""
        reference = self._next_reference
        return None if reference is None else str(reference)


@dataclass(frozen=True)
class Page:
    """One page of records. ``following``: where the next one starts; ``content``: the answer."""

    records: list[dict[str, Any]]
    following: str | None
    content: dict[str, Any]


class RestApi:
    """Calls to one API. ``calls`` counts them; ``headers`` are those of the latest answer."""

    def __init__(
        self,
        source_name: str,
        base_url: str,
        auth: AuthBase,
        dialect: Dialect,
        progress: "Progress | None" = None,
        patience: Patience | None = None,
    ) -> None:
        self.calls = 0
        self.headers: dict[str, str] = {}
        self._source_name = source_name
        self._base_url = base_url
        self._dialect = dialect
        self._progress = progress or (lambda _: None)
        self._patience = patience or Patience()
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
        self._client = RESTClient(base_url, auth=auth, session=http.session)
        self._hooks: Any = {"response": [self._checked]}

    def get(self, path: str, **params: Any) -> Any:
        """One answer in JSON."""
        return self._json("GET", path, params=params or None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """One answer in JSON to a body in JSON."""
        return self._json("POST", path, json=body)

    def pages(
        self,
        method: str,
        path: str,
        paginator: Cursor,
        *,
        records: str = "results",
        params: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
    ) -> Iterator[Page]:
        """The pages of a call, in order; ``records``: the key that holds a page's records."""
        with self._named(method, path):
            for page in self._client.paginate(
                path,
                method=method,  # type: ignore[arg-type]  # a plain str; dlt's literal type
                params=params,
                json=body,
                paginator=paginator,
                data_selector=records,
                hooks=dict(self._hooks),
            ):
                content = page.response.json()
                yield Page(content.get(records) or [], paginator.following, content)

    def _json(self, method: str, path: str, **options: Any) -> Any:
        with self._named(method, path):
            response = self._client.request(
                path,
                method=method,  # type: ignore[arg-type]  # a plain str; dlt's literal type
                hooks=dict(self._hooks),
                **options,
            )
            return response.json()

    @contextmanager
    def _named(self, method: str, path: str) -> Iterator[None]:
        """Name the call of the block in whatever goes wrong in it."""
        call = f"source {self._source_name}: {method} {path}"
        self._tries = 0
        try:
            yield
        except _Refused as refused:
            raise self._dialect.refusal(call, refused.response) from None
        except HTTPError as error:
            raise self._gave_up(call, error.response) from None
        except RequestException as error:
            raise SourceError(
                f"{call}: no whole answer from {self._base_url} ({type(error).__name__}) after "
                f"{self._patience.attempts} tries; check the network, or run again later"
            ) from None
        except RepeatedPage as error:
            raise RepeatedPage(f"{call}: {error}; run again later") from None

    def _gave_up(self, call: str, response: Response | None) -> SourceError:
        what = "no answer"
        if response is not None:
            what = self._dialect.message(response) or f"HTTP {response.status_code}"
        return SourceError(
            f"{call}: still failing after {self._patience.attempts} tries: {what}; run again later"
        )

    def _should_retry(self, response: Response | None, error: BaseException | None) -> bool:
        """Whether an answer (or its absence) is worth another try; says so when it is."""
        self.calls += 1
        reason = self._transient_reason(response, error)
        self._tries = self._tries + 1 if reason else 0
        if reason and self._tries < self._patience.attempts:
            self._progress(f"{self._source_name}: {reason}; trying again ({self._tries})")
        return reason is not None

    def _transient_reason(
        self, response: Response | None, error: BaseException | None
    ) -> str | None:
        if response is not None:
            if response.status_code >= 400:
                return self._dialect.transient_reason(response)
            return None if json_of(response) is not None else "the answer was cut off"
        if isinstance(error, RequestException):
            return f"no whole answer ({type(error).__name__})"
        return None

    def _checked(self, response: Response, **_: Any) -> None:
        """Refuse every answer that is none, so that no page of an error is read as data."""
        self.headers = dict(response.headers)
        if response.status_code >= 400:
            if self._dialect.transient_reason(response):
                raise HTTPError(f"HTTP {response.status_code}", response=response)
            raise _Refused(response)


class _Refused(Exception):
    """An answer that says no for good; becomes the dialect's error where the call is known."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"HTTP {response.status_code}")
        self.response = response


def json_of(response: Response) -> Any:
    """The answer's JSON; ``None`` when it is none."""
    try:
        return response.json()
    except ValueError:
        return None


def read_state(connection: "DuckDBPyConnection", source_system: str, stream: str) -> dict[str, Any]:
    """How far a stream of a source has been read; empty when it never was."""
    row = connection.execute(
        f"select cursor from {RAW_SCHEMA}.{STATE_TABLE} where source_system = ? and stream = ?",
        [source_system, stream],
    ).fetchone()
    return dict(json.loads(row[0])) if row else {}


def write_state(
    connection: "DuckDBPyConnection", source_system: str, stream: str, state: dict[str, Any]
) -> None:
    """Keep how far a stream has been read; part of the transaction that lands its rows."""
    connection.execute(
        f"delete from {RAW_SCHEMA}.{STATE_TABLE} where source_system = ? and stream = ?",
        [source_system, stream],
    )
    connection.execute(
        f"insert into {RAW_SCHEMA}.{STATE_TABLE} values (?, ?, ?)",
        [source_system, stream, json.dumps(state)],
    )


def ensure_state_table(connection: "DuckDBPyConnection") -> None:
    """Create the table of cursors where it does not exist yet."""
    raw_schema.create_text_tables(connection, {STATE_TABLE: STATE_COLUMNS})
