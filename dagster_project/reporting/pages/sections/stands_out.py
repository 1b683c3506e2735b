"""What stands out: the findings that ask for something, each with its next step."""

from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts
from dagster_project.reporting.pages.section import Points, Section, text

NEEDED = ("what_stands_out", "funnel_diagnostics")


def section(marts: Marts, cubes: Cubes) -> Section:
    """The findings in the order of the mart."""
    del cubes  # Findings are of the whole: no filter changes them.
    found = marts.rows("select * from what_stands_out order by place")
    judged = marts.value("select count(*) from funnel_diagnostics where status <> 'too_few'")
    to_act = sum(row["status"] == "act" for row in found)
    return Section(
        anchor="stands-out",
        title="What stands out",
        finding=text(_finding(len(found), to_act, judged)),
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
    )


def _finding(found: int, to_act: int, judged: int) -> str:
    if not judged:
        return "Too few leads to tell what stands out"
    if not found:
        return f"Nothing stands out: all {judged:,} readings are as usual"
    calls = "calls" if to_act == 1 else "call"
    of_them = f"{to_act:,} of {found:,} findings {calls} for action"
    return of_them if to_act else f"{found:,} to watch, none that calls for action"
