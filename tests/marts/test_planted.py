"""The proof of the diagnostics on a small scale: how it looks and how it counts."""

from datetime import timedelta

from dagster_project.simulation.assumptions import YEAR_END
from dagster_project.simulation.scenario import Cause
from tests.marts.planted import CHANGES, LEVELS, Look, World, episodes, statuses, verdicts

OK, ACT = ["ok"], ["ok", "act"]
EVERY_ONE_OK: Look = dict.fromkeys((*CHANGES.values(), *LEVELS.values()), OK)


def world(cause: Cause) -> World:
    return World(cause, 1, YEAR_END - timedelta(200), (YEAR_END,), 2_000)


def test_diagnostics_find_a_cause_from_the_raw_tables_on() -> None:
    (look,) = statuses(world(Cause.MISSING_REASONS))
    assert look["outcomes"] == ["act"]
    assert look["bottleneck"] == ["ok"]


def test_an_episode_is_counted_once_until_it_ends() -> None:
    looks = [{"mql_gaming": said} for said in (OK, ACT, ACT, OK, ["watch"], OK, ["too_few"])]
    assert episodes(looks, "mql_gaming") == 2


def test_bounds_fail_where_a_diagnostic_finds_too_little_or_too_much() -> None:
    found = {cause: {**EVERY_ONE_OK, name: ["act", "watch"]} for cause, name in CHANGES.items()}
    found |= {cause: {**EVERY_ONE_OK, name: ["act", "watch"]} for cause, name in LEVELS.items()}
    found[Cause.NONE] = EVERY_ONE_OK

    def failing(**other: Look) -> set[str]:
        looks = {cause: other.get(cause.name, look) for cause, look in found.items()}
        results = [(world(cause), [look]) for cause, look in looks.items()]
        return {row.diagnostic for row in verdicts(results) if not row.holds}

    assert failing() == set()
    assert failing(GAMING=EVERY_ONE_OK, BOTTLENECK=EVERY_ONE_OK) == {"mql_gaming", "bottleneck"}
    assert failing(NONE={**EVERY_ONE_OK, "outcomes": ACT}) == {"outcomes"}
