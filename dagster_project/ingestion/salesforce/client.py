"""How Salesforce is called: login, queries page by page, Bulk 2.0 jobs, and its errors.

What every API shares (retries, messages) is in ``rest``; this module says what is Salesforce's
own. An expired session is renewed once per call.
"""

import csv
import io
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlparse

from dlt.common.pendulum import pendulum
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator
from requests import PreparedRequest, RequestException, Response

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.rest import (
    CallRefused,
    LimitReached,
    Patience,
    RepeatedPage,
    RestApi,
    json_of,
    secret,
)
from dagster_project.ingestion.result import Progress
from dagster_project.ingestion.salesforce.settings import SalesforceSource

# 406 and 420 are what Salesforce's front end answers when it is overloaded.
RETRY_STATUS = frozenset({406, 420, 429, *range(500, 600)})
RETRY_CODES = frozenset({"QUERY_TIMEOUT", "SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW"})
LIMIT_CODE = "REQUEST_LIMIT_EXCEEDED"
# Rows of one page of Bulk results: what is held in memory at a time.
BULK_PAGE_ROWS = 20_000
# Seconds between two looks at a Bulk job: at first, and at most.
FIRST_LOOK, LONGEST_LOOK = 0.2, 10.0

_LOGIN = "POST /services/oauth2/token"
_LOGIN_FIXES = {
    "invalid_client": "check {secret}",
    "invalid_client_id": "check {id}",
    "invalid_grant": "give the connected app a run-as user for client credentials",
    "unsupported_grant_type": "switch on the client credentials flow in the connected app",
    "no_client_credentials_user": "give the connected app a run-as user",
    "inactive_user": "the run-as user of the connected app is not active",
}


class QueryLost(CallRefused):
    """The server forgot where a query stood: start again from the last record seen."""


class Session(OAuth2ClientCredentials):
    """Client credentials at the org's My Domain; a session that expired is renewed."""

    def __init__(self, source: SalesforceSource, patience: Patience) -> None:
        self._source = source
        self.instance_url = ""
        super().__init__(
            access_token_url=f"{base_url(source)}/services/oauth2/token",
            client_id=secret(source.name, source.client_id_env),
            client_secret=secret(source.name, source.client_secret_env),
            session=patience.client().session,
        )

    def build_access_token_request(self) -> dict[str, Any]:
        """Salesforce takes the client's id and secret as basic authentication."""
        return {
            "auth": (self.client_id, self.client_secret),
            "data": {"grant_type": "client_credentials"},
            "allow_redirects": False,
        }

    def obtain_token(self) -> None:
        """Log in. Raises ``SourceError`` when Salesforce refuses, without saying the secret."""
        try:
            response = self.session.post(self.access_token_url, **self.build_access_token_request())
        except RequestException as error:
            raise SourceError(
                f"source {self._source.name}: {_LOGIN}: no answer from {base_url(self._source)}"
                f" ({type(error).__name__}); check the domain and the network"
            ) from None
        content = json_of(response)
        content = content if isinstance(content, dict) else {}
        if "access_token" not in content:
            raise self._refusal(response.status_code, content)
        self.access_token = str(content["access_token"])
        self.instance_url = str(content.get("instance_url") or base_url(self._source)).rstrip("/")
        expires_in = self.parse_expiration_in_seconds(content)
        self.token_expiry = pendulum.now().add(seconds=expires_in)

    def _refusal(self, status: int, content: dict[str, Any]) -> CallRefused:
        """Why a login failed and how to fix it."""
        code = str(content.get("error", ""))
        why = content.get("error_description") or code or f"HTTP {status}"
        fix = _LOGIN_FIXES.get(code, "check the domain and the connected app").format(
            id=self._source.client_id_env, secret=self._source.client_secret_env
        )
        message = f"source {self._source.name}: {_LOGIN}: login refused: {why} ({fix})"
        return CallRefused(message, status, code)

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
        response.close()
        request = response.request.copy()
        request.headers["Authorization"] = f"Bearer {self.access_token}"
        again: Response = response.connection.send(request, **kwargs)
        again.history.append(response)
        again.request = request
        return again


