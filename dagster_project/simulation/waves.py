"""Leads on their way, as arrays: who reaches a step, and when."""

from typing import NamedTuple

import numpy as np

from dagster_project.simulation.working_time import Bools, Floats, Ints


class Wave(NamedTuple):
    """Leads (places in their block) and the moments when they reach a step."""

    lead: Ints
    at: Ints

    def where(self, keep: Bools) -> "Wave":
        """Those of the wave that a condition keeps."""
        return Wave(self.lead[keep], self.at[keep])

    def after(self, at: Ints) -> "Wave":
        """The same leads at other moments."""
        return Wave(self.lead, at)


EMPTY = Wave(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def join(*waves: Wave) -> Wave:
    """All leads of some waves."""
    return Wave(
        np.concatenate([wave.lead for wave in waves]), np.concatenate([wave.at for wave in waves])
    )


def odds(share: Floats | float, shift: Floats | float) -> Floats:
    """A share moved by log odds."""
    chance = np.asarray(share) / (1 - np.asarray(share))
    moved = chance * np.exp(shift)
    return np.asarray(moved / (1 + moved))


class Repeated(NamedTuple):
    """A wave with leads repeated; ``bounds`` says where each one's rows begin and end."""

    wave: Wave
    bounds: Ints


def repeat(wave: Wave, times: Ints) -> Repeated:
    """Each lead so many times."""
    return Repeated(
        Wave(np.repeat(wave.lead, times), np.repeat(wave.at, times)),
        np.concatenate([[0], np.cumsum(times)]),
    )


def spread(rng: np.random.Generator, median: float, sigma: float, count: int) -> Floats:
    """Durations around a median, with a long tail; in the unit of the median."""
    return median * rng.lognormal(0.0, sigma, count)
