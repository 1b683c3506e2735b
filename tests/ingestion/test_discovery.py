"""What ``handoff init`` proposes for small exports of real systems reads without an error."""

import zipfile
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from openpyxl import Workbook

from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.settings import load_settings
from dagster_project.ingestion.discovery.plans import Proposal
from dagster_project.ingestion.discovery.proposal import propose
from dagster_project.ingestion.dispatch import ingest_source
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.ingestion.result import IngestionResult

HUBSPOT = {
    "hubspot-crm-exports-all-contacts-2026-11-20.csv": (
        "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Lifecycle Stage,"
        "Lead Status,Create Date,Company Name,Job Title,Number of Employees,Country/Region,"
        "Original Source,HubSpot Score,Last Modified Date,"
        "Became a Marketing Qualified Lead Date,Became a Sales Qualified Lead Date,"
        "Became a Customer Date\n"
        "501,Ada,Ek,ada@acme.example,+31 6 1234,Rob Reps,Customer,New,2026-01-05 09:12,Acme,"
        "CTO,200,NL,Organic Search,55,2026-03-01 10:00,2026-01-06 10:00,2026-01-09 11:30,"
        "2026-03-01 10:00\n"
        "502,Bo,Li,bo@beta.example,,Rob Reps,Marketing Qualified Lead,Attempted to Contact,"
        '2026-01-07 12:00,"Beta, Inc.",VP Sales,50,DE,Paid Search,20,2026-01-08 08:00,'
        "2026-01-08 08:00,,\n"
        "503,Cy,No,cy@gamma.example,,,Unqualified Person,Unqualified,2026-02-01 12:00,,,,,"
        "Direct Traffic,,2026-02-02 08:00,,,\n"
    ),
    "hubspot-crm-exports-all-deals-2026-11-20.csv": (
        "Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount,Create Date,"
        "Associated Contact IDs,Closed Lost Reason\n"
        '900,Acme new,Closed Won,2026-03-01 10:00,Rob Reps,"$12,000.00",2026-01-20 09:00,501,\n'
        '901,Beta,Appointment Scheduled,2026-06-30 23:59,Rob Reps,"$1,500.50",2026-02-01 09:00,'
        "502,\n"
        "902,Gamma,Closed Lost,2026-04-01 10:00,Rob Reps,,2026-02-03 09:00,503,Price\n"
    ),
}
SALESFORCE = {
    "Lead.csv": (
        '"Id","IsDeleted","MasterRecordId","LastName","Company","Title","Email","LeadSource",'
        '"Status","Industry","NumberOfEmployees","OwnerId","IsConverted","ConvertedDate",'
        '"CreatedDate","LastModifiedDate","SystemModstamp","MQL_Date__c"\n'
        '"00Q1","false","","Ek","Acme","CTO","ada@acme.example","Web","Working - Contacted",'
        '"Software","200","0051","false","","2026-01-05T09:12:44.000Z",'
        '"2026-01-20T08:00:00.000Z","2026-01-20T08:00:00.000Z","2026-01-06"\n'
        '"00Q2","false","","Li","Beta","VP","bo@beta.example","Event","Closed - Not Converted",'
        '"Retail","50","0052","false","","2026-01-07T12:00:00.000Z",'
        '"2026-01-21T08:00:00.000Z","2026-01-21T08:00:00.000Z",""\n'
        '"00Q3","true","00Q1","Ek","Acme","CTO","ada@acme.example","Web","Waiting room",'
        '"Software","200","0051","false","","2026-01-05T10:00:00.000Z",'
        '"2026-01-20T08:00:00.000Z","2026-01-20T08:00:00.000Z",""\n'
    ),
    "LeadHistory.csv": (
        '"Id","IsDeleted","LeadId","CreatedById","CreatedDate","Field","OldValue","NewValue"\n'
        '"0171","false","00Q1","0051","2026-01-20T08:00:00.000Z","Status",'
        '"Open - Not Contacted","Working - Contacted"\n'
        '"0172","false","00Q1","0051","2026-01-20T08:00:00.000Z","Owner","0052","0051"\n'
        '"0173","false","00Q2","0052","2026-01-21T08:00:00.000Z","Status",'
        '"Working - Contacted","Closed - Not Converted"\n'
        '"0174","false","00Q2","0052","2026-01-21T08:00:00.000Z","Email","a@b.example",""\n'
    ),
    "Task.csv": (
        '"Id","WhoId","OwnerId","Subject","TaskSubtype","Status","CompletedDateTime",'
        '"CallType","CreatedDate"\n'
        '"00T1","00Q1","0051","Call","Call","Completed","2026-01-06T10:04:00.000Z",'
        '"Outbound","2026-01-06T10:00:00.000Z"\n'
        '"00T2","00Q2","0052","Mail","Email","Completed","2026-01-08T10:04:00.000Z",'
        '"","2026-01-08T10:00:00.000Z"\n'
    ),
    "Opportunity.csv": (
        '"Id","Name","StageName","Amount","CloseDate","IsClosed","IsWon","CreatedDate",'
        '"OwnerId","Loss_Reason__c"\n'
        '"0061","Acme","Closed Won","12000.0","2026-03-01","true","true",'
        '"2026-01-22T08:00:00.000Z","0051",""\n'
        '"0062","Beta","Proposal","500.0","2026-12-01","false","false",'
        '"2026-01-22T08:00:00.000Z","0051",""\n'
    ),
    "User.csv": (
        '"Id","Username","Name","IsActive","UserRoleId","Department","TimeZoneSidKey"\n'
        '"0051","rob@x.example","Rob Reps","true","00E1","Sales","Europe/Amsterdam"\n'
        '"0052","sue@x.example","Sue Sells","true","00E1","Sales","Europe/Amsterdam"\n'
    ),
}
PIPEDRIVE = {
    "deals-1234-1.csv": (
        "Deal - ID;Deal - Title;Deal - Owner;Deal - Value;Deal - Currency;Deal - Organization;"
        "Deal - Contact person;Deal - Stage;Deal - Status;Deal - Deal created;"
        "Deal - Update time;Deal - Won time;Deal - Lost time;Deal - Deal closed on;"
        "Deal - Lost reason\n"
        "1;Acme;Rob Reps;12.000,50;EUR;Acme;Ada Ek;Negotiations;Won;25.01.2026 10:00;"
        "01.03.2026 10:00;01.03.2026 10:00;;01.03.2026 10:00;\n"
        "2;Beta;Rob Reps;500;EUR;Beta;Bo Li;Qualified;Open;03.02.2026 09:30;"
        "04.02.2026 08:00;;;;\n"
        "3;Gamma;Sue Sells;1.250;EUR;Gamma;Cy No;Qualified;Lost;04.02.2026 09:30;"
        "05.02.2026 08:00;;05.02.2026 08:00;05.02.2026 08:00;Price\n"
    ),
    "people-1234-3.csv": (
        "Person - ID;Person - Name;Person - Owner;Person - Organization;Person - Person created\n"
        "71;Ada Ek;Rob Reps;Acme;20.01.2026 10:00\n"
        "72;Bo Li;Rob Reps;Beta;21.01.2026 10:00\n"
        "73;Cy No;Sue Sells;Gamma;22.01.2026 10:00\n"
    ),
    "activities-1234-2.csv": (
        "Activity - ID;Activity - Subject;Activity - Type;Activity - Assigned to user;"
        "Activity - Marked as done time;Activity - Contact person;Deal - ID\n"
        "11;Intro;Call;Rob Reps;26.01.2026 11:00;Ada Ek;1\n"
        "12;Lunch;Lunch;Rob Reps;03.02.2026 12:00;Bo Li;2\n"
    ),
}
ZOHO = {
    "Leads_001.csv": (
        "Record Id,Lead Owner.id,Lead Owner,Company,First Name,Last Name,Title,Email,"
        "Lead Source,Lead Status,Industry,No. of Employees,Created Time,Modified Time,Country\n"
        "zcrm_1,zcrm_u1,Rob,Acme,Ada,Ek,CTO,ada@acme.example,Trade Show,Pre-Qualified,Software,"
        "200,05/01/2026 09:12 AM,25/01/2026 10:00 AM,NL\n"
        "zcrm_2,zcrm_u1,Rob,Beta,Bo,Li,VP,bo@beta.example,Web,Marketing Qualified Lead,Retail,"
        "51-200,06/01/2026 01:12 PM,07/01/2026 10:00 AM,DE\n"
    ),
    "Deals_001.csv": (
        "Record Id,Deal Owner.id,Deal Owner,Deal Name,Amount,Closing Date,Stage,Contact Name.id,"
        "Created Time,Reason For Loss\n"
        "zcrm_d1,zcrm_u1,Rob,Acme,12000,2026-03-01,Closed Won,zcrm_1,20/01/2026 09:00 AM,\n"
        "zcrm_d2,zcrm_u1,Rob,Beta,500,2026-12-01,Proposal,zcrm_2,21/01/2026 09:00 AM,\n"
    ),
}
UNKNOWN = {
    "export.csv": (
        "customer_id\tfirst_seen\tmail\tstate\tEintritt MQL\tsql_at\n"
        "a-1\t1767604364\tx@acme.example\tMQL\t\t1767704364\n"
        "a-2\t1767604365\ty@acme.example\tSQL\t\t1767804364\n"
    ),
    "closed.csv": "ref\twon_date\tsum\na-1\t2026-03-01\t10\n",
    "notes.txt": "title\nnothing to see\n",
    "broken.csv.gz": "this is no gzip",
}