class SalesforceClient(RestApi):
    """Calls to one org; all answers hold the fields as text or JSON values."""

    def __init__(
        self,
        source: SalesforceSource,
        progress: Progress | None = None,
        patience: Patience | None = None,
    ) -> None:
        patience = patience or Patience()
        session = Session(source, patience)
        session.obtain_token()
        address = f"{session.instance_url}/services/data/v{source.api_version}"
        super().__init__(source.name, address, session, progress, patience)
        self.source = source
        # The last answer in CSV, and its rows if it came completely.
        self._table: tuple[Response | None, list[list[str]] | None] = (None, None)

    def query_pages(self, soql: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """The pages of a query over all records, deleted and archived ones too.

        Yields the total number of rows beside each page's records. Raises ``QueryLost`` when the
        server no longer knows the query, or when it repeats a page.
        """
        named, came, total = f"GET queryAll {soql[soql.index('FROM ') :]}", 0, 0
        try:
            for page in self.pages(
                "queryAll",
                JSONLinkPaginator("nextRecordsUrl"),
                lambda content: content.get("nextRecordsUrl"),
                records="records",
                named=named,
                params={"q": soql},
            ):
                total = int(page.content.get("totalSize", 0))
                came += len(page.records)
                yield total, page.records
            self.compare(named, came, total)
        except RepeatedPage as error:
            raise QueryLost(error.problems[0], 200, "REPEATED_PAGE") from None

    def bulk_pages(self, soql: str) -> Iterator[list[dict[str, str]]]:
        """The pages of a query, by a Bulk 2.0 job; all values are text.

        They are CSV, and the place of the next one is a header (the text ``null`` at the end);
        dlt pages through JSON only.
        """
        job = self.post(
            "jobs/query",
            {"operation": "queryAll", "query": soql, "contentType": "CSV", "lineEnding": "LF"},
        )
        self._wait_for(job["id"])
        path = f"jobs/query/{job['id']}/results"
        params: dict[str, Any] = {"maxRecords": BULK_PAGE_ROWS}
        while params.get("locator") not in {"", "null"}:
            page = self.call("GET", path, params=params, headers={"Accept": "text/csv"})
            # Read when `is_whole` was asked about it, and held no longer than needed.
            (answer, table), self._table = self._table, (None, None)
            if answer is not page or table is None:
                raise self.odd_answer(f"GET {path}", "is no whole page of CSV")
            header, *rows = table
            yield [dict(zip(header, row, strict=True)) for row in rows]
            params["locator"] = page.headers.get("Sforce-Locator", "")

    def compare(self, call: str, came: int, announced: int) -> None:
        """Remark rows that were announced and did not come."""
        if came < announced:
            self.remarks.append(
                f"{call}: {came:,} of {announced:,} rows came; run with --full-refresh to read the "
                "others"
            )

    def _wait_for(self, job_id: str) -> None:
        """Wait until a Bulk job is complete. Raises ``CallRefused`` when it failed."""
        pause, path = FIRST_LOOK, f"jobs/query/{job_id}"
        while True:
            job = self.get(path)
            if job["state"] == "JobComplete":
                return
            if job["state"] in {"Failed", "Aborted"}:
                why = str(job.get("errorMessage") or job["state"].lower())
                raise CallRefused(
                    f"source {self.source.name}: GET {path}: the Bulk job for"
                    f" {job.get('object', 'a query')} {job['state'].lower()}: {why}",
                    200,
                    why.split(":")[0].strip(),
                )
            self._progress(f"{self.source.name}: Bulk job {job_id}: {job['state']}")
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK)

    def transient_reason(self, response: Response) -> str | None:
        """Overload, time-outs and locks may pass by themselves."""
        code, message = error_of(response)
        if code == LIMIT_CODE:
            return None
        if response.status_code in RETRY_STATUS or code in RETRY_CODES:
            return f"HTTP {response.status_code} {message}".strip()
        return None

    def message(self, response: Response) -> str:
        """What Salesforce says of a call that went wrong."""
        return error_of(response)[1]

    def refusal(self, call: str, response: Response) -> CallRefused:
        """Limits, lost queries and missing rights, each with what to do."""
        code, message = error_of(response)
        status = response.status_code
        text = f"{call}: {message or 'refused'} ({code or f'HTTP {status}'})"
        if code == LIMIT_CODE:
            usage = response.headers.get("Sforce-Limit-Info", "")
            return LimitReached(
                f"{text}; what was read is kept: run again when calls of the last 24 hours have"
                f" expired{f' ({usage})' if usage else ''}",
                status,
                code,
            )
        if code == "INVALID_QUERY_LOCATOR":
            return QueryLost(text, status, code)
        if status == 401 or code == "INVALID_SESSION_ID":
            text += "; the connected app needs the scope 'api' and its user 'API Enabled'"
        elif status == 403:
            text += "; the run-as user lacks a permission for this call"
        return CallRefused(text, status, code)

    def is_whole(self, response: Response) -> bool:
        """Whether an answer came completely: CSV has as many rows as its header announces."""
        if "csv" not in response.headers.get("Content-Type", ""):
            return super().is_whole(response)
        self._table = (response, _whole_table(response))
        return self._table[1] is not None


def base_url(source: SalesforceSource) -> str:
    """The org's address: https, except for a server on this machine."""
    domain = source.domain
    return domain if urlparse(domain).scheme in {"http", "https"} else f"https://{domain}"


def error_of(response: Response) -> tuple[str, str]:
    """The error code and the message of a refused call."""
    content = json_of(response)
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        return "", ""
    code = first.get("errorCode") or first.get("error") or ""
    return str(code), str(first.get("message") or first.get("error_description") or "")


def _whole_table(page: Response) -> list[list[str]] | None:
    """A page of Bulk results, the header first; none if some of it is missing.

    NUL bytes are dropped.
    """
    try:
        text = page.content.replace(b"\x00", b"").decode()
        table = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    except (UnicodeDecodeError, csv.Error):
        return None
    came = str(len(table) - 1)
    is_whole = page.headers.get("Sforce-NumberOfRecords", came) == came
    return table if is_whole and all(len(row) == len(table[0]) for row in table) else None
