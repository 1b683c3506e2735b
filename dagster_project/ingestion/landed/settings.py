"""Landed tables in the ``sources`` of ``handoff.yml``: whose they are and where."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from dagster_project.config.sources import SourceSection
from dagster_project.ingestion.hubspot.settings import HubSpotProperties
from dagster_project.ingestion.salesforce.settings import SalesforceFields


class LandedSource(SourceSection):
    """Tables of a CRM that Fivetran, Airbyte or dlt keep in the warehouse or in another file.

    ``path``: a DuckDB file to read from; without it the tables are in the warehouse file itself.
    ``schema``: where the tool writes. ``tables``: the tool's own table name -> the name it has
    here, where they differ. ``hubspot`` or ``salesforce``: which properties or fields mean what.
    """

    model_config = {"populate_by_name": True}

    kind: Literal["landed"]
    name: str
    crm: Literal["hubspot", "salesforce"]
    tool: Literal["fivetran", "airbyte", "dlt"]
    path: Path | None = None
    schema_name: str = Field(alias="schema")
    tables: dict[str, str] = {}
    hubspot: HubSpotProperties = HubSpotProperties()
    salesforce: SalesforceFields = SalesforceFields()


Source = LandedSource
