"""How HubSpot is called: lists, searches, batches, associations, and its errors."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests import Response

from dagster_project.ingestion.hubspot.resources import OBJECTS, HubSpotObject
from dagster_project.ingestion.hubspot.settings import HubSpotSource
from dagster_project.ingestion.rest import (
    CallRefused,
    LimitReached,
    Page,
    Patience,
    RepeatedPage,
    RestApi,
    json_of,
    secret,
)
from dagster_project.ingestion.result import Progress

# What HubSpot takes at most: ids of one batch with past values, and of one batch of associations.
HISTORY_BATCH = 50
ASSOCIATION_BATCH = 100
LIST_PAGE = 100

# 423: a record is locked for a moment; 477: the account is being moved.
_PASSING = frozenset({423, 429, 477, *range(500, 530)})


class HubSpotClient(RestApi):
    """Calls to one account. ``time_zone``: the account's, in which its day of calls ends."""

    def __init__(
        self,
        source: HubSpotSource,
        progress: Progress | None = None,
        patience: Patience | None = None,
    ) -> None:
        token = secret(source.name, source.token_env, "; put the private app's token there")
        super().__init__(source.name, source.base_url, BearerTokenAuth(token), progress, patience)
        self.source = source
        self.time_zone: str | None = None
        self._token = token

    def learn_time_zone(self) -> None:
        """Ask when the account's day ends, to say so when its calls are used up."""
        try:
            self.time_zone = self.get("account-info/v3/details").get("timeZone")
        except LimitReached:
            raise
        except CallRefused as refused:
            if refused.status == 401:
                raise

    def now(self) -> datetime:
        """The time of HubSpot's latest answer: its clock decides, not this machine's."""
        try:
            return parsedate_to_datetime(self.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            return datetime.now(UTC)

    def property_definitions(self, name: str) -> dict[str, dict[str, Any]]:
        """The properties that an account has of an object, with the options of their values."""
        return {item["name"]: item for item in self._all(f"crm/v3/properties/{name}")}

    def pipelines(self, name: str) -> list[dict[str, Any]]:
        """The pipelines of an object, with their stages."""
        return self._all(f"crm/v3/pipelines/{name}")

    def _all(self, path: str) -> list[dict[str, Any]]:
        """What a list without pages holds."""
        return self.records_of(f"GET {path}", self.get(path), "results")

    def owners(self) -> Iterator[dict[str, Any]]:
        """All owners, those who left too."""
        for archived in ("false", "true"):
            params = {"limit": LIST_PAGE, "archived": archived}
            for page in self._list("crm/v3/owners/", params):
                yield from page.records

    def first_record(self, name: str) -> None:
        """The cheapest call that needs an object's scope."""
        self.get(f"crm/v3/objects/{name}", limit=1)

    def list_records(
        self,
        item: HubSpotObject,
        properties: Sequence[str],
        history: Sequence[str] = (),
        *,
        after: str | None = None,
        archived: bool = False,
    ) -> Iterator[Page]:
        """Every record of an object, in the order of its id, from the cursor ``after`` on."""
        params: dict[str, Any] = {
            "limit": min(self.source.page_size, HISTORY_BATCH) if history else LIST_PAGE,
            "properties": ",".join(properties),
            "archived": "true" if archived else "false",
            "propertiesWithHistory": ",".join(history) or None,
            "after": after,
        }
        return self._list(f"crm/v3/objects/{item.name}", params)

    def _list(self, path: str, params: dict[str, Any]) -> Iterator[Page]:
        """The pages of a list, from ``after`` in the parameters on."""
        return self.pages(
            path,
            JSONResponseCursorPaginator(cursor_path="paging.next.after", cursor_param="after"),
            _following,
            records="results",
            start=params.get("after"),
            params=params,
        )

    def changed_ids(self, item: HubSpotObject, since: datetime, after_id: str) -> Iterator[str]:
        """The ids of records that changed since, in their order, from ``after_id`` on.

        Each search starts behind the last id, as one shows no more than its first 10,000 results.
        """
        path = f"crm/v3/objects/{item.name}/search"
        milliseconds = str(int(since.timestamp() * 1000))
        is_announced = False
        changed = {"propertyName": item.modified, "operator": "GTE", "value": milliseconds}
        while True:
            behind = {"propertyName": "hs_object_id", "operator": "GT", "value": after_id}
            query = {
                "filterGroups": [{"filters": [changed, behind]}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": ["hs_object_id"],
                "limit": self.source.search_page_size,
            }
            answer = self.post(path, query)
            found = self.records_of(f"POST {path}", answer, "results")
            ids = [str(record["id"]) for record in found]
            if after_id in ids:
                call = f"source {self.source.name}: POST {path}"
                raise RepeatedPage(f"{call}: record {after_id} came twice; run again later")
            yield from ids
            if not ids and (is_announced or answer.get("total")):
                self.remarks.append(
                    f"POST {path}: results behind {after_id} were announced and did not come; "
                    "if records are missing, run with --full-refresh"
                )
            is_announced = _following(answer) is not None
            if not ids or not is_announced:
                return
            after_id = ids[-1]

    def read_batch(
        self,
        item: HubSpotObject,
        ids: Sequence[str],
        properties: Sequence[str],
        history: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """The records with these ids, at most one batch; those that are gone are left out."""
        body: dict[str, Any] = {
            "inputs": [{"id": record_id} for record_id in ids],
            "properties": list(properties),
        }
        if history:
            body["propertiesWithHistory"] = list(history)
        path = f"crm/v3/objects/{item.name}/batch/read"
        answer = self.post(path, body)
        found = self.records_of(f"POST {path}", answer, "results")
        # HubSpot lists as errors those that are gone.
        if len(found) < len(ids) and not (answer.get("errors") or answer.get("numErrors")):
            self.remarks.append(
                f"POST {path}: {len(ids) - len(found)} of {len(ids)} records did not come; if they "
                "are missing, run with --full-refresh"
            )
        return found

    def contacts_of(
        self, item: HubSpotObject, ids: Iterable[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """What HubSpot associates records with among the contacts: pairs of id and association."""
        for batch in batches(ids, ASSOCIATION_BATCH):
            path = f"crm/v4/associations/{item.name}/contacts/batch/read"
            answer = self.post(path, {"inputs": [{"id": record_id} for record_id in batch]})
            for result in self.records_of(f"POST {path}", answer, "results"):
                record_id = str(result["from"]["id"])
                found = result.get("to") or []
                if _following(result):
                    # The record has more of them than a batch shows.
                    path = f"crm/v4/objects/{item.name}/{record_id}/associations/contacts"
                    found = [to for page in self._list(path, {"limit": 500}) for to in page.records]
                yield from ((record_id, to) for to in found)

    # What went wrong

    def transient_reason(self, response: Response) -> str | None:
        """Everything passes that HubSpot says will, but for the limit of the day."""
        if response.status_code not in _PASSING or _is_daily_limit(response):
            return None
        why = _said(response, "policyName") or self.message(response)
        return f"HTTP {response.status_code} {why}".strip()

    def message(self, response: Response) -> str:
        """HubSpot's own words, without the token should it repeat it."""
        return _said(response, "message").replace(self._token, "(token)")

    def refusal(self, call: str, response: Response) -> CallRefused:
        """What a refused call means and how to fix it."""
        status, message = response.status_code, self.message(response)
        code = _said(response, "category") or _said(response, "errorType")
        text = f"{call}: {message or f'HTTP {status}'}"
        if _is_daily_limit(response):
            return LimitReached(
                f"{text} What was read is kept; run again {self._next_day()} to continue",
                status,
                "DAILY",
            )
        if status in {401, 530}:
            text += (
                f" (the token in {self.source.token_env} is wrong or no longer valid: put the "
                "private app's current token there)"
            )
        elif status == 403:
            scopes = _missing_scopes(response)
            text += f" (missing: {', '.join(scopes)})" if scopes else ""
            text += _scope_advice(call, is_named=bool(scopes))
        return CallRefused(text, status, code)

    def _next_day(self) -> str:
        """When the account's day of calls begins again."""
        try:
            zone = ZoneInfo(self.time_zone or "unknown")
        except (ZoneInfoNotFoundError, ValueError):
            return "after midnight in the account's time zone"
        tomorrow = (datetime.now(zone) + timedelta(days=1)).date()
        midnight = datetime.combine(tomorrow, time(), zone).astimezone(UTC)
        return f"after {midnight:%Y-%m-%d %H:%M} UTC (midnight in {self.time_zone})"


def batches(ids: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """The ids in tuples of at most ``size``."""
    waiting = iter(ids)
    while batch := tuple(islice(waiting, size)):
        yield batch


def _following(content: dict[str, Any]) -> Any:
    """Where the next page of a list or search starts."""
    return ((content.get("paging") or {}).get("next") or {}).get("after")


def _said(response: Response, key: str) -> str:
    content = json_of(response)
    return str(content.get(key) or "") if isinstance(content, dict) else ""


def _is_daily_limit(response: Response) -> bool:
    return response.status_code == 429 and (
        _said(response, "policyName").upper() == "DAILY"
        or "daily limit" in _said(response, "message").lower()
    )


def _scope_advice(call: str, *, is_named: bool) -> str:
    """What to do about a missing scope of the object that a call reads."""
    item = next((OBJECTS[part] for part in call.split("/") if part in OBJECTS), None)
    if item is None:
        return ""
    advice = f"; give the private app {'that scope' if is_named else f'the scope {item.scope}'}"
    return advice if item.name == "contacts" else f"{advice}, or leave {item.name} out of objects"


def _missing_scopes(response: Response) -> list[str]:
    """The scopes that HubSpot says are missing, wherever in the answer it does."""
    content = json_of(response)
    if not isinstance(content, dict):
        return []
    contexts = [place.get("context") or {} for place in (content, *(content.get("errors") or []))]
    keys = ("missingScopes", "requiredGranularScopes", "requiredScopes")
    found = [str(scope) for context in contexts for key in keys for scope in context.get(key) or []]
    return list(dict.fromkeys(found))
