"""A column's value may stand in another file of the export, by key."""

import zipfile

import pytest

from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.settings import load_settings
from dagster_project.ingestion.files.load import check
from dagster_project.ingestion.files.settings import FilesSource

OWNERS = "Id;Full Name\n7;Ada A\n8;Bo B\n9;Cy C\n10;Cy C\n"
BY_NAME = {"file": "owners.csv", "key": "Full Name", "value": "Id", "from": "Lead Owner"}
LEADS = (
    "lead_id,created_at,Lead Owner\n"
    "L1,2026-01-01,Ada A\nL2,2026-01-02, bo b \nL3,2026-01-03,Nobody\nL4,2026-01-04,\n"
    "L5,2026-01-05,Cy C\n"
)


def test_owner_names_become_ids(ingest, export, rows):
    (export / "owners.csv").write_text(OWNERS)
    (export / "leads.csv").write_text(LEADS)
    result = ingest(tables={"leads": {"lookups": {"owner_id": BY_NAME}}})
    found = [item for (item,) in rows("select owner_id from raw.leads order by lead_id")]
    assert found == ["7", "8", "Nobody", None, "Cy C"]
    assert [note.message for note in result.notes] == [
        "tables.leads.lookups.owner_id: 1 value of Full Name with several Id: Cy C; rows that have "
        "it keep it",
        "tables.leads.lookups.owner_id: 1 row has a value that owners.csv does not have as Full "
        "Name: Nobody (1); it stays as it is",
    ]
    assert rows("select source_row from raw.leads order by lead_id") == [
        (at,) for at in range(2, 7)
    ]


def test_keys_of_salesforce_are_found_in_either_form(ingest, export, rows):
    # Reports show 15 characters, of which two differ by case alone; data loaders give 18.
    (export / "owners.csv").write_text(
        "Id,Rep\n005A0000001abcD,R1\n005A0000001aBcD,R2\n005A0000001xyzEIAQ,R3\n"
    )
    (export / "leads.csv").write_text(
        "lead_id,created_at,Owner\nL1,2026-01-01,005A0000001abcDIAQ\n"
        "L2,2026-01-02,005A0000001aBcDIAU\nL3,2026-01-03,005A0000001xyzE\n"
        "L4,2026-01-04,005a0000001xyzeiaq\n"
    )
    by_id = {"file": "owners.csv", "key": "Id", "value": "Rep", "from": "Owner"}
    result = ingest(tables={"leads": {"lookups": {"owner_id": by_id}}})
    found = [item for (item,) in rows("select owner_id from raw.leads order by lead_id")]
    assert found == ["R1", "R2", "R3", "R3"]
    assert result.notes == []


def test_doctor_reports_values_that_are_not_found(export):
    (export / "owners.csv").write_text(OWNERS)
    (export / "leads.csv").write_text(LEADS)
    source = {
        "kind": "files",
        "path": export,
        "tables": {"leads": {"lookups": {"owner_id": BY_NAME}}},
    }
    found = check(FilesSource.model_validate(source))
    warnings = [finding.message for finding in found if finding.status == "warning"]
    assert ["1 row has a value" in message for message in warnings] == [False, True]


def test_rows_that_are_not_read_are_not_looked_up(ingest, export, rows):
    (export / "owners.csv").write_text(OWNERS)
    (export / "leads.csv").write_text(LEADS)
    where = {"Lead Owner": {"not": ["Nobody", "Cy C"]}}
    result = ingest(tables={"leads": {"lookups": {"owner_id": BY_NAME}, "where": where}})
    assert rows("select count(*) from raw.leads") == [(3,)]
    assert not any("stays as it is" in note.message for note in result.notes)


