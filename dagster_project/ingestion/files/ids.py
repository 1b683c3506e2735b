"""Ids as they stand in files: those that no run can read, and those that several rows have."""

from collections.abc import Iterator, Mapping

from duckdb import DuckDBPyConnection

from dagster_project.ingestion.files.resources import comparable, is_no_id


def troubles_of_ids(
    connection: DuckDBPyConnection, relation: str, cells: Mapping[str, str], own: str
) -> Iterator[str]:
    """A line for each file and header with such ids.

    ``cells``: header -> its column of the relation, which has ``source_file``, too. ``own``: the
    header of the rows' own ids, of which no two may be the same; empty if there is none.
    """
    for header, cell in cells.items():
        unread = connection.execute(
            f"select source_file, count(*), min({cell}) from {relation} where {is_no_id(cell)} "
            "group by 1 order by 1"
        ).fetchall()
        for file, rows, sample in unread:
            yield (
                f"{file}: {header}: {rows:,} of the ids can't be read (for example {sample}); "
                "export ids as text"
            )
    if own not in cells:
        return
    cell = cells[own]
    ((ids, rows, sample, files),) = connection.execute(
        f"""
        select count(*), sum(found), min(id), list_sort(list_distinct(flatten(list(files))))
        from (
            select min(trim({cell})) as id, count(*) as found, list(distinct source_file) as files
            from {relation}
            where trim({cell}) <> '' and not {is_no_id(cell)}
            group by {comparable(cell)}
            having count(*) > 1
        )
        """
    ).fetchall()
    if ids:
        yield (
            f"{', '.join(files)}: {own}: {rows:,} rows share {ids:,} {'id' if ids == 1 else 'ids'} "
            f"(for example {sample}); of each id a run reads one row"
        )