@pytest.fixture
def proposed(tmp_path: Path):
    """Write an export, propose, and read it as proposed."""

    def run(
        files: dict[str, str], warehouse: duckdb.DuckDBPyConnection
    ) -> tuple[Proposal, IngestionResult]:
        directory = tmp_path / "my export"
        directory.mkdir()
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
        proposal = propose(directory, tmp_path / "handoff.yml")
        settings = load_settings(tmp_path / "handoff.yml")
        assert settings.lifecycle.tradition == proposal.tradition
        return proposal, ingest_source(warehouse, settings.sources[0])

    return run


def counts(result: IngestionResult) -> dict[str, int]:
    return {name: table.rows_read for name, table in result.tables.items()}


def test_hubspot_export(proposed, warehouse, rows):
    proposal, result = proposed(HUBSPOT, warehouse)
    assert (proposal.crm, proposal.tradition) == ("HubSpot", "hubspot")
    assert counts(result) == {"leads": 3, "opportunities": 3, "stage_changes": 5}
    assert rows(
        "select lead_id, created_at, email, company, employee_count, country, lead_source, "
        "owner_id, current_stage, crm_score, updated_at from raw.leads order by 1 limit 1"
    ) == [
        (
            *("501", "2026-01-05 09:12", "ada@acme.example", "Acme", "200", "NL"),
            *("Organic Search", "Rob Reps", "Customer", "55", "2026-03-01 10:00"),
        )
    ]
    assert rows(
        "select opportunity_id, lead_id, amount, is_won, closed_at, loss_reason "
        "from raw.opportunities order by 1"
    ) == [
        ("900", "501", "$12,000.00", "true", "2026-03-01 10:00", None),
        ("901", "502", "$1,500.50", None, None, None),
        ("902", "503", None, "false", "2026-04-01 10:00", "Price"),
    ]
    assert rows("select lead_id, to_stage, changed_at from raw.stage_changes order by 1, 3") == [
        ("501", "mql", "2026-01-06 10:00"),
        ("501", "sql", "2026-01-09 11:30"),
        ("501", "customer", "2026-03-01 10:00"),
        ("502", "mql", "2026-01-08 08:00"),
        ("503", "Unqualified", "2026-02-02 08:00"),
    ]
    assert rows("select raw_stage, stage from raw.stage_map order by 1") == [
        ("Customer", "customer"),
        ("Marketing Qualified Lead", "mql"),
        ("Unqualified", "disqualified"),
    ]
    assert "# Unqualified Person: disqualified  # 1 rows; perhaps" in proposal.text
    assert "Last Modified Date stands for the date of the exit" in " ".join(proposal.unplaced)
    assert "example" not in proposal.text.replace("for example", "")


