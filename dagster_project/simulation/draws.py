"""Random draws over whole arrays, and the types of those arrays."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]  # of str and None


def choose(weights: npt.ArrayLike, fraction: Floats, row: Ints | int = 0) -> Ints:
    """The weighted choice that each fraction (0 to 1) falls on, by its ``row`` of the weights."""
    table = np.array(weights, dtype=np.float64, order="C", ndmin=2)
    running = np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True)
    running[:, -1] = 1.0
    # Rows laid end to end, each one unit long, are one sorted list: one search serves all.
    laid_out = (running + np.arange(len(running))[:, None]).ravel()
    at = np.searchsorted(laid_out, row + fraction, side="right")
    last = table.shape[1] - 1
    return np.minimum(at - row * (last + 1), last).astype(np.int64)


def odds(share: Floats | float, shift: Floats | float) -> Floats:
    """A share moved by log odds."""
    chance = np.asarray(share) / (1 - np.asarray(share))
    moved = chance * np.exp(shift)
    return np.asarray(moved / (1 + moved))


def spread(rng: np.random.Generator, median: float, sigma: float, count: int) -> Floats:
    """Durations around a median, with a long tail; in the unit of the median."""
    return median * rng.lognormal(0.0, sigma, count)
