"""Records that were merged into another one, as the record that is left lists their ids.

A CRM's export has no rows of them any more, but other tables may still name them. Each becomes a
row of its own that says what it was merged into; one that the export does have is told so.
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


def merge_listed(
    connection: DuckDBPyConnection, table: str, source_system: str, load_id: int
) -> dict[str, int]:
    """Tell apart what the rows of a load list as merged into them; rows made, by file."""
    own_id, merged_into, needed = MERGES[table]
    raw = f"{RAW_SCHEMA}.{table}"
    # Ids stand one by one; HubSpot writes the moment of the merge behind a colon.
    connection.execute(
        f"""
        create or replace temp table listed_merges as
        select merged_id, min_by(struct_pack(
            source_file, source_row, survivor_id, {", ".join(needed)}
        ), source_row) as survivor
        from (
            select
                trim(split_part(unnest(regexp_split_to_array(
                    json_extract_string({EXTRA_COLUMNS}, '$."{KEPT_AS}"'), '[;,|]'
                )), ':', 1)) as merged_id,
                source_file, source_row, trim({own_id}) as survivor_id, {", ".join(needed)}
            from {raw}
            where source_system = ? and load_id = ?
        )
        where merged_id != '' and merged_id != survivor_id
        group by merged_id
        """,
        [source_system, load_id],
    )
    connection.execute(
        f"""
        update {raw} as present set {merged_into} = listed.survivor.survivor_id
        from listed_merges as listed
        where
            present.source_system = ? and present.load_id = ?
            and trim(present.{own_id}) = listed.merged_id and present.{merged_into} is null
        """,
        [source_system, load_id],
    )
    names = ", ".join(needed)
    connection.execute(
        f"""
        delete from listed_merges where merged_id in (
            select trim({own_id}) from {raw}
            where source_system = ? and load_id = ? and {own_id} is not null
        )
        """,
        [source_system, load_id],
    )
    connection.execute(
        f"""
        insert into {raw} (source_system, load_id, source_file, source_row,
            {own_id}, {merged_into}, {names})
        select
            ?, ?, survivor.source_file, survivor.source_row, merged_id, survivor.survivor_id,
            {", ".join(f"survivor.{name}" for name in needed)}
        from listed_merges
        """,
        [source_system, load_id],
    )
    made = connection.execute(
        "select survivor.source_file, count(*) from listed_merges group by all order by all"
    ).fetchall()
    connection.execute("drop table listed_merges")
    return dict(made)