def test_salesforce_export(proposed, warehouse, rows):
    proposal, result = proposed(SALESFORCE, warehouse)
    assert (proposal.crm, proposal.tradition) == ("Salesforce", "salesforce")
    assert counts(result) == {
        "leads": 3,
        "stage_changes": 2,
        "activities": 2,
        "opportunities": 2,
        "owner_changes": 1,
        "reps": 2,
    }
    assert rows(
        "select lead_id, created_at, employee_count, owner_id, current_stage, is_deleted, "
        "merged_into_lead_id from raw.leads order by 1"
    )[2] == (*("00Q3", "2026-01-05T10:00:00.000Z", "200", "0051", "Waiting room", "true", "00Q1"),)
    assert rows("select lead_id, from_stage, to_stage, changed_by from raw.stage_changes") == [
        ("00Q1", "Open - Not Contacted", "Working - Contacted", "0051"),
        ("00Q2", "Working - Contacted", "Closed - Not Converted", "0052"),
    ]
    assert rows("select lead_id, owner_id from raw.owner_changes") == [("00Q1", "0051")]
    assert rows("select kind, direction, rep_id, lead_id from raw.activities order by 1") == [
        ("Call", "Outbound", "0051", "00Q1"),
        ("Email", None, "0052", "00Q2"),
    ]
    assert rows("select amount, is_won, closed_at from raw.opportunities order by 1") == [
        ("12000.0", "true", "2026-03-01"),
        ("500.0", "false", None),
    ]
    assert ("Working - Contacted", "sal") in rows("select raw_stage, stage from raw.stage_map")
    left = "\n".join(proposal.unplaced)
    assert "not known what these mean: Waiting room" in left
    assert "no column points to Id of Lead.csv" in left
    assert "#   - stage: mql" in proposal.text