def test_lead_of_a_deal_by_its_account_in_parts_and_archives(ingest, export, rows):
    (export / "people-1.csv").write_text("Contact,Account\nL1,Acme\n")
    with zipfile.ZipFile(export / "people.zip", "w") as target:
        target.writestr("people-2.csv", "Account,Contact\nBeta,L2\n")
    (export / "opportunities.csv").write_text(
        "opportunity_id,created_at,Account Name\nO1,2026-01-01,ACME\nO2,2026-01-02,Beta\n"
    )
    lookup = {
        "file": ["people-1.csv", "people.zip/*"],
        "key": "Account",
        "value": "Contact",
        "from": "Account Name",
    }
    ingest(tables={"opportunities": {"lookups": {"lead_id": lookup}}})
    assert rows("select opportunity_id, lead_id from raw.opportunities order by 1") == [
        ("O1", "L1"),
        ("O2", "L2"),
    ]


def test_key_is_read_from_the_mapped_column_and_the_value_is_mapped(ingest, export, rows):
    (export / "stages.jsonl").write_text('{"id": 1, "name": "Won"}\n{"id": 2, "name": "Open"}\n')
    (export / "stage_changes.csv").write_text("lead_id,changed_at,Step\nL1,2026-01-01,1\n")
    ingest(
        tables={
            "stage_changes": {
                "columns": {"to_stage": "Step"},
                "lookups": {"to_stage": {"file": "stages.jsonl", "key": "id", "value": "name"}},
                "values": {"to_stage": {"won": "customer"}},
            }
        }
    )
    assert rows("select to_stage from raw.stage_changes") == [("customer",)]


def test_large_lookup_finds_every_row(ingest, export, rows):
    many = range(20_000)
    (export / "accounts.csv").write_text("k,v\n" + "".join(f"K{at},L{at}\n" for at in many))
    (export / "activities.csv").write_text(
        "lead_id,occurred_at\n" + "".join(f"K{at},2026-01-01\n" for at in many)
    )
    lookup = {"file": "accounts.csv", "key": "k", "value": "v"}
    ingest(tables={"activities": {"lookups": {"lead_id": lookup}}})
    right = "select count(*) from raw.activities where lead_id = 'L' || (source_row - 2)"
    assert rows(right) == [(20_000,)]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"key": "Name"}, ["owners.csv: no column 'Name'", "lookups.owner_id.key", "Full Name"]),
        ({"value": "Key"}, ["owners.csv: no column 'Key'", "lookups.owner_id.value", "Id"]),
        (
            {"from": "Owner"},
            ["leads.csv: no column 'Owner'", "lookups.owner_id.from", "Lead Owner"],
        ),
        ({"file": "users.csv"}, ["users.csv: no such file", "lookups.owner_id.file"]),
    ],
)
def test_what_is_missing_is_named(ingest, export, change, parts):
    (export / "owners.csv").write_text(OWNERS)
    (export / "leads.csv").write_text(LEADS)
    with pytest.raises(SourceError) as caught:
        ingest(tables={"leads": {"lookups": {"owner_id": {**BY_NAME, **change}}}})
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("lookup", "parts"),
    [
        ("owner: {file: a.csv, key: k, value: v}", ["leads.lookups", "no column 'owner'"]),
        ("owner_id: {file: a.csv, key: k}", ["lookups.owner_id.value", "required"]),
        ("owner_id: {file: a.csv, key: k, value: v, to: x}", ["lookups.owner_id.to", "from, key"]),
    ],
)
def test_wrong_lookup_is_refused_before_anything_is_read(tmp_path, lookup, parts):
    config = tmp_path / "handoff.yml"
    config.write_text(
        f"sources: [{{kind: files, path: ., tables: {{leads: {{lookups: {{{lookup}}}}}}}}}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(config)
    for part in parts:
        assert part in str(caught.value)


def test_the_values_that_are_missed_most_are_quoted(ingest, export):
    (export / "owners.csv").write_text(OWNERS)
    missed = ["a", "B", "b", *"cdefgh"]
    (export / "leads.csv").write_text(
        "lead_id,created_at,Lead Owner\n"
        + "".join(f"L{at},2026-01-01,{owner}\n" for at, owner in enumerate(missed))
    )
    result = ingest(tables={"leads": {"lookups": {"owner_id": BY_NAME}}})
    said = " ".join(note.message for note in result.notes)
    assert "9 rows have a value that owners.csv does not have as Full Name: B (2), a (1), " in said
    assert "e (1), and others; it stays as it is" in said
