"""What a company writes into its policy has an effect, or is known to be for people."""

from __future__ import annotations

import re
from functools import cache

from dagster_project.config import policy
from expectations.catalogue import known_checks
from tests.warehouse import POLICY_DIR, project

# Columns that no model reads: people do, in the table itself or in a mart that shows them.
FOR_PEOPLE = {
    "conversion_pairs.sort_order",
    "definition_versions.note",
    "definition_versions.signed_off_by",
    "diagnostics.step",
    "holidays.holiday_name",
    "rule_parameters.meaning",
    "score_bands.temperature",
    "stages.owner_team",
    "targets.owner_team",
    "traditions.description",
    "traditions.label",
}


@cache
def is_read(source: str, column: str) -> bool:
    """Whether any model downstream of a table does more with a column than hand it on."""
    for model in project().models.values():
        if source in model.parents:
            names = handed_on(model.query, column)
            if names is None:
                return True
            if any(is_read(model.name, name) for name in names & model.columns.keys()):
                return True
    return False


def handed_on(query: str, column: str) -> set[str] | None:
    """The names under which a query only hands a column on; None when it does more with it."""
    names = set()
    for written in query.splitlines():
        line = re.sub(r"'[^']*'", "''", written.partition("--")[0]).strip().rstrip(",")
        if re.search(r"(^|select |\.)\*($| from)", line):
            names.add(column)
        elif bare := re.fullmatch(rf"(?:\w+\.)?{column}(?: as (\w+))?", line):
            names.add(bare[1] or column)
        elif re.search(rf"\b{column}\b", re.sub(r"\bas \w+$", "", line)):
            return None
    return names


def test_every_column_of_the_policy_is_read_or_for_people() -> None:
    columns = {
        f"{table}.{column}": is_read(table, column)
        for table, types in project().policy_types.items()
        for column in types
    }
    # A check may read what a mart shows of the policy.
    checks = " ".join(check.cases for check in known_checks().values())
    unread = {
        name
        for name, has_reader in columns.items()
        if not has_reader and not re.search(rf"\b{name.partition('.')[2]}\b", checks)
    }
    assert unread - FOR_PEOPLE == set(), "nothing reads it: use it or remove it"
    assert FOR_PEOPLE - columns.keys() == set(), "there is no such column"


# What the run's policy makes of a parameter under another name than its own.
DERIVED = {"change_window": "change_days", "change_history": "change_windows"}


def test_every_parameter_is_read() -> None:
    decided = project().models["int_run_policy"].columns
    parameters = {row["parameter"] for row in policy.cells(POLICY_DIR, "rule_parameters")}
    unread = {
        parameter
        for parameter in parameters
        if not any(
            is_read("int_run_policy", column)
            for column in decided
            if column.startswith(DERIVED.get(parameter, parameter))
        )
    }
    assert unread == set()


def test_a_column_that_is_only_handed_on_is_not_read() -> None:
    shown = "select\n    codes.note as remark,\n    label -- and note\nfrom codes"
    assert handed_on(shown, "note") == {"remark"}
    assert handed_on("select *\nfrom codes", "note") == {"note"}
    assert handed_on("select label\nfrom codes\nwhere note is not null", "note") is None