def test_pipedrive_export(proposed, warehouse, rows):
    proposal, result = proposed(PIPEDRIVE, warehouse)
    assert proposal.crm == "Pipedrive"
    assert counts(result) == {"leads": 3, "opportunities": 3, "activities": 2}
    assert rows("select company, owner_id from raw.leads order by 1 limit 1") == [
        ("Acme", "Rob Reps")
    ]
    assert rows(
        "select lead_id, created_at, amount, is_won, closed_at, loss_reason "
        "from raw.opportunities order by 1"
    ) == [
        ("71", "25.01.2026 10:00", "12.000,50", "true", "01.03.2026 10:00", None),
        ("72", "03.02.2026 09:30", "500", None, None, None),
        ("73", "04.02.2026 09:30", "1.250", "false", "05.02.2026 08:00", "Price"),
    ]
    assert rows("select lead_id, kind, occurred_at from raw.activities order by 1") == [
        ("71", "Call", "26.01.2026 11:00"),
        ("72", "Lunch", "03.02.2026 12:00"),
    ]


def test_won_flag_without_a_closed_flag_gives_way_to_the_stage(proposed, warehouse, rows):
    deals = (
        "Opportunity ID,Lead ID,Created Date,Close Date,Won,Stage\n"
        "1,501,2026-01-01,2026-02-01,true,Closed Won\n2,502,2026-01-01,2026-12-01,false,Demo\n"
    )
    contacts = HUBSPOT["hubspot-crm-exports-all-contacts-2026-11-20.csv"]
    proposed({"contacts.csv": contacts, "deals.csv": deals}, warehouse)
    assert rows("select is_won, closed_at from raw.opportunities order by opportunity_id") == [
        ("true", "2026-02-01"),
        (None, None),
    ]


def test_zoho_export(proposed, warehouse, rows):
    proposal, result = proposed(ZOHO, warehouse)
    assert proposal.crm == "Zoho"
    assert counts(result) == {"leads": 2, "opportunities": 2}
    assert rows("select lead_id, owner_id, created_at, updated_at from raw.leads order by 1") == [
        ("zcrm_1", "zcrm_u1", "2026-01-05T09:12:00", "25/01/2026 10:00 AM"),
        ("zcrm_2", "zcrm_u1", "2026-01-06T13:12:00", "07/01/2026 10:00 AM"),
    ]
    assert rows("select lead_id, is_won, closed_at from raw.opportunities order by 1") == [
        ("zcrm_1", "true", "2026-03-01"),
        ("zcrm_2", None, None),
    ]
    left = "\n".join(proposal.unplaced)
    assert "No. of Employees would be leads.employee_count, but has values that are not " in left
    assert "(for example 51-200)" in left
    assert rows("select raw_stage, stage from raw.stage_map where raw_stage like 'Pre%'") == [
        ("Pre-Qualified", "sql")
    ]


def test_unknown_export(proposed, warehouse, rows):
    proposal, result = proposed(UNKNOWN, warehouse)
    assert proposal.crm == "unknown"
    assert counts(result) == {"leads": 2, "stage_changes": 3}
    assert rows("select lead_id, created_at from raw.leads order by 1")[0] == (
        "a-1",
        "1767604364",
    )
    changes = "raw.stage_changes join raw.files using (file_id)"
    assert rows(f"select lead_id, to_stage, source_file from {changes} order by 3, 1") == [
        ("a-1", "customer", "closed.csv"),
        ("a-1", "sql", "export.csv"),
        ("a-2", "sql", "export.csv"),
    ]
    left = "\n".join(proposal.unplaced)
    assert proposal.unread == ["notes.txt"]
    assert "broken.csv.gz: the gzip file is damaged" in left


