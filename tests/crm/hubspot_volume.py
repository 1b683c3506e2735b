"""How a large account is read: ``python -m tests.crm.hubspot_volume --contacts 200000``.

A server in a process of its own serves contacts with five past values each. Shows time, calls and
peak memory of the first load, and of a second one after 0.5 % changed; fails when the second one
reads more than that, or when either needs more memory than a laptop can spare.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections import Counter
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from dagster_project.config.warehouse import connect
from dagster_project.ingestion.dispatch import ingest_source
from dagster_project.ingestion.hubspot.settings import HubSpotSource
from dagster_project.ingestion.result import IngestionResult
from tests.crm.hubspot_server import TOKEN, HubSpotAccount, HubSpotServer, Record
from tests.crm.hubspot_world import NOW, remember

PEAK_MEGABYTES = 1_500
STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead")


def account_of(contacts: int) -> HubSpotAccount:
    """An account of that many contacts, each with four stages and an owner."""
    account = HubSpotAccount(now=NOW)
    account.properties["contacts"] = {"lifecyclestage", "hs_lead_status"}
    for number in range(1, contacts + 1):
        day = f"2026-0{number % 5 + 1}-{number % 28 + 1:02}"
        moment = f"{day}T07:00:00.000Z"
        properties = {"email": f"p{number}@x.example", "company": "Acme", "createdate": moment}
        record = account.add("contacts", Record(str(number), properties, moment, moment))
        remember(record, "hubspot_owner_id", "71", moment)
        for hour, stage in enumerate(STAGES):
            remember(record, "lifecyclestage", stage, f"{day}T{8 + hour:02}:00:00.000Z")
    return account


def change(account: HubSpotAccount, share: float) -> int:
    """Let a share of the contacts move on, an hour later; returns how many."""
    account.now += timedelta(hours=1)
    moment = account.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    records = list(account.records["contacts"].values())[:: round(1 / share)]
    for record in records:
        remember(record, "lifecyclestage", "opportunity", moment)
        record.updated_at = moment
    return len(records)


def serve(contacts: int, line: Connection) -> None:
    """Serve an account; on each message let it change and forget what was read."""
    server = HubSpotServer(account_of(contacts))
    with server.running():
        line.send(server.url)
        while line.recv() == "change":
            changed = change(server.account, 0.005)
            server.read = Counter()
            line.send(changed)
        line.send(server.read["contacts"])


def measured(name: str, warehouse: Path, source: HubSpotSource) -> IngestionResult:
    """One load, with what it took."""
    start = time.monotonic()
    with connect(warehouse) as connection:
        result = ingest_source(connection, source, progress=print)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    seconds = time.monotonic() - start
    rows = sum(table.rows_read for table in result.tables.values())
    print(f"{name}: {rows:,} rows, {result.api_calls:,} calls, {seconds:.0f} s, {peak} MB")
    assert peak < PEAK_MEGABYTES
    return result


def main() -> None:
    """Read the account twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=200_000)
    contacts = parser.parse_args().contacts
    os.environ["HUBSPOT_TOKEN"] = TOKEN
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(contacts, theirs))
    process.start()
    source = HubSpotSource(kind="hubspot", base_url=ours.recv())
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch) / "warehouse.duckdb"
        measured("first load", warehouse, source)
        ours.send("change")
        changed = ours.recv()
        measured("second load", warehouse, source)
    ours.send("stop")
    assert ours.recv() == changed
    process.join()


if __name__ == "__main__":
    main()
