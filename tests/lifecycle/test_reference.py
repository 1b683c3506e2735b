"""The reference reading itself: it must give every cell of the golden cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lifecycle import golden, reference
from tests.lifecycle.company_policy import Policy, Tradition

POLICY = Policy.from_directory(Path(__file__).parents[2] / "seeds" / "policy")


@pytest.mark.parametrize("tradition", golden.TRADITIONS)
def test_reference_gives_every_golden_cell(tradition: str) -> None:
    run = reference.Run(as_of=golden.AS_OF, tradition=tradition)
    result = reference.read(golden.export(), POLICY, run)
    facts = dict(zip(golden.FACTS, (result.stages, result.cycles, result.violations), strict=True))
    for name, rows in facts.items():
        expected = golden.expected(tradition, name)
        assert golden.same_columns(rows, expected) == golden.same_columns(expected, expected), name


def test_reference_classifies_every_move_that_is_listed() -> None:
    """Stages that a tradition gained since are not listed; those that it lost are missed."""
    expected = golden.read_csv(golden.DIRECTORY / "stage_transitions.csv")
    moves = []
    for name in POLICY.traditions():
        tradition = Tradition(POLICY, name)
        for before in [None, *tradition.stages.values()]:
            for after in tradition.stages.values():
                if before is after:
                    continue
                kind, is_valid, requires_reason = tradition.move(before, after)
                moves.append(
                    {
                        "tradition": name,
                        "from_stage": before.name if before else None,
                        "to_stage": after.name,
                        "transition_kind": kind,
                        "is_valid": is_valid,
                        "requires_reason": requires_reason,
                    }
                )
    listed = set(golden.same_columns(expected, expected))
    assert listed - set(golden.same_columns(moves, expected)) == set()
