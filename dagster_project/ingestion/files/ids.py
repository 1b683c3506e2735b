"""Ids as they stand in files: those that no run can read, and those that several rows have."""

from collections.abc import Iterator, Mapping

from duckdb import DuckDBPyConnection

from dagster_project.config.contract import ContractTable
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.files.resources import is_no_id, model_id


def troubles_of_ids(
    connection: DuckDBPyConnection, relation: str, table: ContractTable, headers: Mapping[str, str]
) -> Iterator[str]:
    """A line for each file and header with such ids.

    ``relation``: the table's rows, with ``file_id``. ``headers``: by column of ids the header
    that it is read from; others are not looked at.
    """
    rows = f"{relation} inner join {RAW_SCHEMA}.files using (file_id)"
    # A header that several columns take is told once.
    cells = {headers[column]: column for column in reversed(table.ids) if column in headers}
    for header, cell in cells.items():
        unread = connection.execute(
            f"select source_file, count(*), min({cell}) from {rows} where {is_no_id(cell)} "
            "group by 1 order by 1"
        ).fetchall()
        for file, found, sample in unread:
            yield (
                f"{file}: {header}: {found:,} of the ids can't be read (for example {sample}); "
                "export ids as text"
            )
    own = table.record_id
    if own is None or own not in headers:
        return
    ((ids, found, sample, files),) = connection.execute(
        f"""
        select count(*), sum(found), min(id), list_sort(list_distinct(flatten(list(files))))
        from (
            select min(trim({own})) as id, count(*) as found, list(distinct source_file) as files
            from {rows}
            where trim({own}) <> '' and not {is_no_id(own)}
            group by {model_id(own)}
            having count(*) > 1
        )
        """
    ).fetchall()
    if ids:
        yield (
            f"{', '.join(files)}: {headers[own]}: {found:,} rows share {ids:,} "
            f"{'id' if ids == 1 else 'ids'} (for example {sample}); of each id a run reads one row"
        )
