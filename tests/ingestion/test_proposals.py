"""What ``handoff init`` proposes for exports of CRMs is read unedited, and the models count right.

The exports are made up, in the shape that the vendors document.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.errors import SourceError
from dagster_project.config.settings import load_settings
from dagster_project.config.warehouse import POLICY_DIR
from dagster_project.ingestion import project_macros, raw_schema
from dagster_project.ingestion.discovery.exports import ExportFile
from dagster_project.ingestion.discovery.meanings import stage_at, stage_of_header
from dagster_project.ingestion.discovery.plans import Proposal, match, reason_header
from dagster_project.ingestion.discovery.proposal import propose
from dagster_project.ingestion.discovery.values import EventMeaning, event_meaning, read_vocabulary
from dagster_project.ingestion.project_macros import macros
from tests.ingestion.test_troubles import as_archive
from tests.warehouse import Warehouse, project


@dataclass(frozen=True)
class Read:
    """A proposal, and the warehouse that the models make of what it reads, once it is asked for."""

    proposal: Proposal
    warehouse: Warehouse
    built: set[str] = field(default_factory=set)

    def all(self, query: str) -> list[tuple[Any, ...]]:
        asked = re.findall(r"(?:from|join) (?!raw\.)(?:\w+\.)?(\w+)", query)
        self.warehouse.build(asked, given=self.built)
        self.built.update(self.warehouse.project.upstream(asked))
        return [tuple(row.values()) for row in self.warehouse.rows(query)]

    @property
    def notes(self) -> str:
        return "\n".join(self.proposal.unplaced)

    @property
    def set_aside(self) -> list[tuple[Any, ...]]:
        return self.all(
            "select table_name, column_name, reason from quality.quarantine order by all"
        )

    @property
    def buckets(self) -> dict[str, str]:
        return dict(self.all("select lead_id, bucket from lead_accounting"))

    @property
    def tried(self) -> dict[str, tuple[Any, ...]]:
        return {it.name: (it.rows, it.times, it.leads, it.stages) for it in self.proposal.tried}


# Writes files, proposes for them and reads them as proposed.
Proposed = Callable[..., Read]


@pytest.fixture(scope="module")
def warehouse() -> Warehouse:
    return Warehouse(project().for_files())


@pytest.fixture
def read(warehouse: Warehouse, tmp_path: Path) -> Proposed:
    """Write an export, propose, and read it unedited."""

    def run(files: Mapping[str, str | bytes]) -> Read:
        directory = tmp_path / "export"
        directory.mkdir()
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (directory / name).write_bytes(data)
        proposal = propose(directory, tmp_path / "handoff.yml")
        for table in (*CONTRACT_TABLES, "loads", "stage_map", "rejected_rows", "decimal_marks"):
            warehouse.execute(f"delete from raw.{table}")
        settings = load_settings(tmp_path / "handoff.yml")
        warehouse.read_export(settings.sources[0])
        raw_schema.write_sources(warehouse.connection, {settings.sources[0].name: None})
        warehouse.decide(dt.datetime(2026, 6, 30), settings.lifecycle.tradition)
        return Read(proposal, warehouse)

    return run


CYCLES = (
    "select lead_id, outcome, opportunity_amount, won_amount from fct_lead_cycles "
    "order by lead_id, cycle_number"
)

HUBSPOT_IN_GERMAN = {
    "hubspot-crm-exports-alle-kontakte-2026-03-01-1.csv": (
        "Datensatz-ID,E-Mail,Für Kontakt zuständiger Mitarbeiter,Lifecycle-Phase,Leadstatus,"
        "Erstellungsdatum,Unternehmensname,Anzahl der Mitarbeiter,"
        "Datum der Konversion zum Marketing-Qualified-Lead\n"
        "501,a@acme.example,Rob Reps,Kunde,,2026-01-05 09:12,Acme,1.250,2026-01-06 10:00\n"
        "502,b@beta.example,Rob Reps,Marketing-Qualified-Lead,Neu,2026-01-07 12:00,Beta,50,"
        "2026-01-08 08:00\n"
    ),
    "hubspot-crm-exports-alle-kontakte-2026-03-01-2.csv": (
        "Datensatz-ID,E-Mail,Für Kontakt zuständiger Mitarbeiter,Lifecycle-Phase,Leadstatus,"
        "Erstellungsdatum,Unternehmensname,Anzahl der Mitarbeiter,"
        "Datum der Konversion zum Marketing-Qualified-Lead\n"
        "503,c@gamma.example,,Abonnent,,2026-02-01 12:00,Gamma,,\n"
        "504,d@delta.example,Sue Sells,Lead,In Bearbeitung,2026-02-02 09:00,Delta,87,\n"
    ),
    "hubspot-crm-exports-alle-deals-2026-03-01.csv": (
        "Datensatz-ID,Deal-Name,Deal-Phase,Betrag,Erstellungsdatum,Abschlussdatum,"
        "Associated Contact IDs\n"
        '900,Acme neu,Abgeschlossen und gewonnen,"12.000,00 €",2026-01-20 09:00,'
        "2026-03-01 10:00,501\n"
        '901,Beta,Angebot gesendet,"1.500,50 €",2026-02-01 09:00,2026-12-01 10:00,502;504\n'
    ),
}


def test_hubspot_in_german(read: Proposed) -> None:
    found = read(HUBSPOT_IN_GERMAN)
    assert (found.proposal.crm, found.proposal.tradition) == ("HubSpot", "hubspot")
    assert "file: hubspot-crm-exports-alle-kontakte-2026-03-01-*.csv" in found.proposal.text
    assert found.tried == {
        "leads": (4, 1.0, None, (4, 4)),
        "opportunities": (2, 1.0, 1.0, None),
    }
    assert found.set_aside == []
    assert set(found.buckets.items()) == {(it, "in marts") for it in ("501", "502", "503", "504")}
    assert found.all(CYCLES) == [
        ("501", "won", 12000, 12000),
        ("502", "open", Decimal("1500.50"), 0),
        ("503", "open", 0, 0),
        ("504", "open", 0, 0),
    ]
    assert found.all(
        "select lead_id, cast(marketing_qualified_at as varchar) from fct_lead_cycles "
        "where marketing_qualified_basis = 'explicit' order by 1"
    ) == [("501", "2026-01-06 10:00:00"), ("502", "2026-01-08 08:00:00")]
    assert found.all(
        "select lead_id, employee_count, owner_id from int_contract__leads order by 1"
    ) == [
        ("501", 1250, "Rob Reps"),
        ("502", 50, "Rob Reps"),
        ("503", None, None),
        ("504", 87, "Sue Sells"),
    ]


def test_hubspot_in_japanese(read: Proposed) -> None:
    japanese = {
        "contacts.csv": (
            "レコードID,Eメール,会社名,コンタクト担当者,ライフサイクルステージ,作成日,"
            "MQL(マーケティング上の有望な見込み客)になった日付\n"
            "1,a@a.example,アクメ,佐々木,顧客,2026-01-05 09:12,2026-01-06 10:00\n"
            "2,b@b.example,ベータ,山本,リード,2026-01-07 12:00,\n"
        ),
        "deals.csv": (
            "レコードID,取引ステージ,金額,作成日,クローズ日,Associated Contact IDs\n"
            "9,クローズ 成約,¥300000,2026-01-20 09:00,2026-03-01 10:00,1\n"
            "8,失注,¥100000,2026-01-20 09:00,2026-03-02 10:00,2\n"
        ),
    }
    found = read(japanese)
    assert (found.proposal.crm, found.set_aside) == ("HubSpot", [])
    assert found.all(CYCLES) == [("1", "won", 300000, 300000), ("2", "lost", 100000, 0)]
    assert found.tried["leads"] == (2, 1.0, None, (2, 2))
    assert found.all("select to_stage from raw.stage_changes") == [("mql",)]


SALESFORCE_REPORT_IN_FRENCH = (
    '"ID de piste";"Société/Compte";"Adresse e-mail";"Statut de la piste";'
    '"Propriétaire de la piste";"Converti";"Date de création";"Dernière modification"\n'
    '"00Q5g00000AbCdE";"Acmé";"a@a.example";"Qualifié";"Ada A";"0";"03/02/2026";"14/02/2026"\n'
    '"00Q5g00000ABcdE";"Bêta";"b@b.example";"En cours";"Bo B";"0";"05/02/2026";"06/02/2026"\n'
    '"00Q5g00000ABcdF";"Gamma";"c@c.example";"Non qualifié";"Bo B";"0";"07/02/2026";"08/02/2026"\n'
    "\n\n\n"
    '"Pistes du trimestre"\n'
    '"Copyright (c) 2000-2026 salesforce.com, inc."\n'
    '"Informations confidentielles - Ne pas diffuser"\n'
    '"Généré par :  Ada A  28/02/2026"\n'
    '"Société inventée"\n'
)


def test_salesforce_report_in_french_with_its_footer(read: Proposed) -> None:
    found = read({"report1772000000000.csv": SALESFORCE_REPORT_IN_FRENCH.encode("cp1252")})
    assert (found.proposal.crm, found.set_aside) == ("Salesforce", [])
    assert found.tried == {"leads": (3, 1.0, None, (3, 3))}
    assert found.all(
        "select lead_id, stage, cast(entered_at as date) from fct_lead_stages order by 3"
    ) == [
        ("00Q5g00000AbCdEEAV", "sql", dt.date(2026, 2, 3)),
        ("00Q5g00000ABcdEEAT", "sal", dt.date(2026, 2, 5)),
        ("00Q5g00000ABcdFEAT", "disqualified", dt.date(2026, 2, 7)),
    ]


def test_zoho_modules(read: Proposed) -> None:
    header = (
        "Record Id,Contact Owner.id,Contact Owner,First Name,Last Name,Account Name,Email,"
        "Lead Source,Created Time\n"
    )
    found = read(
        {
            "Contacts_001.csv": header
            + "zcrm_1,zcrm_u1,Rob,Ada,Ek,Acme,a@a.example,Trade Show,25/01/2026 09:12 AM\n",
            "Contacts_002.csv": header
            + "zcrm_2,zcrm_u1,Rob,Bo,Li,Beta,b@b.example,Web,06/02/2026 01:12 PM\n",
            "Accounts_001.csv": "Record Id,Account Owner.id,Account Name,Created Time\n"
            "zcrm_a1,zcrm_u1,Acme,25/01/2026 09:12 AM\n",
            "Deals_001.csv": "Record Id,Deal Owner.id,Deal Owner,Deal Name,Amount,Closing Date,"
            "Stage,Contact Name.id,Created Time,Reason For Loss\n"
            "zcrm_d1,zcrm_u1,Rob,Acme,12000,2026-03-01,Closed Won,zcrm_1,27/01/2026 09:00 AM,\n"
            "zcrm_d2,zcrm_u1,Rob,Beta,500,2026-12-01,Closed Lost,zcrm_2,07/02/2026 09:00 AM,"
            "Price\n",
            "Calls_001.csv": "Record Id,Call Owner.id,Call Owner,Subject,Call Type,Call Start Time,"
            "Contact Name.id\n"
            "zcrm_c1,zcrm_u1,Rob,Intro,Outbound,26/01/2026 10:00 AM,zcrm_1\n"
            "zcrm_c2,zcrm_u1,Rob,Back,Inbound,26/01/2026 11:00 AM,zcrm_1\n",
        },
    )
    assert (found.proposal.crm, found.set_aside) == ("Zoho", [])
    assert found.proposal.unread == ["Accounts_001.csv"]
    assert {name: it[0] for name, it in found.tried.items()} == {
        "leads": 2,
        "opportunities": 2,
        "activities": 2,
    }
    assert found.all(CYCLES) == [("zcrm_1", "won", 12000, 12000), ("zcrm_2", "open", 500, 0)]
    assert found.all("select kind, direction, rep_id from raw.activities order by direction") == [
        ("call", "Inbound", "zcrm_u1"),
        ("call", "Outbound", "zcrm_u1"),
    ]


def test_pipedrive_people_are_found_by_name(read: Proposed) -> None:
    found = read(
        {
            "people-77-1.csv": (
                "Person - ID;Person - Name;Person - Email - Work;Person - Owner;"
                "Person - Person created\n"
                "1;Ada Ek;a@a.example;Rob Reps;2026-01-20 10:00:00\n"
                "2;Bo Li;b@b.example;Sue Sells;2026-01-21 10:00:00\n"
            ),
            "deals-77-2.csv": (
                "Deal - ID;Deal - Title;Deal - Value;Deal - Currency;Deal - Contact person;"
                "Deal - Stage;Deal - Status;Deal - Deal created;Deal - Won time;"
                "Deal - Deal closed on;"
                "Deal - Lost reason\n"
                "10;Acme;12.000,50;EUR;Ada Ek;Negotiations;Won;2026-01-25 10:00:00;"
                "2026-03-01 10:00:00;2026-03-01 10:00:00;\n"
                "11;Beta;500;EUR;Bo Li;Qualified;Lost;2026-02-03 09:30:00;;"
                "2026-02-05 08:00:00;Price\n"
                "12;Beta 2;700;EUR;Bo Li;Qualified;Deleted;2026-02-03 09:30:00;;;\n"
            ),
            "activities-77-3.csv": (
                "Activity - ID;Activity - Subject;Activity - Type;Activity - Contact person;"
                "Activity - Assigned to user;Activity - Marked as done time\n"
                "21;Intro;Call;Ada Ek;Rob Reps;2026-01-24 11:00:00\n"
                "22;Later;Call;Bo Li;Rob Reps;\n"
            ),
        }
    )
    assert (found.proposal.crm, found.set_aside) == ("Pipedrive", [])
    assert found.all(CYCLES) == [
        ("1", "won", Decimal("12000.50"), Decimal("12000.50")),
        ("2", "lost", 500, 0),
    ]
    # What is not done yet has no time: it is not read.
    assert found.all("select lead_id, kind from raw.activities") == [("1", "Call")]


# Events

PEOPLE = "lead_id,created_at,email\nA,2026-01-01,a@x.example\nB,2026-01-02,b@x.example\n"
HISTORY = (
    "lead_id,changed_at,from_stage,to_stage\n"
    "A,2026-01-05 09:00:00,Lead,MQL\nB,2026-01-05 09:00:00,Lead,MQL\n"
)
TOUCHES = (
    "select lead_id, cast(first_touch_at as varchar), sla_status from fct_lead_cycles order by 1"
)


def test_opens_and_bounces_are_engagements(read: Proposed) -> None:
    found = read(
        {
            "leads.csv": PEOPLE,
            "stage_history.csv": HISTORY,
            "lead_activities.csv": (
                "activity_id,lead_id,activity_type,activity_date\n"
                "1,A,Email Bounce,2026-01-05 10:00:00\n2,B,Email Open,2026-01-05 11:00:00\n"
            ),
        },
    )
    assert found.set_aside == []
    assert [it[1] for it in found.all(TOUCHES)] == [None, None]
    assert found.all("select lead_id, kind from raw.engagements order by 1") == [
        ("A", "email_bounced"),
        ("B", "email_opened"),
    ]


def test_one_file_of_what_reps_and_leads_did_is_read_for_both(read: Proposed) -> None:
    found = read(
        {
            "leads.csv": PEOPLE,
            "stage_history.csv": HISTORY,
            "kontaktpunkte.csv": (
                "Nr;Kontakt;Art;Zeitpunkt;Zuständig\n"
                "1;A;E-Mail geöffnet;05.01.2026 09:30;\n"
                "2;A;Anruf;05.01.2026 10:00;R1\n"
                "3;B;Formular ausgefüllt;05.01.2026 09:15;\n"
                "4;B;E-Mail erhalten (eingehende Mail);05.01.2026 09:20;R1\n"
                "5;B;Besprechung;05.01.2026 15:00;R1\n"
                "6;B;Seitenaufruf;13.01.2026 15:00;\n"
            ),
        }
    )
    assert found.set_aside == []
    assert found.all("select lead_id, kind from raw.engagements order by occurred_at") == [
        ("B", "form_submitted"),
        ("A", "email_opened"),
        ("B", "page_view"),
    ]
    assert [(lead, touch) for lead, touch, _ in found.all(TOUCHES)] == [
        ("A", "2026-01-05 10:00:00"),
        ("B", "2026-01-05 15:00:00"),
    ]


def test_files_of_one_kind_each_are_one_table(read: Proposed) -> None:
    found = read(
        {
            "contacts.csv": PEOPLE.replace("lead_id", "Contact ID"),
            "stage_history.csv": HISTORY.replace("lead_id", "Contact ID"),
            "calls.csv": (
                "Call ID,Contact ID,Call Start Time,Call Direction,Call Owner\n"
                "c1,A,2026-01-05 12:00,Outgoing,R1\nc2,B,2026-01-05 10:00,Incoming,R1\n"
            ),
            "meetings.csv": (
                "Meeting ID,Contact ID,Meeting Start Time,Host\nm1,B,2026-01-06 10:00,R2\n"
            ),
            "email bounces.csv": "Contact ID,Bounced At\nA,2026-01-05 09:30\n",
            "form submissions.csv": (
                "Contact ID,Submitted At,Form Name\nB,2026-01-04 09:30,Demo Request\n"
            ),
        }
    )
    assert found.set_aside == []
    assert found.proposal.unread == []
    assert found.all("select lead_id, kind from raw.activities order by occurred_at") == [
        ("B", "call"),
        ("A", "call"),
        ("B", "meeting"),
    ]
    assert found.all("select lead_id, kind from raw.engagements order by occurred_at") == [
        ("B", "demo_request"),
        ("A", "email_bounced"),
    ]
    assert [(lead, touch) for lead, touch, _ in found.all(TOUCHES)] == [
        ("A", "2026-01-05 12:00:00"),
        ("B", "2026-01-06 10:00:00"),
    ]


def test_rows_without_a_kind_are_read_from_several_files_as_from_one(read: Proposed) -> None:
    found = read(
        {
            "leads.csv": PEOPLE,
            "stage_history.csv": HISTORY,
            "activities.csv": (
                "activity_id,lead_id,event_type,occurred_at\n1,A,Call,2026-01-05 10:00\n"
                "2,A,,2026-01-05 11:00\n3,B,Email Opened,2026-01-05 12:00\n"
            ),
            "meetings.csv": "Meeting ID,Lead ID,Meeting Start Time\nm1,B,2026-01-06 10:00\n",
        },
    )
    assert "sql: |" in found.proposal.text
    assert found.all("select lead_id, kind from raw.activities order by occurred_at") == [
        ("A", "Call"),
        ("A", None),
        ("B", "meeting"),
    ]


def test_sent_by_nobody_beside_opens_is_no_touch(read: Proposed) -> None:
    found = read(
        {
            "leads.csv": PEOPLE,
            "stage_history.csv": HISTORY,
            "mail log.csv": (
                "lead_id,event,time\nA,Email Sent,2026-01-05 10:00\n"
                "A,Email Opened,2026-01-05 10:05\n"
                "B,Email Sent,2026-01-05 10:00\nB,Email Clicked,2026-01-05 10:05\n"
            ),
        }
    )
    assert [it[1] for it in found.all(TOUCHES)] == [None, None]
    assert {it[0] for it in found.all("select kind from raw.activities")} == {"automated_email"}


# What a text stands for: nobody was called, met or interested where the last line has it.
MEANT = {
    "email_opened": "Email Open|Opened Email|EmailOpened|EMAIL_OPEN|E-Mail geöffnet|opens|開封",
    "email_clicked": "Email Click|Clicked link in email|E-Mail geklickt|clicks",
    "email_bounced": "Email Bounce|Hard bounced: delivery failed",
    "unsubscribed": "Unsubscribed email|Opt-out",
    "email_delivered": "Email Delivered",
    "demo_request": "Demo Request|Requested a demo|Demo-Anfrage|Demoanfrage",
    "trial_signup": "Trial signup|Started free trial|Trial",
    "webinar_attended": "Webinar|Webinar attended",
    "document_downloaded": "Whitepaper Download|Downloaded e-book|Ebook|heruntergeladen",
    "form_submitted": "Form Submission|Submitted form|Web form|Formular ausgefüllt|FormSubmitted",
    "page_view": "Page view|Visited website|Website visit|Seitenaufruf",
    "pricing_page_view": "Pricing page visit|Viewed pricing",
    "event_scanned": "Badge scan|Messe|Trade show",
    "call": "Call|Calls|PhoneCall|Cold call|Outbound Call|Trial call|Anruf|Telefonat|Rückruf|電話",
    "meeting": "Meeting|Demo|Demo performed|Termin|Kundentermin|Besprechung|ミーティング",
    "email": "Email|E-Mail|Emailed|Mail sent|Correo",
    "automated_email": "Automated email|Marketing email|List Email",
    "message": "WhatsApp|Live chat|Facebook Messenger",
    "linkedin": "LinkedIn|LinkedIn InMail|InMail",
    "sms": "SMS|Text message",
    "note": "Note",
    "task": "Task|To-do",
    "": (
        "Contract terminated|Determined|Voicemail|Left voicemail|Email delivery failed|Call failed|"
        "Industrial fair|Open|Opened|Closed|Click|Ad click|Pricing discussed|Trial expired|"
        "Proposal submitted|Keynote delivered|Customer complaint|Scandinavia|Technically done|"
        "Webinar invitation|Site visit|Subscriber|Renoted|Multitasking|Democracy|Adopt outreach|"
        "Meeting cancelled|Email address changed|Undelivered|Recalled|Performed"
    ),
}


@pytest.mark.parametrize("kind", MEANT)
def test_words_of_events_mean_what_they_say(kind: str) -> None:
    vocabulary = read_vocabulary(POLICY_DIR)
    found = {text: event_meaning(text, vocabulary) for text in MEANT[kind].split("|")}
    assert {text: it.kind if it else "" for text, it in found.items()} == dict.fromkeys(found, kind)


def test_what_is_opened_is_a_mail_only_beside_mails() -> None:
    vocabulary = read_vocabulary(POLICY_DIR)
    opened = EventMeaning("engagements", "email_opened")
    assert event_meaning("Open", vocabulary, "mail log") == opened
    assert event_meaning("Open", vocabulary, "voicemail log") is None


@pytest.mark.parametrize("name", ["tickets.csv", "helpdesk export.csv", "rows.csv"])
def test_tickets_are_no_events(read: Proposed, name: str) -> None:
    tickets = (
        "Ticket,Requester,Status,Opened,Source\n1,a@x.example,Open,2026-01-05 10:00,Portal\n"
        "2,b@x.example,Closed,2026-01-05 10:00,Portal\n"
    )
    if name != "rows.csv":
        tickets = tickets.replace("Portal", "Email")
    found = read({"leads.csv": PEOPLE, name: tickets})
    assert found.proposal.tables.keys() == {"leads"}
    assert found.proposal.unread == [name]


def test_opens_among_bounces_and_voicemails(read: Proposed) -> None:
    found = read(
        {
            "leads.csv": PEOPLE,
            "stage_history.csv": HISTORY,
            "events.csv": (
                "lead_id,event,time\nA,open,2026-01-05 10:00\nA,click,2026-01-05 10:05\n"
                "B,bounce,2026-01-05 10:00\n"
            ),
            "activities.csv": (
                "activity_id,lead_id,rep_id,kind,occurred_at\n1,A,R,Voicemail,2026-01-05 10:00\n"
                "2,B,R,Call,2026-01-06 10:00\n"
            ),
        }
    )
    assert found.all("select kind from raw.engagements order by 1") == [
        ("email_bounced",),
        ("email_clicked",),
        ("email_opened",),
    ]
    assert [it[1] for it in found.all(TOUCHES)] == [None, "2026-01-06 10:00:00"]
    assert "activities.kind: not known: Voicemail" in found.notes


# The macros that are asked before a run


def test_macros_read_here_as_in_the_models_that_dbt_compiles() -> None:
    sql = macros()
    won, lost = sql.deal_words("won"), sql.deal_words("lost")
    rendered = {
        "int_contract__opportunities": {
            "written_date": sql.written_date("delivered.closed_at"),
            "day_order_shown": sql.day_order_shown("closed_at_written"),
            "iso_text": sql.iso_text(
                "closed_at_written", "coalesce(closed_at_format, 'undecided')"
            ),
            "iso_moment": sql.iso_moment("closed_at_iso"),
            "bare_number": sql.bare_number("delivered.amount", True),
            "decimal_mark_shown": sql.decimal_mark_shown("amount_bare"),
            "plain_number": sql.plain_number(
                "amount_bare", "amount_mark", "coalesce(amount_format, 'dot')"
            ),
            "parse_boolean": sql.parse_boolean("is_won", won, lost),
            "deal_words": ", ".join(f"'{word}'" for word in won),
        },
        "int_contract__leads": {
            "bare_number": sql.bare_number("delivered.employee_count", False),
            "read_id": sql.read_id("lead_id"),
        },
        "int_contract__merge_lists": {"listed_values": sql.listed_values("merged_ids")},
        "stg_files__leads": {"record_id": sql.record_id("lead_id")},
    }
    for model, found in rendered.items():
        compiled = " ".join(project().models[model].query.split())
        for name, text in found.items():
            assert " ".join(text.split()) in compiled, name
    package = Path(project_macros.__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    used = {name for text in sources for name in re.findall(r"macros\(\)\.(\w+)", text)}
    # These give a list, which no model holds as it is.
    lists = {"currency_signs", "shared_signs"}
    assert used - lists == {name for found in rendered.values() for name in found}


# Parts of a table, and exports of it again


@pytest.mark.parametrize(
    ("former", "newest"),
    [
        ("contacts.csv", "contacts (1).csv"),
        ("contacts (9).csv", "contacts (10).csv"),
        ("leads_2026-01.csv", "leads_2026-02.csv"),
        ("all-contacts-2026-01-31.csv", "all-contacts-2026-02-01.csv"),
        ("Kontakte 31.12.2025.csv", "Kontakte 01.02.2026.csv"),
    ],
)
@pytest.mark.parametrize("header", ["lead_id,created_at,email,updated_at", "Name,Since,X,Y"])
def test_of_an_export_made_again_the_newest_is_read(
    read: Proposed, former: str, newest: str, header: str
) -> None:
    first = f"{header}\nA,2026-01-01,a@x.example,2026-01-09\nB,2026-01-02,b@x.example,2026-01-09\n"
    again = first.replace("-09", "-31")
    found = read({former: first, newest: f"{again}C,2026-01-03,c@x.example,2026-01-31\n"})
    assert found.tried["leads"][:2] == (3, 1.0)
    leads = "raw.leads join raw.files using (file_id)"
    assert found.all(f"select distinct source_file from {leads}") == [(newest,)]
    assert (
        f"{former}: left out, as it and {newest}, the newer one by its name, have most records in "
        "common"
    ) in found.notes
    assert len(found.buckets) == 3


@pytest.mark.parametrize(
    ("header", "row"),
    [
        # Mails to the same leads, month by month; rows that each part numbers from 1.
        ("Lead ID,Type,Time", "{lead},Email,2026-{month}-05 10:00"),
        ("No,Lead ID,Type,Time", "{at},{lead},Email,2026-{month}-05 10:00"),
        ("Activity ID,Lead ID,Type,Time", "{month}{at},{lead},Email,2026-02-05 10:00"),
    ],
)
def test_parts_with_events_of_the_same_leads_are_joined(
    read: Proposed, header: str, row: str
) -> None:
    parts = {
        f"activities_2026-{month}.csv": "\n".join(
            [header, *(row.format(lead=lead, at=at, month=month) for at, lead in enumerate("AB"))]
        )
        for month in ("01", "02", "03")
    }
    found = read({"leads.csv": PEOPLE, **parts})
    assert found.tried["activities"][0] == 6
    assert "left out" not in found.notes


# Change logs, exits and their reasons


@pytest.mark.parametrize(
    "log",
    [
        "Lead,Old Value,New Value,Date\nA,Lead,MQL,05/01/2026\nA,MQL,SQL,13/01/2026\n",
        "wer;alt;neu;wann\nA;Lead;MQL;05.01.2026\nA;MQL;SQL;13.01.2026\n",
        "id,person,when,before,after\n1,A,2026-01-05,Lead,MQL\n2,A,2026-01-13,MQL,SQL\n",
    ],
)
def test_a_change_log_is_a_history(read: Proposed, log: str) -> None:
    found = read({"leads.csv": PEOPLE, "log.csv": log})
    assert found.set_aside == []
    assert found.all(
        "select stage, cast(entered_at as date) from fct_lead_stages where lead_id = 'A' order by 2"
    ) == [
        ("lead", dt.date(2026, 1, 1)),
        ("mql", dt.date(2026, 1, 5)),
        ("sql", dt.date(2026, 1, 13)),
    ]
    assert found.tried["stage_changes"] == (2, 1.0, 1.0, (2, 2))


STAGES = (
    "select lead_id, string_agg(stage, ' ' order by visit_number) from fct_lead_stages "
    "group by 1 order by 1"
)
REASONS = (
    "select lead_id, stage, reason_code, cast(entered_at as date) from fct_lead_stages "
    "where exit_kind is not null order by 1"
)


def test_a_status_with_a_reason_is_an_exit(read: Proposed) -> None:
    found = read(
        {
            "leads.csv": (
                "Lead ID,Created Date,Status,Reason for disqualification,Disqualified Date\n"
                "A,2026-01-01,Disqualified,No budget,2026-02-03\nB,2026-01-02,MQL,,\n"
                "C,2026-01-02,Rejected,Bad fit,2026-02-04\n"
            )
        }
    )
    assert found.set_aside == []
    assert found.all(REASONS) == [
        ("A", "disqualified", "no_budget", dt.date(2026, 2, 3)),
        ("C", "rejected", "not_icp", dt.date(2026, 2, 4)),
    ]
    assert "Disqualified Date" not in found.notes
    assert found.all("select distinct from_stage from raw.stage_changes") == [("lead",)]


@pytest.mark.parametrize("empty", ["", "Other"])
def test_a_status_is_an_exit_without_a_reason_and_after_the_current_stage(
    read: Proposed, empty: str
) -> None:
    found = read(
        {
            "contacts.csv": (
                "Record ID,Create Date,Lifecycle Stage,Lead Status,Last Modified Date\n"
                "A,2026-01-01 09:00,Sales Qualified Lead,Unqualified,2026-02-01 10:00\n"
                "B,2026-01-02 09:00,Sales Qualified Lead,New,2026-02-01 10:00\n"
                f"C,2026-01-03 09:00,{empty},Unqualified,2026-02-01 10:00\n"
                "D,2026-01-04 09:00,Customer,Unqualified,2026-02-01 10:00\n"
            )
        }
    )
    assert found.set_aside == []
    assert found.all(STAGES) == [
        ("A", "sql disqualified"),
        ("B", "sql"),
        ("C", "lead disqualified"),
        ("D", "customer disqualified"),
    ]
    assert [it[1] for it in found.all(CYCLES)] == ["rejected", "open", "screened_out", "won"]
    assert "stands for the date of the exit" in found.notes


def test_what_exits_start_from_is_policy(tmp_path: Path) -> None:
    stages = (POLICY_DIR / "stages.csv").read_text().replace(",lead,Lead,", ",prospect,Prospect,")
    policy = tmp_path / "policy"
    shutil.copytree(POLICY_DIR, policy)
    (policy / "stages.csv").write_text(stages)
    export = tmp_path / "export"
    export.mkdir()
    (export / "leads.csv").write_text(
        "Lead ID,Created Date,Status,Lost Reason,Disqualified Date\n"
        "A,2026-01-01,Disqualified,No budget,2026-02-03\n"
    )
    proposal = propose(export, tmp_path / "handoff.yml", policy)
    (exits,) = proposal.tables["stage_changes"]
    assert exits.constants == {"from_stage": "prospect"}


def test_a_history_takes_the_reasons_of_its_leads(read: Proposed) -> None:
    found = read(
        {
            "leads.csv": (
                "Lead ID,Created Date,Status,Lost Reason\nA,2026-01-01,Disqualified,No budget\n"
                "B,2026-01-02,MQL,\n"
            ),
            "history.csv": (
                "Lead ID,From Stage,To Stage,Changed At\nA,Lead,MQL,2026-01-05\n"
                "A,MQL,Disqualified,2026-02-03\nB,Lead,MQL,2026-01-05\n"
            ),
        }
    )
    assert found.set_aside == []
    assert found.all(REASONS) == [("A", "disqualified", "no_budget", dt.date(2026, 2, 3))]
    assert found.all("select count(*) from raw.stage_changes where reason is not null") == [(1,)]


# Deleted, owners, links


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("Is Deleted", ("no", "yes")),
        ("Gelöscht", ("FALSCH", "WAHR")),
        ("Deleted At", ("", "2026-02-01 10:00")),
        ("Archived", ("", "02/28/2026")),
    ],
)
def test_deleted_leads_are_told_by_a_flag_or_a_date(
    read: Proposed, header: str, cells: tuple[str, str]
) -> None:
    rows = "".join(f"{lead},2026-01-01,{cell}\n" for lead, cell in zip("AB", cells, strict=True))
    found = read({"leads.csv": f"lead_id,created_at,{header}\n{rows}"})
    assert found.buckets == {"A": "in marts", "B": "deleted"}


def test_owners_by_name_are_looked_up_among_the_users(read: Proposed) -> None:
    found = read(
        {
            "contacts.csv": (
                "Record ID,Create Date,Contact owner\n1,2026-01-01,Ada A\n2,2026-01-02,Bo B\n"
            ),
            "users.csv": "User ID,Name,Email\n005A,Ada A,a@us.example\n005B,Bo B,b@us.example\n",
        },
    )
    assert found.all("select lead_id, owner_id from int_contract__leads order by 1") == [
        ("1", "005A"),
        ("2", "005B"),
    ]


def test_deals_and_calls_of_converted_leads_are_theirs(read: Proposed) -> None:
    found = read(
        {
            "Lead.csv": (
                "Id,IsDeleted,Status,OwnerId,IsConverted,ConvertedDate,ConvertedContactId,"
                "ConvertedOpportunityId,CreatedDate,LastModifiedDate\n"
                "00Q1,false,Qualified,0051,true,2026-02-14,0031,0061,2026-02-03T09:15:00.000Z,"
                "2026-02-14T10:00:00.000Z\n"
                "00Q2,false,Working,0051,false,,,,2026-02-04T09:15:00.000Z,2026-02-08T10:00:00.000Z\n"
            ),
            "Opportunity.csv": (
                "Id,Name,StageName,Amount,CloseDate,IsClosed,IsWon,CreatedDate,OwnerId\n"
                "0061,Acme,Closed Won,100.0,2026-03-01,true,true,2026-02-14T10:00:00.000Z,0051\n"
            ),
            "Task.csv": (
                "Id,WhoId,OwnerId,TaskSubtype,Status,CompletedDateTime,CreatedDate\n"
                "00T1,00Q2,0051,Call,Completed,2026-02-06T10:04:00.000Z,2026-02-06T10:00:00.000Z\n"
                "00T2,0031,0051,Call,Completed,2026-02-16T10:04:00.000Z,2026-02-16T10:00:00.000Z\n"
            ),
        }
    )
    assert found.set_aside == []
    assert found.all(CYCLES)[0] == ("00Q1", "won", 100, 100)
    assert found.all("select lead_id from raw.activities order by activity_id") == [
        ("00Q2",),
        ("00Q1",),
    ]


# What is not needed, and what is missing


def test_a_short_row_matters_only_where_its_file_is_needed(read: Proposed) -> None:
    found = read(
        {
            "leads.csv": "id,created,email\na,2026-01-01,x@a.example\nb,2026-01-02\n",
            "other.csv": "id,name\n1,a\n2\n",
        },
    )
    assert found.buckets == {"a": "in marts", "b": "quarantined"}
    assert "leads.csv: row 3: the row has 2 fields, the header has 3" in found.notes
    assert "other.csv" not in found.notes
    assert found.proposal.unread == ["other.csv"]


def test_parts_in_archives_and_sheets_of_workbooks_are_read(read: Proposed) -> None:
    header = "Record ID,Create Date,Lifecycle Stage\n"
    part = header + "{},2026-02-03 09:15,Lead\n{},2026-02-04 09:15,Lead\n"
    parts = {"contacts-1_csv": part.format(1, 2), "contacts-2_csv": part.format(3, 4)}
    book, out = Workbook(), BytesIO()
    book.active.append(["nothing", "to see"])
    for title, rows in {
        "Calls": [["Contact ID", "Date"], [1, dt.datetime(2026, 2, 5, 9)]],
        "Deals": [
            ["Deal ID", "Contact", "Created", "Stage"],
            [9, 2, dt.datetime(2026, 2, 6), "Won"],
        ],
    }.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(out)
    files = {"export.zip": as_archive(**parts), "rest of it.xlsx": out.getvalue()}
    found = read(files)
    assert found.set_aside == []
    assert "file: export.zip/contacts-*.csv" in found.proposal.text
    assert len(found.buckets) == 4
    assert found.all("select lead_id, kind from raw.activities") == [("1", "call")]
    assert found.all("select lead_id, is_won from raw.opportunities") == [("2", "true")]
    assert found.proposal.unread == ["rest of it.xlsx"]


@pytest.mark.parametrize("kind", ["typed", "untyped"])
def test_owner_history_is_read_by_ids_only(read: Proposed, kind: str) -> None:
    kinds = {"typed": ("DataType,", "EntityId,", "Text,"), "untyped": ("", "", "")}[kind]
    found = read(
        {
            "Lead.csv": (
                "Id,IsDeleted,Status,OwnerId,IsConverted,CreatedDate\n"
                "00Q1,false,Working,005A,false,2026-02-03T09:15:00.000Z\n"
            ),
            "Contact.csv": (
                "Id,LastName,Email,CreatedDate\n0031,Ek,a@a.example,2026-02-03T09:15:00Z\n"
            ),
            "LeadHistory.csv": (
                f"Id,LeadId,CreatedDate,Field,{kinds[0]}OldValue,NewValue\n"
                f"017b,00Q1,2026-02-06T09:15:00.000Z,Owner,{kinds[2]}Bo B,Ada A\n"
                f"017c,00Q1,2026-02-06T09:15:00.000Z,Owner,{kinds[1]}005B,005A\n"
                f"017d,00Q1,2026-02-05T09:15:00.000Z,Status,{kinds[2]}New,Working\n"
            ),
        }
    )
    assert found.set_aside == []
    assert found.all(
        "select stage, owner_id from fct_lead_stages where stage <> 'lead' order by entered_at"
    ) == [("sal", "005B")]
    assert {it[0] for it in found.all("select owner_id from raw.owner_changes")} == {"005A"}
    assert "Contact.csv: looks like leads, too; Lead.csv is read" in found.notes


def test_names_of_any_signs_come_back_from_a_query(read: Proposed) -> None:
    odd = '"Call ""start""\n\ttime: #1"'
    found = read(
        {
            "leads.csv": PEOPLE,
            'it\'s "all" calls.csv': f"lead_id,{odd}\nA,2026-01-05 12:00\n",
            "meetings [2].csv": f"lead_id,{odd}\nB,2026-01-06 12:00\n",
        },
    )
    assert "sql" in found.proposal.text
    assert found.all("select lead_id, kind, occurred_at from raw.activities order by 1") == [
        ("A", "call", "2026-01-05 12:00"),
        ("B", "meeting", "2026-01-06 12:00"),
    ]


def test_leads_are_found_by_address_where_ids_only_look_alike(read: Proposed) -> None:
    people = "id,created_at,email\n" + "".join(f"{n},2026-01-0{n},p{n}@x.example\n" for n in "123")
    events = "message_id,recipient,event_time,event\n" + "".join(
        f"{n},p{4 - n}@x.example,2026-02-0{n},clicked\n" for n in (1, 2, 3)
    )
    found = read({"people.csv": people, "mail_events.csv": events})
    assert found.all("select lead_id, occurred_at from raw.engagements order by 1") == [
        ("1", "2026-02-03"),
        ("2", "2026-02-02"),
        ("3", "2026-02-01"),
    ]


def test_salesforce_reports_without_ids(read: Proposed) -> None:
    found = read(
        {
            "Leads report.csv": (
                "First Name,Last Name,Company / Account,Email,Lead Status,Lead Owner,Create Date\n"
                "Ada,Ek,Acme,a@a.example,Qualified,Rob,1/5/2026\n"
                "Bo,Li,Beta,b@b.example,Working,Rob,1/15/2026\n"
            ),
            "Opportunities report.csv": (
                "Opportunity Name,Amount,Close Date,Stage,Created Date,Opportunity Owner,"
                "Account Name\n"
                '"Acme, new","$1,200.00",3/1/2026,Closed Won,1/20/2026,Rob,Acme\n'
            ),
        }
    )
    assert found.set_aside == []
    assert found.all(CYCLES) == [("a@a.example", "won", 1200, 1200), ("b@b.example", "open", 0, 0)]


def test_zoho_analytics_tables(read: Proposed) -> None:
    found = read(
        {
            "Leads.csv": (
                "Id,Lead Owner Name,Lead Owner,Company,Email,Lead Source,Lead Status,Created Time\n"
                '1001,Rob R,2001,Acme,a@a.example,Web,New,"25 Jan, 2026 09:12:00"\n'
                '1002,Rob R,2001,Beta,b@a.example,Web,Junk Lead,"06 Feb, 2026 09:12:00"\n'
            ),
            "Potentials.csv": (
                "Id,Potential Name,Potential Owner,Amount,Closing Date,Stage,Lead Id,Created Time\n"
                '3001,Acme,2001,"$ 12,000.00","01 Mar, 2026",Closed Won,1001,'
                '"27 Jan, 2026 09:00:00"\n'
            ),
            "Users.csv": "Id,Full Name,Email,Role,Status\n2001,Rob R,r@us.example,Sales,Active\n",
            "Lead Status History.csv": (
                "Id,Lead Name,Moved To,Modified Time,Modified By\n"
                '1,1001,MQL,"25 Jan, 2026 10:12:00",2001\n'
            ),
        }
    )
    assert (found.proposal.crm, found.set_aside) == ("Zoho", [])
    assert found.all(CYCLES) == [("1001", "won", 12000, 12000), ("1002", "screened_out", 0, 0)]
    assert found.tried["stage_changes"] == (1, 1.0, 1.0, (1, 1))
    assert found.tried["reps"][0] == 1


# Odd values among truth values, closing dates, currencies

DEALS = "select opportunity_id, status from int_opportunities order by 1"


def deals_export(headers: str, *cells: str) -> dict[str, str]:
    """Leads and a deal of each, with these cells at its end."""
    people = "".join(f"L{at},2026-01-{at:02d}\n" for at in range(1, len(cells) + 1))
    deals = "".join(f"D{at},L{at},2026-02-01,100,{it}\n" for at, it in enumerate(cells, start=1))
    return {
        "leads.csv": f"Lead ID,Created Date\n{people}",
        "deals.csv": f"Deal ID,Lead ID,Create Date,Amount,{headers}\n{deals}",
    }


@pytest.mark.parametrize(
    ("header", "won", "lost", "odd"),
    [
        ("Won", "oui", "non", "peut-être"),
        ("Is Won", "1", "0", "?"),
        ("IsWon", "y", "n", "u"),
        ("Outcome", "Sí", "No", "quizás"),
        ("Result", "はい", "いいえ", "未定"),
    ],
)
def test_an_odd_value_leaves_the_won_deals_won(
    read: Proposed, header: str, won: str, lost: str, odd: str
) -> None:
    cells = [f"{it},2026-03-01" for it in (*(won, lost) * 4, odd, won)]
    found = read(deals_export(f"{header},Close Date", *cells))
    statuses = dict(found.all(DEALS))
    assert [statuses.get(f"D{at}") for at in (1, 2, 3, 4, 9)] == ["won", "lost"] * 2 + [None]
    assert [it[:2] for it in found.set_aside] == [("opportunities", "is_won")]
    assert f"{header} has values that are neither yes nor no: {odd} (1)" in found.notes


def test_a_word_of_deals_among_truth_values_is_read(read: Proposed) -> None:
    cells = [f"{it},2026-03-01" for it in ("ja", "nein", "Leider verloren", "Gewonnen", "ja")]
    found = read(deals_export("Won,Close Date", *cells))
    assert found.set_aside == []
    assert [it[1] for it in found.all(DEALS)] == ["won", "lost", "lost", "won", "won"]


def test_yes_among_stages_of_deals_is_read_and_told(read: Proposed) -> None:
    cells = [f"{it},2026-03-01" for it in ("Closed Won", "Demo", "yes", "Closed Lost", "Demo")]
    found = read(deals_export("Stage,Close Date", *cells))
    assert found.set_aside == []
    assert [it[1] for it in found.all(DEALS)] == ["won", "open", "won", "lost", "open"]
    assert "yes in Stage is read as won or lost" in found.notes


def test_numbers_of_stages_are_no_truth_values(read: Proposed) -> None:
    cells = [f"{it},2026-03-01" for it in (1, 2, 1, 3, 1)]
    found = read(deals_export("Stage,Close Date", *cells))
    assert found.all("select distinct is_won from raw.opportunities") == [(None,)]
    assert "no value of Stage reads as won or lost: 1, 2, 3" in found.notes


@pytest.mark.parametrize("headers", ["Won,Closed", "IsWon,Closed,Is Closed", "Won,Closed,Closed?"])
def test_a_closing_date_is_no_flag_of_closed_deals(read: Proposed, headers: str) -> None:
    cells = [f"{it},2026-03-0{at}" for at, it in enumerate(("true", "false", "true"), start=1)]
    found = read(deals_export(headers, *(f"{it}," for it in cells)))
    assert "only_when" not in found.proposal.text
    assert [it[1] for it in found.all(DEALS)] == ["won", "lost", "won"]


def test_closing_dates_that_no_flag_lets_count_are_told(read: Proposed) -> None:
    cells = [f"no,2026-12-0{at},{it}" for at, it in enumerate(("nej", "nej", "måske"), start=1)]
    found = read(deals_export("Won,Close Date,Is Closed", *cells))
    assert [it[1] for it in found.all(DEALS)] == ["open"] * 3
    assert "only_when fits no row that has a Close Date: nowhere Is Closed is true" in found.notes
    assert "opportunities.closed_at: not read beside måske in Is Closed" in found.notes


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("Archived", ("no", "yes", "no", "no", "ask Rob")),
        ("Supprimé", ("faux", "vrai", "faux", "faux", "à voir")),
        ("Is Removed", ("0", "1", "0", "0", "#REF!")),
    ],
)
def test_an_odd_flag_leaves_deleted_leads_deleted(
    read: Proposed, header: str, cells: tuple[str, ...]
) -> None:
    rows = "".join(f"{lead},2026-01-01,{it}\n" for lead, it in zip("ABCDE", cells, strict=True))
    found = read({"leads.csv": f"lead_id,created_at,{header}\n{rows}"})
    assert (found.buckets["A"], found.buckets["B"]) == ("in marts", "deleted")
    assert ("leads", "is_deleted") in [it[:2] for it in found.set_aside]
    assert f"{header} has values that are neither yes nor no: {cells[-1]} (1)" in found.notes


@pytest.mark.parametrize(
    "header",
    [
        "Devise",
        "Moneda",
        "Divisa",
        "通貨",
        "Betrag Währung",
        "Deal-Währung",
        "Opportunity Currency",
        "Amount Currency",
        "Deal currency",
        "Valuta",
        "Waehrg.",
    ],
)
def test_amounts_of_several_currencies_are_not_added(read: Proposed, header: str) -> None:
    cells = [f"{it},true,2026-03-01" for it in ("CHF", "PLN", "CHF", "CHF")]
    found = read(deals_export(f"{header},Won,Close Date", *cells))
    assert found.all("select distinct currency from raw.opportunities order by 1") == [
        ("CHF",),
        ("PLN",),
    ]
    assert [it[3] for it in found.all(CYCLES)] == [100, None, 100, 100]


def test_codes_that_are_no_currency_of_the_deals_are_left(read: Proposed) -> None:
    cells = [f"{it},EUR,true,2026-03-01" for it in ("DEU", "ALL", "POL")]
    found = read(deals_export("Market,Company currency,Won,Close Date", *cells))
    assert found.all("select distinct currency from raw.opportunities") == [(None,)]


def test_amounts_in_the_currency_of_the_company_stay_as_they_are(read: Proposed) -> None:
    export = deals_export("Währung,Won,Close Date", *["CHF,ja,2026-03-01", "EUR,ja,2026-03-02"])
    export["deals.csv"] = export["deals.csv"].replace(",Amount,", ",Betrag in Firmenwährung,")
    found = read(export)
    assert [it[3] for it in found.all(CYCLES)] == [100, 100]


KNOWN_BY_ID = "lead_id,created_at,email,stage\n" + "".join(
    f"K{n},2026-01-0{n} 08:00,k{n}@x.example,MQL\n" for n in range(1, 6)
)


@pytest.mark.parametrize(
    ("name", "header", "words"),
    [
        ("courriels.csv", "Événement", ("Ouvert", "Cliqué", "Bounce", "Délivré")),
        ("E-Mail-Protokoll.csv", "Was geschah", ("Geöffnet", "Geklickt", "BOUNCED", "Zugestellt")),
        ("emails.csv", "Resultado", ("abierto", "click", "bounce", "entregado")),
    ],
)
def test_what_became_of_mails_is_told_by_values(
    read: Proposed, name: str, header: str, words: tuple[str, ...]
) -> None:
    events = f"Lead ID,{header},Date\n" + "".join(
        f"K{n},{word},2026-02-0{n} 09:00\n" for n, word in enumerate(words, start=1)
    )
    found = read({"leads.csv": KNOWN_BY_ID, name: events})
    assert found.all("select count(*) from raw.activities") == [(0,)]
    assert found.all("select lead_id, kind from raw.engagements order by 1") == [
        ("K1", "email_opened"),
        ("K2", "email_clicked"),
        ("K3", "email_bounced"),
        ("K4", "email_delivered"),
    ]


def test_mails_of_people_stay_mails_whatever_became_of_them(read: Proposed) -> None:
    mails = "Lead ID,Sent At,Sender,Result\n" + "".join(
        f"K{n},2026-02-0{n} 09:00,Rob,{word}\n"
        for n, word in enumerate(("Opened", "Bounced", "Clicked"), start=1)
    )
    found = read({"leads.csv": KNOWN_BY_ID, "emails.csv": mails})
    assert found.all("select distinct kind from raw.activities") == [("email",)]
    assert found.all("select count(*) from raw.engagements") == [(0,)]


def test_tracked_mails_of_nobody_are_sent_by_a_machine(read: Proposed) -> None:
    mails = "Lead ID,Sent At,Geöffnet,Klicks\nK1,2026-02-01 09:00,1,0\nK2,2026-02-02 09:00,0,0\n"
    found = read({"leads.csv": KNOWN_BY_ID, "mails.csv": mails})
    assert found.all("select distinct kind from raw.activities") == [("automated_email",)]
    assert "mails.csv: activities.kind: with Geöffnet, Klicks and of nobody" in found.notes


@pytest.mark.parametrize(
    ("header", "inbound", "outbound"),
    [
        ("E-Mail-Typ (Richtung)", "INCOMING_EMAIL", "FORWARDED_EMAIL"),
        ("Sens du message", "Reçu", "Envoyé"),
        ("Way", "Eingehende E-Mail", "Ausgehende E-Mail"),
        ("Flujo", "Entrante", "Saliente"),
        ("Ein/Aus", "Eingang", "Ausgang"),
        ("方向", "受信", "送信"),
    ],
)
def test_directions_are_told_by_values(
    read: Proposed, header: str, inbound: str, outbound: str
) -> None:
    mails = f"Lead ID,Sent At,State,{header}\n" + "".join(
        f"K{n},2026-02-0{n} 09:00,In progress,{word}\n"
        for n, word in enumerate((inbound, outbound), start=1)
    )
    found = read({"leads.csv": KNOWN_BY_ID, "emails.csv": mails})
    assert found.all("select lead_id, kind, direction from raw.activities order by 1") == [
        ("K1", "email", "inbound"),
        ("K2", "email", outbound),
    ]


def numbered(header: str, rows: int, *cells: str) -> str:
    """Rows with a running number, and other cells in which {n} and {back} are numbers."""
    lines = [
        ",".join([str(n), *cells]).format(n=n, back=rows + 1 - n, day=f"{n:02}")
        for n in range(1, rows + 1)
    ]
    return "\n".join([header, *lines, ""])


NUMBERED_LEADS = numbered("Id,Created,Mail", 9, "2026-01-{day} 09:00", "m{n}@x.example")


@pytest.mark.parametrize(
    ("name", "header", "number"),
    [
        ("anrufe.csv", "Anruf-ID,Datum,Agent,Dauer", "Anruf-ID"),
        ("calls.csv", "Record ID,Call Start Time,Handled by user,Seconds", "Record ID"),
        ("meetings.csv", "ID,Meeting Start Time,Account Owner ID,Rooms", "ID"),
    ],
)
def test_running_numbers_and_agents_are_no_leads(
    read: Proposed, name: str, header: str, number: str
) -> None:
    calls = numbered(header, 5, "2026-02-{day} 09:00", "{back}", "{n}")
    found = read({"leads.csv": NUMBERED_LEADS, name: calls})
    assert "activities" not in found.tried
    assert f"{name}: activities.lead_id: a guess to make: {number} is found in Id" in found.notes
    assert "a guess to make: Agent" not in found.notes


def test_running_numbers_that_are_called_like_leads_are_leads(read: Proposed) -> None:
    calls = numbered("Call ID,Call Start Time,Client", 5, "2026-02-{day} 09:00", "{back}")
    found = read({"leads.csv": NUMBERED_LEADS, "calls.csv": calls})
    assert found.all("select lead_id from raw.activities order by occurred_at") == [
        (str(n),) for n in (5, 4, 3, 2, 1)
    ]


@pytest.mark.parametrize("link", ["Deal - Contact person", "Deal - Contact e-mail"])
def test_deals_are_linked_by_a_name_rather_than_by_their_numbers(read: Proposed, link: str) -> None:
    leads = numbered(
        "Person - ID,Lead - ID,Lead - Lead created,Lead - Person,Lead - E-mail",
        9,
        "0f{n}e-a",
        "2026-01-{day} 09:00",
        "Ada {n}" if link.endswith("person") else "",
        "p{n}@x.example" if link.endswith("mail") else "",
    )
    deals = numbered(
        f"Deal - ID,Deal - Title,Deal - Deal created,Deal - Status,{link}",
        5,
        "big",
        "2026-02-{day} 09:00",
        "Open",
        "Ada {back}" if link.endswith("person") else "p{back}@x.example",
    )
    found = read({"leads.csv": leads, "deals.csv": deals})
    assert found.proposal.tables["opportunities"][0].columns["lead_id"] == link
    assert found.tried["opportunities"][2] == 1.0


def test_a_number_is_looked_up_where_leads_have_a_column_of_its_name(read: Proposed) -> None:
    leads = numbered(
        "Lead - ID,Lead - Lead created,Person - ID", 9, "2026-01-{day} 09:00", "{back}"
    )
    deals = numbered(
        "Deal - ID,Deal - Title,Deal - Deal created,Person - ID",
        5,
        "x",
        "2026-02-{day} 09:00",
        "{n}",
    )
    found = read({"leads.csv": leads, "deals.csv": deals})
    (plan,) = found.proposal.tables["opportunities"]
    assert (plan.columns["lead_id"], plan.lookups["lead_id"]["key"]) == ("Person - ID",) * 2


@pytest.mark.parametrize("day", ["2026-02-{day}", "2026-03-{day}"])
def test_files_that_number_their_rows_each_for_itself_lose_none(read: Proposed, day: str) -> None:
    header = "Activity ID,Contact ID,{},Owner"
    calls = numbered(header.format("Call Start Time"), 4, "{n}", "2026-02-{day} 10:00", "Rob")
    meetings = numbered(header.format("Meeting Start Time"), 6, "{n}", f"{day} 10:00", "Rob")
    files = {"leads.csv": NUMBERED_LEADS, "calls.csv": calls, "meetings.csv": meetings}
    found = read(files)
    assert found.set_aside == []
    assert found.all("select kind, count(*) from fct_activities group by 1 order by 1") == [
        ("call", 4),
        ("meeting", 6),
    ]
    assert "calls.csv, meetings.csv: activities.activity_id is left out" in found.notes


def test_rows_that_two_files_have_in_common_are_read_once(read: Proposed) -> None:
    header = "Activity ID,Contact ID,Call Start Time,Owner"
    rows = ("{n}", "2026-02-{day} 09:00", "Rob")
    files = {"calls.csv": numbered(header, 4, *rows), "all calls.csv": numbered(header, 6, *rows)}
    found = read({"leads.csv": NUMBERED_LEADS} | files)
    assert found.all("select count(*) from fct_activities") == [(6,)]


# No leads


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("invoices.csv", "Invoice No,Customer,Email,Status,Issued", "{n},C{n},c{n}@x.example,Open"),
        ("Rechnungen.csv", "Nr;Kunde;Netto;Datum", "R{n};K {n};10,50"),
        (
            "employees.csv",
            "ID,First Name,Last Name,Email,Title,Hired",
            "{n},A,B{n},e{n}@x.example,T",
        ),
        ("staff.csv", "Employee ID,Email,Country,Status,Start", "{n},e{n}@x.example,NL,Active"),
        ("support.csv", "Ticket,Requester email,Status,Opened", "{n},e{n}@x.example,New"),
        ("calls.csv", "Call ID,Contact ID,Duration,Call Start Time", "{n},{n},60"),
        ("deals.csv", "Deal ID,Deal Name,Deal Owner,Stage,Create Date", "{n},D{n},Rob,Closed Won"),
        ("log.csv", "Lead ID,Old Value,New Value,Date", "{n},Lead,MQL"),
    ],
)
def test_what_is_no_lead_is_not_taken_for_one(
    tmp_path: Path, name: str, header: str, row: str
) -> None:
    mark = ";" if ";" in header else ","
    rows = (f"{row.format(n=n)}{mark}2026-01-0{n} 09:00\n" for n in range(1, 6))
    directory = tmp_path / "export"
    directory.mkdir()
    (directory / name).write_text(f"{header}\n{''.join(rows)}")
    proposal = propose(directory, tmp_path / "handoff.yml")
    assert (proposal.plan("leads"), proposal.tried) == (None, [])
    assert proposal.unplaced[0].startswith("no file looks like leads: a leads table has one row")
    assert "handoff run" not in proposal.text


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("export.csv", "customer,mail,state,since", "a{n},e{n}@x.example,MQL"),
        ("kontakte.csv", "Nr,Name,Mail,Seit", "{n},N{n},e{n}@x.example"),
        ("list.csv", "ID,E-Mail,Lead-Quelle,Datum", "{n},e{n}@x.example,Web"),
        ("firms.csv", "Record ID,Name,Lifecycle Stage,Create Date", "{n},N{n},Lead"),
        ("all.csv", "lead_id,email,country,created_at", "{n},e{n}@x.example,NL"),
    ],
)
def test_leads_are_told_by_their_name_headers_or_stages(
    tmp_path: Path, name: str, header: str, row: str
) -> None:
    rows = (f"{row.format(n=n)},2026-01-0{n} 09:00\n" for n in range(1, 6))
    directory = tmp_path / "export"
    directory.mkdir()
    (directory / name).write_text(f"{header}\n{''.join(rows)}")
    proposal = propose(directory, tmp_path / "handoff.yml")
    assert [(it.name, it.rows) for it in proposal.tried] == [("leads", 5)]


def proposed(tmp_path: Path, **texts: str) -> Proposal:
    """What is proposed for CSV files, by their names without the ending."""
    directory = tmp_path / "export"
    directory.mkdir()
    for name, text in texts.items():
        (directory / f"{name}.csv").write_text(text)
    return propose(directory, tmp_path / "handoff.yml")


@pytest.mark.parametrize(
    ("header", "row", "lead_id"),
    [
        (
            "Email,(Do Not Modify) Lead,Row Checksum",
            "{mail},0000{n}eef-1111-ee11-9966-000d3a2b000{n},a+/{n}==",
            "(Do Not Modify) Lead",
        ),
        ("Email,Ref,Name", "{mail},00Q5e00000ABCd{n}EAA,N{n}", "Ref"),
        ("E-mail,ID de l'objet,Nom", "{mail},500{n},N{n}", "ID de l'objet"),
        ("Email,Datensatz,Record created", "{mail},D-{n},2026-02-0{n} 10:00", "Datensatz"),
        ("Konto,Email,Name", "K00{n},{mail},N{n}", "Konto"),
        # Neither the telephone nor what counts the rows of this export.
        ("#,Phone Number,Email", "{n},4917100000{n},{mail}", "Email"),
        ("Name,Revenue,Email", "Ann {n},1050{n},{mail}", "Email"),
    ],
)
def test_ids_of_records_go_before_addresses(
    tmp_path: Path, header: str, row: str, lead_id: str
) -> None:
    rows = (
        f"{row.format(n=n, mail=f'e{n}@x.example')},2026-01-0{n} 09:00,MQL\n" for n in range(1, 6)
    )
    proposal = proposed(tmp_path, leads=f"{header},Created,Status\n{''.join(rows)}")
    leads = proposal.plan("leads")
    assert leads
    assert leads.columns["lead_id"] == lead_id
    notes = [it for it in proposal.unplaced if "ids are shown in marts, logs and alerts" in it]
    assert len(notes) == (lead_id == "Email")


LEADS_TO_COPY = "Lead ID,Created,Email,Status\n" + "".join(
    f"{n},2026-01-0{n} 09:00,e{n}@x.example,{'MQL' if n % 2 else 'SQL'}\n" for n in range(1, 10)
)


@pytest.mark.parametrize("copy", ["leads - Copy", "leads - Kopie", "Copy of leads", "old"])
def test_a_copy_of_a_file_is_left_out_whatever_its_name(tmp_path: Path, copy: str) -> None:
    last = "10,2026-01-10 09:00,e10@x.example,MQL\n"
    proposal = proposed(tmp_path, **{"leads": LEADS_TO_COPY + last, copy: LEADS_TO_COPY})
    assert [(it.name, it.rows) for it in proposal.tried] == [("leads", 10)]
    assert f"{copy}.csv: left out, as leads.csv has most of its records, too" in proposal.unplaced


def test_rows_under_the_same_numbers_are_no_copies(tmp_path: Path) -> None:
    # The date of the report says nothing of a row.
    head = "No,Lead ID,Created,Report date\n"
    rows = "".join(f"{n},{n},2026-02-{{month}}{n} 09:00,2026-03-01\n" for n in range(1, 10))
    events = {
        name: head + rows.format(month=month) for name, month in (("calls", 0), ("meetings", 1))
    }
    proposal = proposed(tmp_path, leads=LEADS_TO_COPY, **events)
    assert [(it.name, it.rows) for it in proposal.tried] == [("leads", 9), ("activities", 18)]


def test_clicks_on_the_days_of_opens_are_no_copies(tmp_path: Path) -> None:
    rows = [f"{n},2026-02-0{n}\n" for n in range(1, 10)]
    head = "Lead ID,Date\n"
    files = {"email_opens": head + "".join(rows), "email_clicks": head + "".join(rows[:4])}
    proposal = proposed(tmp_path, leads=LEADS_TO_COPY, **files)
    assert [(it.name, it.rows) for it in proposal.tried] == [("leads", 9), ("engagements", 13)]


def test_words_of_a_language_tell_no_crm(tmp_path: Path) -> None:
    people = "Kontakt-ID;E-Mail;Erstellt am;Phase;Gelöscht;Quelle\n" + "".join(
        f"K{n};e{n}@x.example;2026-01-0{n} 09:00;{stage};nein;Messe\n"
        for n, stage in enumerate(("Lead", "MQL", "SAL", "SQL"), 1)
    )
    deals = (
        "Verkaufschance-ID;Kontakt-ID;Erstellt am;Betrag;Status;Abschlussdatum;Verlustgrund\n"
        "A1;K4;2026-01-20;5.250,50 €;gewonnen;2026-02-14;\n"
    )
    proposal = proposed(tmp_path, Kontakte=people, Verkaufschancen=deals)
    assert (proposal.crm, proposal.tradition) == ("unknown", "four_stage")


def test_a_header_to_mend_is_named_and_no_ending(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        proposed(tmp_path, leads="Lead ID,Created,Email,Email\n1,2026-01-01,a,b\n")
    assert "leads.csv: the header names a column twice: Email" in str(error.value)
    assert "expected files" not in str(error.value)


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("Lead report July\n\n", 3),
        ("Lead report July,,,\n", 2),
        ("All leads,,,\nAs of 2026-07-20,,,\n,,,\nFiltered by,Email,,\n", 5),
        ("All leads,by Kim\n", 2),
    ],
)
def test_a_header_below_a_title_is_named(tmp_path: Path, above: str, line: int) -> None:
    deals = "Deal ID,Lead ID,Created,Amount,Stage\n1,1,2026-02-01,10,Closed Won\n"
    proposal = proposed(tmp_path, leads=above + LEADS_TO_COPY, deals=deals)
    assert proposal.plan("leads") is None
    note = f"leads.csv: not read, as its header seems to be in line {line}; remove the lines above"
    assert any(it.startswith(note) for it in proposal.unplaced)


def test_a_first_sheet_that_is_not_read_is_named(read: Proposed) -> None:
    book = Workbook()
    info = book.active
    assert info is not None
    info.title = "Info"
    info.append(["Exported by", "Kim"])
    info.append(["Rows", "9"])
    people = book.create_sheet("Leads")
    for line in LEADS_TO_COPY.splitlines():
        people.append(line.split(","))
    stream = BytesIO()
    book.save(stream)
    found = read({"crm.xlsx": stream.getvalue()})
    assert found.tried["leads"][0] == 9
    assert found.proposal.unread == ["crm.xlsx (Info)"]


# Words for stages, reasons and dates


ZOHO_STATUSES = {
    "Attempted to Contact": "sal",
    "Contact in Future": "nurture",
    "Contacted": "sal",
    "Junk Lead": "disqualified",
    "Lost Lead": "disqualified",
    "Not Contacted": "lead",
    "Pre-Qualified": "sql",
    "Not Qualified": "disqualified",
    "-None-": "ignored",
}


@pytest.mark.parametrize(
    ("crm", "header", "stages"),
    [
        ("Zoho", "Lead Status", ZOHO_STATUSES),
        (
            "Salesforce",
            "Status",
            {
                "Offen - Nicht kontaktiert": "lead",
                "In Bearbeitung - Kontaktiert": "sal",
                "In Arbeit – kontaktiert": "sal",
                "Geschlossen - Konvertiert": "sql",
                "Geschlossen - Nicht konvertiert": "disqualified",
                "Ouverte - Non contactée": "lead",
                "En cours - Contactée": "sal",
                "Fermée - Convertie": "sql",
                "Fermée - Non convertie": "disqualified",
                "Abierto - No contactado": "lead",
                "En curso - Contactado": "sal",
                "Cerrado - Convertido": "sql",
                "Cerrado - No convertido": "disqualified",
                "オープン - 未連絡": "lead",
                "作業中 - 連絡済み": "sal",
                "クローズ - 取引開始済み": "sql",
                "クローズ - 未取引開始": "disqualified",
                "--Ohne--": "ignored",
            },
        ),
        (
            "HubSpot",
            "Leadstatus",
            {
                "Offener Deal": "ignored",
                "In Bearbeitung": "ignored",
                "Nicht qualifiziert": "disqualified",
                "Ungünstiger Zeitpunkt": "nurture",
                "Tentative de contact": "ignored",
                "Non qualifié": "disqualified",
                "Mauvais moment": "nurture",
                "Conectado": "ignored",
                "No calificado": "disqualified",
                "オープン取引": "ignored",
                "不適格": "disqualified",
            },
        ),
        (
            "HubSpot",
            "Lifecycle-Phase",
            {
                "Marketing-qualifizierter Lead": "mql",
                "Kunde": "customer",
                "Lead qualifié par l'équipe commerciale": "sql",
                "Évangéliste": "evangelist",
                "Lead calificado por marketing": "mql",
                "サブスクライバー": "subscriber",
                "MQL(マーケティング上の有望な見込み客)": "mql",
                "Closed Won (Sales Pipeline)": "customer",
            },
        ),
    ],
)
def test_statuses_of_vendors_mean_stages(crm: str, header: str, stages: dict[str, str]) -> None:
    vocabulary = read_vocabulary(POLICY_DIR)
    proposal = Proposal(Path(), Path(), crm=crm)
    assert {it: stage_at(it, proposal, header, vocabulary) for it in stages} == stages


@pytest.mark.parametrize(
    "header",
    [
        "Grund für die Disqualifizierung",
        "Disqualifizierungsgrund",
        "DQ Reason",
        "Reason Disqualified",
        "reason_for_rejection__c",
        "Ablehnungsgrund",
        "Raison de non-qualification",
        "Motif de rejet",
        "Motivo de descalificación",
        "Motivo de pérdida",
        "Razón del rechazo",
        "Lost Reason",
        "Verlustgrund",
        "不適格の理由",
        "失注理由",
    ],
)
def test_a_reason_is_told_by_two_words_in_any_order(header: str) -> None:
    table = ExportFile(("x.csv",), ("Background", "Reason", "Lost Date", header), "x", 1)
    assert reason_header(table) == header
    assert match(table, CONTRACT_TABLES["opportunities"])["loss_reason"] == header


@pytest.mark.parametrize("header", ["Hintergrund", "Closed Lost Reason Date", "Motivation", "Lost"])
def test_one_word_is_no_reason(header: str) -> None:
    assert reason_header(ExportFile(("x.csv",), (header,), "x", 1)) is None


@pytest.mark.parametrize(
    ("header", "stage"),
    [
        ("Became a Customer Date", "customer"),
        ("Wurde ein Lead am", "lead"),
        ("Wurde Marketing-qualifizierter Lead am", "mql"),
        ("Datum: Wurde Vertriebsqualifizierter Lead", "sql"),
        ("Datum des Eintritts „Marketing-qualifizierter Lead“", "mql"),
        ("Datum, an dem Kontakt zum Kunden wurde", "customer"),
        ("Est devenu un lead qualifié par le marketing le", "mql"),
        ("Est devenue une opportunité le", "opportunity"),
        ("Fecha en que se convirtió en cliente", "customer"),
        ("Se convirtió en un lead calificado para ventas el", "sql"),
    ],
)
def test_headers_of_dates_name_stages(header: str, stage: str) -> None:
    assert stage_of_header(header, read_vocabulary(POLICY_DIR)) == stage


# Exits beside a history, logs of several fields


@pytest.mark.parametrize(
    ("header", "date", "when"),
    [
        (",Last Modified Date", ",2026-03-04 10:00", dt.date(2026, 3, 4)),
        ("", "", dt.date(2026, 2, 10)),
    ],
)
def test_a_status_beside_a_history_of_another_field_is_an_exit(
    read: Proposed, header: str, date: str, when: dt.date
) -> None:
    found = read(
        {
            "contacts.csv": (
                f"Record ID,Create Date,Lifecycle Stage,Lead Status,DQ Reason{header}\n"
                f"A,2026-01-01 09:00,Sales Qualified Lead,Unqualified,No budget{date}\n"
                f"B,2026-01-02 09:00,Marketing Qualified Lead,New,{date}\n"
                f"C,2026-01-03 09:00,Lead,Unqualified,Bad fit{date}\n"
            ),
            "history.csv": (
                "Record ID,Field,Old Value,New Value,Changed At\n"
                "A,Lifecycle Stage,Lead,Marketing Qualified Lead,2026-02-03 09:00\n"
                "A,Lifecycle Stage,Marketing Qualified Lead,Sales Qualified Lead,2026-02-09 09:00\n"
                "A,Contact owner,Rob,Sue,2026-02-10 09:00\n"
                "B,Lifecycle Stage,Lead,Marketing Qualified Lead,2026-02-04 09:00\n"
                "B,Phone,1,2,2026-02-05 09:00\n"
            ),
        }
    )
    assert found.set_aside == []
    assert found.all(REASONS) == [
        ("A", "disqualified", "no_budget", when),
        ("C", "disqualified", "not_icp", when if date else dt.date(2026, 1, 3)),
    ]
    assert found.all(STAGES) == [
        ("A", "lead mql sql disqualified"),
        ("B", "lead mql"),
        ("C", "lead disqualified"),
    ]
    assert found.all("select distinct is_valid_transition from fct_lead_stages") == [(True,)]
    assert found.all("select lead_id, owner_id from raw.owner_changes") == [("A", "Sue")]
    assert "stands for the date of the exit" in found.notes


@pytest.mark.parametrize(
    ("header", "stage", "owner"),
    [
        ("Contact ID,Property,Old Value,New Value,Timestamp", "lifecyclestage", "hubspot_owner_id"),
        ("Kontakt,Feld,Alter Wert,Neuer Wert,Wann", "Lead-Status", "Lead-Inhaber"),
        ("Record,Field,Before,After,At", "Stage", "Owner"),
    ],
)
def test_a_log_of_several_fields_is_split(
    read: Proposed, header: str, stage: str, owner: str
) -> None:
    log = (
        f"{header}\n"
        f"A,{stage},Lead,MQL,2026-01-05 09:00\nA,{owner},R1,R2,2026-01-06 09:00\n"
        f"B,Email,a@x.example,b@x.example,2026-01-06 09:00\nB,{stage},Lead,MQL,2026-01-07 09:00\n"
    )
    found = read({"leads.csv": PEOPLE, "audit.csv": log})
    assert found.tried["stage_changes"] == (2, 1.0, 1.0, (1, 1))
    assert found.all("select lead_id, owner_id from raw.owner_changes") == [("A", "R2")]


# What was only planned


@pytest.mark.parametrize(
    ("header", "done", "planned"),
    [
        ("Activity - Done", ("Done",), ("To do",)),
        ("Done", ("1",), ("0",)),
        ("IsClosed", ("true",), ("false",)),
        ("Status", ("Completed",), ("Not Started", "In Progress", "Deferred")),
        ("Task Status", ("Closed",), ("Open",)),
        ("Status", ("Erledigt",), ("Geplant", "Zurückgestellt")),
        ("Call outcome", ("Connected",), ("No answer", "Busy", "Wrong number")),
        ("Anrufergebnis", ("Verbunden",), ("Keine Antwort",)),
        ("Call Type", ("Outbound",), ("Missed",)),
        ("Statut", ("Terminé",), ("Planifié", "Annulé")),
        ("Estado", ("Completada",), ("Pendiente",)),
        ("状況", ("完了",), ("未着手",)),
    ],
)
def test_what_was_not_done_is_no_touch(
    tmp_path: Path, header: str, done: tuple[str, ...], planned: tuple[str, ...]
) -> None:
    rows = "".join(
        f"{word},K{n},2026-02-0{n} 09:00,Rob\n" for n, word in enumerate((*done, *planned, ""), 1)
    )
    directory = tmp_path / "export"
    directory.mkdir()
    (directory / "leads.csv").write_text(KNOWN_BY_ID)
    (directory / "calls.csv").write_text(f"{header},Lead ID,Due date,Owner\n{rows}")
    proposal = propose(directory, tmp_path / "handoff.yml")
    (plan,) = proposal.tables["activities"]
    assert {header: {"not": sorted(planned)}} == {
        name: {"not": sorted(it["not"])} for name, it in plan.where.items() if isinstance(it, dict)
    }
    # An empty cell says nothing.
    assert proposal.tried[-1].rows == 2


def test_what_can_not_be_told_to_be_done_is_said(read: Proposed) -> None:
    tasks = "Lead ID,Type,Due date\nK1,Call,2026-02-01\nK2,Call,2026-02-02\n"
    meetings = "Lead ID,Meeting Start Time,Outcome\nK1,2026-02-01 09:00,Scheduled\n"
    found = read({"leads.csv": KNOWN_BY_ID, "tasks.csv": tasks, "meetings.csv": meetings})
    assert found.tried["activities"][0] == 3
    assert "tasks.csv: activities.occurred_at: Due date may lie before anything" in found.notes
    assert "meetings.csv: activities.occurred_at: Outcome is Scheduled" in found.notes


# Ids and names


@pytest.mark.parametrize("length", [15, 18])
def test_both_lengths_of_salesforce_ids_are_one(read: Proposed, length: int) -> None:
    ids = ("00Q5g00000AbCdEEAV", "00Q5g00000ABcdEEAT")
    leads = "".join(f"{it[:length]},2026-01-02 09:00\n" for it in ids)
    other = 33 - length
    calls = "".join(f"{it[:other]},2026-02-02 09:00\n" for it in ids)
    dates = "".join(f"{it[:other]},2026-02-03 09:00\n" for it in ids)
    found = read(
        {
            "leads.csv": f"Lead ID,Created Date\n{leads}",
            "calls.csv": f"Who ID,Date\n{calls}",
            "dates.csv": f"ref,MQL date\n{dates}",
        },
    )
    assert found.tried["activities"][:3] == (2, 1.0, 1.0)
    assert found.all("select lead_id, kind from int_contract__activities order by 1") == [
        (it, "call") for it in sorted(ids)
    ]
    assert found.all("select count(*) from raw.stage_changes where to_stage = 'mql'") == [(2,)]


@pytest.mark.parametrize(
    ("first", "last"), [("Vorname", "Nachname"), ("Prénom", "Nom"), ("First Name", "Last Name")]
)
def test_users_with_a_name_in_two_columns_are_reps(read: Proposed, first: str, last: str) -> None:
    users = f"ID,{first},{last},E-Mail\n71,Ada,Ek,a@us.example\n72,Bo,Li,b@us.example\n"
    contacts = "Record ID,Create Date,Contact owner\n1,2026-01-01,Ada Ek\n2,2026-01-02,Bo Li\n"
    found = read({"contacts.csv": contacts, "users.csv": users})
    assert found.all("select rep_id, name from raw.reps order by 1") == [
        ("Ada Ek", "Ada Ek"),
        ("Bo Li", "Bo Li"),
    ]
    assert f"users.csv: reps.rep_id: {first} and {last}, as owners are called so" in found.notes


def test_bounces_are_linked_by_the_address_and_users_may_have_no_other_id(read: Proposed) -> None:
    bounces = "Email,Date,Reason\nk1@x.example,2026-02-01 09:00,full\n"
    users = "First Name,Last Name,Email\nAda,Ek,a@us.example\n"
    found = read({"leads.csv": KNOWN_BY_ID, "bounces.csv": bounces, "users.csv": users})
    assert found.all("select lead_id, kind from raw.engagements") == [("K1", "email_bounced")]
    assert found.all("select rep_id, name from raw.reps") == [("a@us.example", "Ada Ek")]


def test_ids_that_repeat_or_can_not_be_read_are_named(read: Proposed) -> None:
    leads = "Record ID,Create Date\n7,2026-01-02\n7,2026-01-03\n1.23E+11,2026-01-04\n"
    deals = "Deal ID,Contact ID,Create Date\nD1,7,2026-02-01\n"
    found = read({"contacts.csv": leads, "deals.csv": deals})
    assert "contacts.csv: Record ID: 1 of the ids can't be read (for example 1.23E+11)" in (
        found.notes
    )
    assert "contacts.csv: Record ID: 2 rows share 1 id (for example 7)" in found.notes
    assert "Deal ID" not in found.notes


def test_a_status_of_records_does_not_tell_won_deals(read: Proposed) -> None:
    cells = ("Active,true,2026-03-01", "Archived,false,2026-03-02", "Active,true,2026-03-03")
    found = read(deals_export("Status,Won,Close Date", *cells))
    assert found.set_aside == []
    assert [it[1] for it in found.all(DEALS)] == ["won", "lost", "won"]


def test_deals_without_a_lead_are_said_unless_a_file_links_them(read: Proposed) -> None:
    deals = "Deal ID,Create Date,Amount,Won,Close Date\nD1,2026-02-01,100,yes,2026-03-01\n"
    people = PEOPLE.replace("lead_id", "Contact ID")
    links = "Deal,Contact,Role\nD1,B,Buyer\n"
    found = read({"contacts.csv": people, "deals.csv": deals, "roles.csv": links})
    assert [it[3] for it in found.all(CYCLES)] == [100]
    assert "lead_id" not in found.notes


def test_deals_that_name_no_lead_are_said(read: Proposed) -> None:
    deals = "Deal ID,Create Date,Amount,Won,Close Date\nD1,2026-02-01,100,yes,2026-03-01\n"
    found = read({"leads.csv": PEOPLE, "deals.csv": deals})
    assert (
        "deals.csv: opportunities.lead_id: no column points to lead_id of leads.csv, so no lead "
        "has revenue; export the deals with their contacts"
    ) in found.notes


def test_deals_under_the_ids_of_their_leads_are_theirs(read: Proposed) -> None:
    leads = "mql_id,first_contact_date,origin\nx7,2026-01-01,web\ny8,2026-01-02,web\n"
    deals = "mql_id,sdr,won_date,amount\ny8,Rob,2026-03-01,100\n"
    found = read({"marketing_leads.csv": leads, "closed_deals.csv": deals})
    assert found.set_aside == []
    assert found.all(CYCLES) == [("y8", "won", 100, 100)]


@pytest.mark.parametrize("header", ["Close Date", "closed_at", "Closed_At"])
def test_a_closing_date_alone_closes_no_deal(read: Proposed, header: str) -> None:
    found = read(deals_export(header, "2026-03-01", "2026-04-01"))
    assert [it[1] for it in found.all(DEALS)] == ["open", "open"]
    assert "deals.csv: opportunities.is_won: no column tells won from lost" in found.notes


@pytest.mark.parametrize(
    ("headers", "notes"),
    [
        ("Status,Won date,Lost date", ""),
        ("Status,Deal - Gewonnen um,Deal - Verloren um", ""),
        ("Is Won,WonTime,LostTime", ""),
        (
            "Status,Actual Close Date,Expected Close Date",
            "2 of 2 deals with Lost in Status have no",
        ),
        ("Status,Won date,Reviewed", "2 of 2 deals with Lost in Status have no closing date"),
        ("Status,Expected,Reviewed", "no column dates deals that are won or lost, so all are open"),
    ],
)
def test_each_outcome_has_its_closing_date(read: Proposed, headers: str, notes: str) -> None:
    won, lost = ("yes", "no") if headers.startswith("Is") else ("Won", "Lost")
    cells = (f"{won},13.03.2026,", f"{lost},,2026-04-01 10:00", "Open,,") * 2
    rows = [it.replace("Open", "") if won == "yes" else it for it in cells]
    found = read(deals_export(headers, *rows))
    closed = "select status, cast(cast(closed_at as date) as varchar) from int_opportunities"
    lost_row = ("open", None) if notes else ("lost", "2026-04-01")
    won_row = ("open", None) if "no column" in notes else ("won", "2026-03-13")
    assert found.set_aside == []
    assert found.all(f"{closed} order by opportunity_id") == [won_row, lost_row, ("open", None)] * 2
    assert notes in found.notes
    assert bool(notes) == ("opportunities.closed_at" in found.notes)


@pytest.mark.parametrize(
    ("amounts", "example"),
    [
        # Whole numbers, the most frequent among them, show no mark.
        (("900", "900", "7,500"), "7,500"),
        (("900", "900", "7,500", "1,250.50", "1.250,50"), "1,250.50 and 1.250,50"),
    ],
)
def test_a_guess_of_a_decimal_mark_shows_what_is_in_doubt(
    tmp_path: Path, amounts: tuple[str, ...], example: str
) -> None:
    leads = "Lead ID,Created,Status\n" + "".join(f"L{n},2026-01-0{n},MQL\n" for n in range(1, 6))
    deals = "Deal ID,Lead ID,Created,Stage,Amount\n" + "".join(
        f'D{n},L{n},2026-02-0{n},Closed Won,"{amount}"\n' for n, amount in enumerate(amounts, 1)
    )
    proposal = proposed(tmp_path, leads=leads, deals=deals)
    assert f"deals.csv: opportunities.amount: a decimal dot is a guess (for example {example})" in (
        proposal.unplaced
    )


def test_deals_without_amounts_are_said(read: Proposed) -> None:
    deals = deals_export("Stage,Close Date", "Won,2026-03-01")
    deals["deals.csv"] = deals["deals.csv"].replace("Amount", "Sum of it")
    found = read(deals)
    assert "opportunities.amount: no column has the amounts of deals" in found.notes


def test_stages_of_deals_that_are_not_known_are_said(read: Proposed) -> None:
    stages = ("Closed Won", "Closed Lost", "Negotiation", "Contract signed", "Dead", "Dead")
    reasons = ("", "Price", "", "", "", "Price")
    dates = ("2026-03-01",) * 5 + ("",)
    cells = [",".join(it) for it in zip(stages, dates, reasons, strict=True)]
    found = read(deals_export("Stage,Close Date,Lost reason", *cells))
    assert (
        "is_won: not known as won, lost or open, so read as open: "
        "Dead (2 rows, 1 with Lost reason), Contract signed (1 rows, 1 with Close Date)"
    ) in found.notes
    assert "Negotiation" not in found.notes


def test_deals_name_their_leads_by_an_address_within_a_text(read: Proposed) -> None:
    deals = (
        "Datensatz-ID,Erstellungsdatum,Betrag,Gewonnen,Abschlussdatum,Zugehörige Kontakte\n"
        "D1,2026-02-01,100,ja,2026-03-01,Ada Ek (A@x.example)\n"
        "D2,2026-02-01,50,ja,2026-03-01,Bo Li (b@x.example);Ada Ek (a@x.example)\n"
    )
    found = read({"leads.csv": PEOPLE, "deals.csv": deals})
    assert found.set_aside == []
    assert [it[3] for it in found.all(CYCLES)] == [100, 50]


def test_headers_that_are_called_like_columns_count_as_used(read: Proposed) -> None:
    log = "change_id,lead_id,field,old_value,new_value,changed_at\n1,A,stage,Lead,MQL,2026-01-05\n"
    found = read({"leads.csv": PEOPLE, "history.csv": log})
    assert "columns not used" not in found.notes


# Whole exports, as the vendors document them: the proposed file is read unedited


DONE = "select lead_id, kind, direction from raw.activities order by 1, 2, 3"
TEAM = (
    "Benutzer-ID,Vorname,Nachname,E-Mail\n71,Petra,Müller,p@us.example\n72,Jörg,Weiß,j@us.example\n"
)


def test_a_whole_export_of_hubspot_in_german(read: Proposed) -> None:
    contacts = (
        "Datensatz-ID,Vorname,Nachname,E-Mail,Telefonnummer,Für Kontakt zuständiger Mitarbeiter,"
        "Lead-Status,Erstellungsdatum,Lifecycle-Phase,Unternehmensname,Anzahl der Mitarbeiter,"
        "Ursprüngliche Quelle,Datum der letzten Änderung,"
        "Datum der Konversion zum Marketing-Qualified-Lead,"
        "Datum der Konversion zum Sales-Qualified-Lead,Datum der Konversion zum Kunden,"
        "Grund für die Disqualifizierung\n"
        "501,Ada,Ek,a@a.example,,Petra Müller,Verbunden,02.01.2026 09:12,Kunde,Acme,1.250,"
        "Organische Suche,01.03.2026 10:00,03.01.2026 10:00,05.01.2026 10:00,01.03.2026 10:00,\n"
        "502,Bo,Li,b@b.example,,Jörg Weiß,Nicht qualifiziert,03.01.2026 12:00,"
        "Marketing-Qualified-Lead,Beta,25,Bezahlte Suche,20.02.2026 08:00,04.01.2026 08:00,,,"
        "Kein Budget\n"
        "503,Cy,No,c@c.example,,,Neu,01.02.2026 12:00,Abonnent,Gamma,,Direkter Traffic,"
        "02.02.2026 08:00,,,,\n"
    )
    deals = (
        "Datensatz-ID,Deal-Name,Deal-Phase,Pipeline,Betrag,Währung,Abschlussdatum,"
        "Erstellungsdatum,Für Deal zuständiger Mitarbeiter,Zugeordnete Kontakt-IDs,"
        "Grund für verlorenen Deal\n"
        '900,Acme neu,Abgeschlossen und gewonnen,Vertrieb,"12.000,00 €",EUR,01.03.2026 10:00,'
        "20.01.2026 09:00,Petra Müller,501;503,\n"
        '901,Acme mehr,Termin geplant,Vertrieb,"1.500,50 €",EUR,01.12.2026 10:00,'
        "21.01.2026 09:00,Petra Müller,501,\n"
    )
    calls = (
        "Anruf-ID,Aktivitätsdatum,Anrufrichtung,Aktivität zugewiesen zu,Zugeordnete Kontakt-IDs,"
        "Anrufergebnis\n"
        "1,05.01.2026 15:00,OUTBOUND,Petra Müller,501,Verbunden\n"
        "2,06.01.2026 15:00,INBOUND,Petra Müller,501,Verbunden\n"
        "3,06.01.2026 16:00,OUTBOUND,Jörg Weiß,502,Keine Antwort\n"
    )
    found = read(
        {
            "hubspot-crm-exports-alle-kontakte-2026-03-01.csv": contacts,
            "hubspot-crm-exports-alle-deals-2026-03-01.csv": deals,
            "anrufe.csv": calls,
            "benutzer.csv": TEAM,
        },
    )
    assert (found.proposal.crm, found.set_aside) == ("HubSpot", [])
    assert set(found.buckets.items()) == {(it, "in marts") for it in ("501", "502", "503")}
    assert found.all(STAGES) == [
        ("501", "mql sql opportunity customer"),
        ("502", "mql disqualified"),
        ("503", "opportunity customer"),
    ]
    assert found.all(REASONS) == [("502", "disqualified", "unknown", dt.date(2026, 2, 20))]
    assert [it[2:] for it in found.all(CYCLES)] == [(Decimal("13500.50"), 12000), (0, 0), (0, 0)]
    assert found.all(DONE) == [("501", "call", "INBOUND"), ("501", "call", "OUTBOUND")]
    assert found.all("select lead_id, owner_id from int_contract__leads order by 1")[:2] == [
        ("501", "Petra Müller"),
        ("502", "Jörg Weiß"),
    ]
    assert found.all("select rep_id from raw.reps order by 1") == [
        ("Jörg Weiß",),
        ("Petra Müller",),
    ]


def test_a_whole_export_of_zoho_crm(read: Proposed) -> None:
    leads = (
        "Record Id,Lead Owner.id,Lead Owner,Company,First Name,Last Name,Title,Email,Lead Source,"
        "Lead Status,Industry,No. of Employees,Created Time,Modified Time,Is Converted,"
        "Converted Date Time,Reason for Disqualification,Country\n"
        "zcrm_1,zcrm_u1,Ravi K,Acme,Ada,Ek,CTO,a@a.example,Trade Show,Pre-Qualified,Software,200,"
        "2026-01-05 09:12:00,2026-02-01 10:00:00,true,2026-02-01 10:00:00,,NL\n"
        "zcrm_2,zcrm_u2,Mei L,Beta,Bo,Li,VP,b@b.example,Web Download,Junk Lead,-None-,50,"
        "2026-01-06 13:12:00,2026-03-04 10:00:00,false,,No budget,DE\n"
        "zcrm_3,zcrm_u1,Ravi K,Gamma,Cy,No,-None-,c@c.example,-None-,-None-,-None-,10,"
        "2026-01-07 13:12:00,2026-01-07 13:12:00,false,,,DE\n"
    )
    history = (
        "Record Id,Lead Name.id,Moved From,Lead Status,Modified Time\n"
        "zcrm_h1,zcrm_1,-None-,Attempted to Contact,2026-01-08 09:00:00\n"
        "zcrm_h2,zcrm_1,Attempted to Contact,Pre-Qualified,2026-01-20 09:00:00\n"
        "zcrm_h3,zcrm_2,Not Contacted,Contacted,2026-01-09 09:00:00\n"
        "zcrm_h4,zcrm_2,Contacted,Junk Lead,2026-03-04 09:00:00\n"
    )
    deals = (
        "Record Id,Deal Owner.id,Deal Owner,Deal Name,Amount,Closing Date,Stage,Lead Name.id,"
        "Created Time,Reason For Loss,Currency\n"
        "zcrm_d1,zcrm_u1,Ravi K,Acme,12000,2026-03-01,Closed Won,zcrm_1,2026-02-01 10:00:00,,EUR\n"
        "zcrm_d2,zcrm_u1,Ravi K,Acme 2,500,2026-04-01,Closed Lost to Competition,zcrm_1,"
        "2026-02-15 10:00:00,Price,EUR\n"
        "zcrm_d3,zcrm_u1,Ravi K,Acme 3,700,2026-12-01,Value Proposition,zcrm_1,"
        "2026-02-20 10:00:00,,EUR\n"
    )
    calls = (
        "Record Id,Call Owner.id,Call Owner,Subject,Call Type,Call Start Time,Lead Name.id,"
        "Call Status\n"
        "zcrm_c1,zcrm_u1,Ravi K,Intro,Outbound,2026-01-08 10:00:00,zcrm_1,Completed\n"
        "zcrm_c2,zcrm_u1,Ravi K,Back,Missed,2026-01-08 11:00:00,zcrm_1,Completed\n"
        "zcrm_c3,zcrm_u1,Ravi K,Next,Outbound,2026-01-09 11:00:00,zcrm_2,Scheduled\n"
    )
    users = (
        "User Id,Full Name,Email,Role,Status\nzcrm_u1,Ravi K,r@us.example,Sales,active\n"
        "zcrm_u2,Mei L,m@us.example,Sales,inactive\n"
    )
    found = read(
        {
            "Leads_2026_06_01.csv": leads,
            "Lead_Status_History.csv": history,
            "Deals_2026_06_01.csv": deals,
            "Calls_2026_06_01.csv": calls,
            "Users.csv": users,
        }
    )
    assert (found.proposal.crm, found.set_aside) == ("Zoho", [])
    assert len(found.buckets) == 3
    assert found.all(STAGES) == [
        ("zcrm_1", "sal sql opportunity customer"),
        ("zcrm_2", "lead sal disqualified"),
    ]
    assert found.all(REASONS) == [("zcrm_2", "disqualified", "no_budget", dt.date(2026, 3, 4))]
    assert found.all(CYCLES)[:2] == [
        ("zcrm_1", "won", 13200, 12000),
        ("zcrm_2", "disqualified", 0, 0),
    ]
    assert found.all(DONE) == [("zcrm_1", "call", "Outbound")]
    assert found.tried["reps"][0] == 2


def test_a_whole_export_of_salesforce_reports(read: Proposed) -> None:
    footer = (
        '\n\n\n"{}"\n"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."\n'
        '"Confidential Information - Do Not Distribute"\n"Generated By:  Ann Lee"\n'
        '"Made-up Inc."\n'
    )
    leads = (
        '"Lead ID","Lead Owner","First Name","Last Name","Email","Company / Account",'
        '"Lead Source","Lead Status","Create Date","Converted","Converted Date","Opportunity ID",'
        '"Disqualification Reason","Last Modified Date"\n'
        '"00Q5g00000AbCdE","Ann Lee","F1","L1","a@x.example","Acme","Web","Closed - Converted",'
        '"1/2/2026","1","3/3/2026","0065g00000AbCdF","","3/3/2026 2:05 PM"\n'
        '"00Q5g00000ABcdE","Bob Stone","F2","L2","b@x.example","Beta","Event",'
        '"Closed - Not Converted","1/13/2026","0","","","No budget","2/14/2026 3:15 PM"\n'
        '"00Q5g00000abCdE","Ann Lee","F3","L3","c@x.example","Beta","Web",'
        '"Open - Not Contacted","1/14/2026","0","","","","1/14/2026 3:15 PM"\n'
    )
    history = (
        '"Lead ID","Edit Date","Field / Event","Old Value","New Value","Edited By"\n'
        '"00Q5g00000AbCdE","1/3/2026 9:05 AM","Lead Status","Open - Not Contacted",'
        '"Working - Contacted","Ann Lee"\n'
        '"00Q5g00000AbCdE","1/3/2026 9:06 AM","Lead Owner","Bob Stone","Ann Lee","Ann Lee"\n'
        '"00Q5g00000AbCdE","3/3/2026 2:05 PM","Lead Status","Working - Contacted",'
        '"Closed - Converted","Ann Lee"\n'
        '"00Q5g00000ABcdE","2/14/2026 3:15 PM","Lead Status","Open - Not Contacted",'
        '"Closed - Not Converted","Bob Stone"\n'
    )
    deals = (
        '"Opportunity ID","Opportunity Name","Opportunity Owner","Stage","Amount",'
        '"Amount Currency","Close Date","Created Date","Won","Closed","Loss Reason"\n'
        '"0065g00000AbCdF","Acme","Ann Lee","Closed Won","10,000.00","USD","4/3/2026","3/4/2026",'
        '"1","1",""\n'
    )
    activities = (
        '"Activity ID","Lead ID","Subject","Type","Date","Assigned","Status"\n'
        '"00T5g00000AbCdE","00Q5g00000AbCdEEAV","Call","Call","1/4/2026","Ann Lee","Completed"\n'
        '"00T5g00000ABcdE","00Q5g00000ABcdEEAT","Call","Call","1/14/2026","Bob Stone",'
        '"Not Started"\n'
    )
    users = (
        "Id,Name,Email,IsActive\n0055g000000AAAA,Ann Lee,ann@us.example,true\n"
        "0055g000000AAAB,Bob Stone,bob@us.example,true\n"
    )
    found = read(
        {
            "report1717230000001.csv": leads + footer.format("Leads"),
            "report1717230000002.csv": history + footer.format("Lead History"),
            "report1717230000003.csv": deals + footer.format("Opportunities"),
            "report1717230000004.csv": activities + footer.format("Tasks"),
            "users.csv": users,
        }
    )
    assert (found.proposal.crm, found.set_aside) == ("Salesforce", [])
    one, two, three = "00Q5g00000ABcdEEAT", "00Q5g00000AbCdEEAV", "00Q5g00000abCdEEAU"
    assert len(found.buckets) == 3
    assert found.all(STAGES) == [
        (one, "lead disqualified"),
        (two, "lead sal sql opportunity customer"),
        (three, "lead"),
    ]
    assert found.all(REASONS) == [(one, "disqualified", "no_budget", dt.date(2026, 2, 14))]
    assert found.all(CYCLES) == [
        (one, "screened_out", 0, 0),
        (two, "won", 10000, 10000),
        (three, "open", 0, 0),
    ]
    assert found.all("select lead_id, kind, rep_id from raw.activities") == [
        (two, "Call", "0055g000000AAAA")
    ]
    assert found.all("select owner_id from raw.owner_changes") == [("0055g000000AAAA",)]


def test_a_whole_export_of_pipedrive(read: Proposed) -> None:
    people = (
        "Person - ID,Person - Name,Person - Owner,Person - Email - Work,Person - Phone - Work,"
        "Person - Person created,Person - Organization,Person - Label\n"
        "1,Ada Ek,Ana Silva,a@x.example,,2026-01-02 08:00:00,Acme,Hot lead\n"
        "2,Bo Li,Tom Berg,b@x.example,,2026-01-03 08:00:00,Beta,Warm lead\n"
        "3,Cy No,Ana Silva,c@x.example,,2026-01-04 08:00:00,Gamma,\n"
    )
    deals = (
        "Deal - ID,Deal - Title,Deal - Value,Deal - Currency of Value,Deal - Stage,"
        "Deal - Status,Deal - Deal created,Deal - Won time,Deal - Lost time,"
        "Deal - Deal closed on,Deal - Lost reason,Deal - Owner,Deal - Contact person,"
        "Deal - Pipeline\n"
        '501,D1,"1,500.00",EUR,Contact Made,Won,2026-02-02 09:00:00,2026-04-02 09:00:00,,'
        "2026-04-02 09:00:00,,Ana Silva,Ada Ek,Pipeline\n"
        "502,D2,900,EUR,Demo Scheduled,Lost,2026-02-03 09:00:00,,2026-04-03 09:00:00,"
        "2026-04-03 09:00:00,Too expensive,Tom Berg,Bo Li,Pipeline\n"
        "503,D3,300,EUR,Negotiations Started,Open,2026-02-04 09:00:00,,,,,Ana Silva,Ada Ek,"
        "Pipeline\n"
    )
    activities = (
        "Activity - ID,Activity - Type,Activity - Subject,Activity - Done,Activity - Due date,"
        "Activity - Due time,Activity - Assigned to user,Activity - Deal,"
        "Activity - Contact person\n"
        "1,Meeting,s,Done,2026-02-02,10:00,Ana Silva,D1,Ada Ek\n"
        "2,Call,s,To do,2026-02-03,10:00,Tom Berg,D2,Bo Li\n"
        "3,Call,s,Done,2026-02-04,10:00,Tom Berg,D2,Bo Li\n"
    )
    found = read(
        {
            "people-16234-123.csv": people,
            "deals-16234-124.csv": deals,
            "activities-16234-125.csv": activities,
        }
    )
    assert (found.proposal.crm, found.set_aside) == ("Pipedrive", [])
    assert set(found.buckets) == {"1", "2", "3"}
    assert found.all(STAGES) == [
        ("1", "opportunity customer"),
        ("2", "opportunity closed_lost"),
    ]
    assert found.all(CYCLES)[:2] == [("1", "won", 1800, 1500), ("2", "lost", 900, 0)]
    assert found.all(DONE) == [("1", "Meeting", None), ("2", "Call", None)]
