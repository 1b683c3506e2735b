"""What every source behind a REST API shares: calls with back-off, pages, and clear errors.

Sessions, retries and paging are dlt's. This module decides what to retry (whatever may pass by
itself: no answer, half an answer, an overloaded server), reports it while it happens, and turns
what remains into a ``SourceError`` that names the source and the call and never holds a secret.
Loading is not dlt's: its pipeline keeps nothing of a load that fails on page 4, while the first
load of a CRM must resume where it stopped.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from dlt.sources.helpers.rest_client.typing import HTTPMethod
from requests import HTTPError, RequestException, Response
from requests.auth import AuthBase

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.result import Progress


@dataclass(frozen=True)
class Patience:
    """How often and how long to retry: seconds of back-off double from ``backoff``."""

    attempts: int = 6
    backoff: float = 1.0
    longest: float = 120.0
    timeout: float = 60.0

    def client(self, **options: Any) -> Client:
        """An HTTP client of this patience, which raises no error for a status."""
        return Client(
            request_timeout=self.timeout,
            raise_for_status=False,
            request_max_attempts=self.attempts,
            request_backoff_factor=self.backoff,
            request_max_retry_delay=self.longest,
            **options,
        )


class CallRefused(SourceError):
    """A call that the API refused. ``status``: the HTTP status; ``code``: the API's own code."""

    def __init__(self, message: str, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class LimitReached(CallRefused):
    """The calls of the day are used up: what was read is kept, and the next run continues."""


class RepeatedPage(SourceError):
    """The API gave a page again that it had given: its pages never end."""


@dataclass(frozen=True)
class Page:
    """One page of records. ``following``: where the next one starts; ``content``: the answer."""

    records: list[dict[str, Any]]
    following: str | None
    content: dict[str, Any]


class RestApi(ABC):
    """Calls to one API. ``calls`` counts them; ``headers`` are those of the latest answer.

    ``remarks``: what was noticed of answers that can be read and may lack something.

    How an API says what went wrong is up to each source's client.
    """

    def __init__(
        self,
        source_name: str,
        base_url: str,
        auth: AuthBase,
        progress: Progress | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.calls = 0
        self.headers: dict[str, str] = {}
        self.remarks: list[str] = []
        self._source_name = source_name
        self._base_url = base_url
        self._progress = progress or (lambda _: None)
        self._patience = patience or Patience()
        self._tries = 0
        self._hooks: Any = {"response": [self._checked]}
        http = self._patience.client(
            status_codes=[], exceptions=[], retry_condition=self._should_retry
        )
        self._client = RESTClient(base_url, auth=auth, session=http.session)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """One answer, a JSON object."""
        return self._object(f"GET {path}", self.call("GET", path, params=params or None))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One answer, a JSON object, to a body in JSON."""
        return self._object(f"POST {path}", self.call("POST", path, json=body))

    def _object(self, call: str, answer: Response) -> dict[str, Any]:
        content = json_of(answer)
        if not isinstance(content, dict):
            raise self.odd_answer(call, "is no JSON object")
        return content

    def records_of(self, call: str, content: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """The list of records in an answer. Raises ``SourceError`` when there is no such list."""
        records = content.get(key)
        if not isinstance(records, list):
            raise self.odd_answer(call, f"has no {key}")
        return records

    def odd_answer(self, call: str, what: str) -> SourceError:
        """The error of an answer that came as a good one and holds something else."""
        return SourceError(
            f"source {self._source_name}: {call}: the answer {what}; run again later, and look "
            "whether a proxy answers instead"
        )

    def call(self, method: HTTPMethod, path: str, **options: Any) -> Response:
        """One answer."""
        with self._named(f"source {self._source_name}: {method} {path}"):
            return self._client.request(
                path,
                method=method,
                hooks=self._hooks,
                **options,
            )

    def pages(
        self,
        path: str,
        paginator: BasePaginator,
        following: Callable[[dict[str, Any]], Any],
        *,
        records: str,
        start: str | None = None,
        named: str = "",
        **options: Any,
    ) -> Iterator[Page]:
        """The pages of ``GET path``, in order; ``records``: the key of a page's records.

        ``following`` finds in an answer where the next page starts; ``start``: where the first one
        does. ``named``: what messages name, by default the call.
        """
        call = named or f"GET {path}"
        label = f"source {self._source_name}: {call}"
        seen, announced = {start}, start
        with self._named(label):
            for answer in self._client.paginate(
                path,
                paginator=paginator,
                data_selector=records,
                hooks=self._hooks,
                **options,
            ):
                content = self._object(call, answer.response)
                found = self.records_of(call, content, records)
                if not found and announced is not None:
                    self.remarks.append(
                        f"{call}: the page at {announced}, announced by the one before, "
                        "is empty; if records are missing, run with --full-refresh"
                    )
                place = announced = following(content)
                if place is not None and place in seen:
                    raise RepeatedPage(f"{label}: the page at {place} came twice; run again later")
                seen.add(place)
                yield Page(found, place, content)

    @contextmanager
    def _named(self, call: str) -> Iterator[None]:
        """Name the call of the block in whatever goes wrong in it."""
        self._tries = 0
        try:
            yield
        except HTTPError as error:
            response = cast(Response, error.response)
            if not self.transient_reason(response):
                raise self.refusal(call, response) from None
            what = self.message(response) or f"HTTP {response.status_code}"
            tries = self._patience.attempts
            raise SourceError(
                f"{call}: still failing after {tries} tries: {what}; run again later"
            ) from None
        except RequestException as error:
            raise SourceError(
                f"{call}: no complete answer from {self._base_url} ({type(error).__name__}) after "
                f"{self._patience.attempts} tries; check the network, or run again later"
            ) from None

    def _should_retry(self, response: Response | None, error: BaseException | None) -> bool:
        """Whether an answer (or its absence) is worth another try; reports it when it is."""
        self.calls += 1
        reason = None
        if response is None:
            if isinstance(error, RequestException):
                reason = f"no complete answer ({type(error).__name__})"
        elif response.status_code >= 400:
            reason = self.transient_reason(response)
        elif not self.is_whole(response):
            reason = "the answer was cut off"
        self._tries = self._tries + 1 if reason else 0
        if reason and self._tries < self._patience.attempts:
            self._progress(f"{self._source_name}: {reason}; trying again ({self._tries})")
        return reason is not None

    def _checked(self, response: Response, **_: Any) -> None:
        """Raise an error for every answer that is one, so that none is read as data."""
        self.headers = dict(response.headers)
        if response.status_code >= 400:
            raise HTTPError(f"HTTP {response.status_code}", response=response)

    # What each API says in its own way

    @abstractmethod
    def transient_reason(self, response: Response) -> str | None:
        """Why an answer of status 400 and above may pass by itself; ``None`` when it will not."""

    @abstractmethod
    def message(self, response: Response) -> str:
        """What the API says of a call that went wrong."""

    @abstractmethod
    def refusal(self, call: str, response: Response) -> CallRefused:
        """The error of a call that will not pass by itself; ``call`` names source and call."""

    def is_whole(self, response: Response) -> bool:
        """Whether an answer came completely."""
        return json_of(response) is not None


def secret(source_name: str, variable: str, advice: str = "") -> str:
    """A secret from the environment. Raises ``SourceError`` that names the variable."""
    value = os.environ.get(variable, "").strip()
    if not value:
        raise SourceError(
            f"source {source_name}: the environment variable {variable} is not set{advice}"
        )
    return value


def json_of(response: Response) -> Any:
    """The answer's JSON; ``None`` when it is none."""
    try:
        return response.json()
    except ValueError:
        return None


def text_of(value: Any) -> str | None:
    """A JSON value as text; empty is null, as both mean the same to a CRM."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def texts_of(record: dict[str, Any], *keys: str) -> tuple[str | None, ...]:
    """The values under some keys as text."""
    return tuple(text_of(record.get(key)) for key in keys)