def test_export_of_the_contract_is_placed_whole(proposed, warehouse):
    files = {
        "leads.csv": "lead_id,created_at,current_stage\nL1,2026-01-01T00:00:00Z,MQL\n",
        "channel_spend.csv": "spend_date,channel,amount\n2026-01-01,web,10\n",
        "engagements.csv": (
            "engagement_id,lead_id,kind,occurred_at\nE1,L1,Demo Request,2026-01-01T00:00:00Z\n"
        ),
    }
    proposal, result = proposed(files, warehouse)
    assert (proposal.crm, proposal.unplaced) == ("unknown", [])
    assert counts(result) == {"leads": 1, "channel_spend": 1, "engagements": 1}


def test_text_that_is_not_utf_8_is_read_as_a_run_reads_it(tmp_path, warehouse, rows):
    text = "Lead ID;Created Date;Company\n1;31/12/2025;Müller\n"
    (tmp_path / "leads.csv").write_text(text, encoding="cp1252")
    propose(tmp_path, tmp_path / "handoff.yml")
    ingest_source(warehouse, load_settings(tmp_path / "handoff.yml").sources[0])
    assert rows("select created_at, company from raw.leads") == [("31/12/2025", "Müller")]


def test_archives_and_workbooks_are_proposed_and_read(tmp_path, warehouse, rows):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as target:
        target.writestr("all contacts.csv", "Lead ID,Created Date\n1,2026-01-05\n2,2026-01-06\n")
        target.writestr("readme.pdf", "no table")
    (tmp_path / "damaged.zip").write_bytes(b"PK no archive")
    book = Workbook()
    book.active.append(["Activity ID", "Lead ID", "Type", "Occurred At"])
    book.active.append([7, 1, "Call", datetime(2026, 2, 1, 9, 30)])
    book.save(tmp_path / "activities.xlsx")
    proposal = propose(tmp_path, tmp_path / "handoff.yml")
    assert any("damaged.zip: the ZIP archive is damaged" in line for line in proposal.unplaced)
    result = ingest_source(warehouse, load_settings(tmp_path / "handoff.yml").sources[0])
    assert counts(result) == {"leads": 2, "activities": 1}
    leads = "raw.leads join raw.files using (file_id)"
    assert rows(f"select distinct source_file from {leads}") == [("export.zip/all contacts.csv",)]
    assert rows("select lead_id from raw.activities") == [("1",)]


def test_row_with_too_many_cells_does_not_stop_the_proposal(tmp_path):
    (tmp_path / "leads.csv").write_text("Lead ID,Created Date\n1,2026-01-05\n2,2026-01-06,x\n")
    proposal = propose(tmp_path, tmp_path / "handoff.yml")
    assert list(proposal.tables) == ["leads"]


def test_open_order_of_day_and_month_is_reported(tmp_path):
    (tmp_path / "leads.csv").write_text("Lead ID,Created Date\n1,05/01/2026\n2,06/02/2026\n")
    proposal = propose(tmp_path, tmp_path / "handoff.yml")
    assert "month first is a guess" in "\n".join(proposal.unplaced)
    assert "%m/%d/%Y" in proposal.text


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "leads.csv").write_text("lead_id,created_at\n1,2026-01-01\n")
    (tmp_path / "handoff.yml").write_text("mine")
    with pytest.raises(ConfigError, match="already exists"):
        propose(tmp_path, tmp_path / "handoff.yml")
    assert (tmp_path / "handoff.yml").read_text() == "mine"
    with pytest.raises(ConfigError, match="can't be written"):
        propose(tmp_path, tmp_path / "absent" / "handoff.yml")


def test_directory_without_exports(tmp_path):
    with pytest.raises(SourceError, match="no export that can be read"):
        propose(tmp_path, tmp_path / "handoff.yml")
    with pytest.raises(SourceError, match="no such directory"):
        propose(tmp_path / "absent", tmp_path / "handoff.yml")
    assert not (tmp_path / "handoff.yml").exists()


def test_values_that_yaml_could_misread_come_back(tmp_path):
    (tmp_path / "leads.csv").write_text(
        "lead_id,created_at,Status\n"
        "1,2026-01-01,Yes\n2,2026-01-01,\"a: 'b' # c\"\n3,2026-01-01,MQL\n4,2026-01-01,On\n"
    )
    proposal = propose(tmp_path, tmp_path / "handoff.yml")
    source = load_settings(tmp_path / "handoff.yml").sources[0]
    assert isinstance(source, FilesSource)
    assert source.stage_names == {"MQL": "mql"}
    assert {item.raw for item in proposal.stages} == {"Yes", "a: 'b' # c", "MQL", "On"}
