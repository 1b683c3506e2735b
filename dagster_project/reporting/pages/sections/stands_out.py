"""What stands out: the findings that ask for something, each with its next step."""

from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts
from dagster_project.reporting.pages.section import Points, Section, text

NEEDED = ("what_stands_out", "funnel_diagnostics")


def section(marts: Marts, cubes: Cubes) -> Section:
    """The findings in the order of the mart."""
    del cubes  # Findings are of the whole: no filter changes them.
    found = marts.rows("select * from what_stands_out order by place")
    [counts] = marts.rows(
        """
        select
            count(*) as every,
            count(*) filter (status = 'too_few') as too_few,
            count(*) filter (status = 'not_applicable') as unknowable
        from funnel_diagnostics
        """
    )
    to_act = sum(row["status"] == "act" for row in found)
    return Section(
        anchor="stands-out",
        title="What stands out",
        finding=text(_finding(len(found), to_act)),
        parts=(
            Points(
                tuple(
                    (row["status"], text(row["sentence"]), row["next_step"] or "") for row in found
                )
            ),
        )
        if found
        else (),
        marts=NEEDED,
        note=_judged(**counts),
    )


def _judged(every: int, too_few: int, unknowable: int) -> str:
    """How much of the diagnosis was possible: what is not judged may be well or not."""
    rest = [f"{too_few:,} had too few cases"] if too_few else []
    rest += [f"{unknowable:,} can't be told from this data"] if unknowable else []
    judged = f"{every - too_few - unknowable:,} of {every:,} diagnostics could be judged"
    return f"{judged}; {', '.join(rest)}." if rest else f"{judged}."


def _finding(found: int, to_act: int) -> str:
    if not found:
        return "Nothing stands out in what could be judged"
    calls = "calls" if to_act == 1 else "call"
    of_them = f"{to_act:,} of {found:,} findings {calls} for action"
    return of_them if to_act else f"{found:,} to watch, none that calls for action"
