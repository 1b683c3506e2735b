"""The ``crm_links`` section of ``handoff.yml``: where people open a lead or an opportunity."""

import re
from functools import partial
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator

from dagster_project.config.plain_text import EMAIL
from dagster_project.config.section import Section, web_host


def _address(value: str, column: str) -> str:
    """An address that only ever leads to its own host, with one place for an id."""
    placeholder = f"{{{column}}}"
    use = f"use one such as https://crm.example.com/records/{placeholder}"
    # A browser leaves out what can't be seen, so that another scheme may follow.
    if not value.isprintable() or " " in value:
        raise ValueError(f"an address has neither spaces nor line breaks; {use}")
    host = web_host(value, use)
    if set(re.findall(r"\{.*?\}|[{}]", value)) != {placeholder}:
        raise ValueError(f"the id goes where it says {placeholder}, and nothing else in braces")
    if "{" in host:
        raise ValueError(f"the id can't be a part of the host; {use}")
    return value


LeadAddress = Annotated[str, AfterValidator(partial(_address, column="lead_id"))]
OpportunityAddress = Annotated[str, AfterValidator(partial(_address, column="opportunity_id"))]


class CrmAddresses(Section):
    """``lead``, ``opportunity``: the addresses of their pages in a CRM.

    ``{lead_id}`` and ``{opportunity_id}`` stand for the id. Empty: there is no link.
    """

    lead: LeadAddress | None = None
    opportunity: OpportunityAddress | None = None


class CrmLinks(CrmAddresses):
    """Where people open a lead or an opportunity, for Data Docs and alerts.

    ``sources``: by the name of a source, where its addresses are others.
    """

    sources: dict[str, CrmAddresses] = {}

    def address(self, source: str | None, column: str, value: str) -> str | None:
        """The page of the lead (column ``lead_id``) or opportunity (``opportunity_id``).

        None of another column, without a configured address, and where the id is an e-mail
        address, which no link should carry.
        """
        if EMAIL.search(value):
            return None
        own = self.sources.get(source or "", self)
        if column == "lead_id":
            address = own.lead or self.lead
        elif column == "opportunity_id":
            address = own.opportunity or self.opportunity
        else:
            address = None
        return address and address.replace(f"{{{column}}}", quote(value, safe=""))
