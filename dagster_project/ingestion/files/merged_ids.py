"""Records that were merged into another one, as the record that is left lists their ids.

A CRM's export has no rows of them any more, but other tables may still name them. Each becomes a
row of its own that says what it was merged into; one that the source does have, from this load or
an earlier one, is told so.
"""

from duckdb import DuckDBPyConnection

from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.raw_schema import EXTRA_COLUMNS

# Where the list is kept among the extra columns.
KEPT_AS = "~merged_ids"
# Of each table that may list ids: the id, what it was merged into, and what its rows need besides.
MERGES = {
    "leads": ("lead_id", "merged_into_lead_id", ("created_at",)),
    "opportunities": ("opportunity_id", "merged_into_opportunity_id", ("lead_id", "created_at")),
}


def _comparable(record_id: str) -> str:
    """SQL for an id to compare: of a Salesforce id of 18 characters the 15 that tell it apart.

    The three more are a checksum of which of the 15 are upper case.
    """
    checksum = " || ".join(
        "substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ012345', 1"
        + "".join(
            f" + if(ascii(substr({record_id}, {part + place}, 1)) between 65 and 90, {2**place}, 0)"
            for place in range(5)
        )
        + ", 1)"
        for part in (1, 6, 11)
    )
    return f"""
        case
            when regexp_full_match({record_id}, '[A-Za-z0-9]{{18}}')
                and substr({record_id}, 16) = {checksum}
                then substr({record_id}, 1, 15)
            else {record_id}
        end
    """


def merge_listed(
    connection: DuckDBPyConnection, table: str, source_system: str, load_id: int
) -> dict[str, int]:
    """Tell apart what the rows of a source list as merged into them; rows made, by file."""
    own_id, merged_into, needed = MERGES[table]
    raw = f"{RAW_SCHEMA}.{table}"
    names = ", ".join(needed)
    # One by one, or as a JSON list; HubSpot writes the moment of the merge behind a colon.
    connection.execute(
        f"""
        create or replace temp table listed_merges as
        select {_comparable("merged_id")} as merged_key, min_by(struct_pack(
            merged_id, source_file, source_row, survivor_id, {names}
        ), (load_id, source_row)) as survivor
        from (
            select
                trim(trim(split_part(unnest(regexp_split_to_array(
                    json_extract_string({EXTRA_COLUMNS}, '$."{KEPT_AS}"'), '[;,|]'
                )), ':', 1)), '[]"') as merged_id,
                load_id, source_file, source_row, trim({own_id}) as survivor_id, {names}
            from {raw}
            where source_system = ?
        )
        where merged_id != '' and merged_key != {_comparable("survivor_id")}
        group by merged_key
        """,
        [source_system],
    )
    connection.execute(
        f"""
        update {raw} as present set {merged_into} = listed.survivor.survivor_id
        from listed_merges as listed
        where
            present.source_system = ? and present.{merged_into} is null
            and {_comparable(f"trim(present.{own_id})")} = listed.merged_key
        """,
        [source_system],
    )
    connection.execute(
        f"""
        delete from listed_merges where merged_key in (
            select {_comparable(f"trim({own_id})")} from {raw}
            where source_system = ? and {own_id} is not null
        )
        """,
        [source_system],
    )
    connection.execute(
        f"""
        insert into {raw} (source_system, load_id, source_file, source_row,
            {own_id}, {merged_into}, {names})
        select
            ?, ?, survivor.source_file, survivor.source_row, survivor.merged_id,
            survivor.survivor_id, {", ".join(f"survivor.{name}" for name in needed)}
        from listed_merges
        """,
        [source_system, load_id],
    )
    made = connection.execute(
        "select survivor.source_file, count(*) from listed_merges group by all order by all"
    ).fetchall()
    connection.execute("drop table listed_merges")
    return dict(made)
