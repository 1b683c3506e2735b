"""The names of the simulated CRM as numbers, and the weights to draw them by.

The journal stores numbers; the export writes the names.
"""

import numpy as np

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.journal import NOTHING
from dagster_project.simulation.world import shares

STANDING, REJECTED, DISQUALIFIED, NURTURED, LOST = range(5)
EXIT_STAGES = np.array(
    [NOTHING, given.REJECTED, given.DISQUALIFIED, given.NURTURE, given.CLOSED_LOST]
)
REASON_MISSING = np.array(
    [
        0.0,
        given.REJECTION_REASON_MISSING,
        given.DISQUALIFICATION_REASON_MISSING,
        given.RECYCLE_REASON_MISSING,
        given.LOSS_REASON_MISSING,
    ]
)
# The weights stand as rejection, disqualification, loss, recycling; exits count from rejection.
REASON_SHARES = shares([[row[at] for row in given.REASONS] for at in (1, 2, 4, 3)])
REASON_TEXTS = (*(row[0] for row in given.REASONS), *given.UNKNOWN_REASONS)
UNRECYCLABLE = np.array([text in given.UNRECYCLABLE_REASONS for text in REASON_TEXTS])

MQL_SHARE = np.array([source.mql for source in given.SOURCES])
SQL_SHARE = np.array([source.sql for source in given.SOURCES])
TIER_SHARES = shares([source.tiers for source in given.SOURCES])
PRODUCT = given.SOURCE_INDEX["Product Signup"]
OUTBOUND = given.SOURCE_INDEX["Outbound"]
HIGH_INTENT = 1

OUT, IN = 0, 1
DIRECTIONS = ("outbound", "inbound")
REASON_ROW = np.array([0, 0, 1, 2, 3])

CHANNELS = tuple(dict.fromkeys(source.channel for source in given.SOURCES))
SOURCE_CHANNEL = np.array([CHANNELS.index(source.channel) for source in given.SOURCES])

ACTIVITIES = tuple(
    dict.fromkeys(
        [name for name, _ in given.FIRST_TOUCHES]
        + [row[0] for row in given.FOLLOW_UPS]
        + [given.AUTOMATED_EMAIL]
    )
)
ACTIVITY_INDEX = {name: at for at, name in enumerate(ACTIVITIES)}
FOLLOW_UP_SHARES = shares([row[1] for row in given.FOLLOW_UPS])
FOLLOW_UP_INBOUND = np.array([row[2] for row in given.FOLLOW_UPS])
FOLLOW_UP_KIND = np.array([ACTIVITY_INDEX[row[0]] for row in given.FOLLOW_UPS])

SIGNALS = tuple(
    dict.fromkeys(
        [name for tier in given.SIGNALS_BY_TIER for name, _ in tier]
        + [row[0] for row in given.BACKGROUND_SIGNALS]
        + [source.first_signal for source in given.SOURCES if source.first_signal]
        + [given.OUTBOUND_SIGNAL, given.PRODUCT_SIGNAL]
    )
)
SIGNAL_INDEX = {name: at for at, name in enumerate(SIGNALS)}
OUTBOUND_SIGNAL = SIGNAL_INDEX[given.OUTBOUND_SIGNAL]
PRODUCT_SIGNAL = SIGNAL_INDEX[given.PRODUCT_SIGNAL]
FIRST_SIGNAL = np.array(
    [SIGNAL_INDEX.get(source.first_signal, NOTHING) for source in given.SOURCES]
)
BACKGROUND_SHARES = shares([row[1] for row in given.BACKGROUND_SIGNALS])
BACKGROUND_KIND = np.array([SIGNAL_INDEX[row[0]] for row in given.BACKGROUND_SIGNALS])
BACKGROUND_CHANNEL = np.array(
    [CHANNELS.index(row[2]) if row[2] else NOTHING for row in given.BACKGROUND_SIGNALS]
)
_WIDEST_TIER = max(len(tier) for tier in given.SIGNALS_BY_TIER)


def _padded(values: list[float] | list[int]) -> list[float] | list[int]:
    """A row of the tiers' tables: shorter tiers are filled up with what is never drawn."""
    return [*values, *[0] * (_WIDEST_TIER - len(values))]


TIER_SIGNALS = np.array(
    [_padded([SIGNAL_INDEX[name] for name, _ in tier]) for tier in given.SIGNALS_BY_TIER]
)
TIER_SIGNAL_SHARES = shares(
    [_padded([weight for _, weight in tier]) for tier in given.SIGNALS_BY_TIER]
)
