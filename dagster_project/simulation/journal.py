"""What happens to the leads of one block, gathered event by event before it becomes tables.

Nothing that happens at or after the year's end is kept: the export is made at that moment.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.draws import Bools, Floats, Ints, choose, spread
from dagster_project.simulation.leads import Leads
from dagster_project.simulation.working_time import DAY, HOUR, MINUTE, YEAR_END, at_work
from dagster_project.simulation.world import World

NOBODY = -1
NEVER = -1
Mask = Bools | bool


@dataclass(frozen=True)
class Wave:
    """Leads (places in their block) and the moments when they reach a step."""

    lead: Ints
    at: Ints

    def __len__(self) -> int:
        return len(self.lead)

    def where(self, keep: Bools) -> "Wave":
        """Those of the wave that a condition keeps."""
        return Wave(self.lead[keep], self.at[keep])

    def after(self, wait: Ints | Floats | int) -> "Wave":
        """The same leads, so many seconds later."""
        return Wave(self.lead, self.at + np.asarray(wait).astype(np.int64))

    def moved_to(self, at: Ints) -> "Wave":
        """The same leads at other moments."""
        return Wave(self.lead, at)


class Journal:
    """Columns of events by table, with the signals and activities along the way."""

    def __init__(self, world: World, leads: Leads, rng: np.random.Generator) -> None:
        self.team = world.team
        self.leads = leads
        self.rng = rng
        self._parts: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def add(self, table: str, wave: Wave, where: Mask = True, **columns: Any) -> None:
        """Note an event of each lead of the wave, unless it comes after the year's end."""
        keep = (wave.at < YEAR_END) & where
        events = {"lead": wave.lead, "at": wave.at, **columns}
        self._parts[table].append(
            {name: np.broadcast_to(value, keep.shape)[keep] for name, value in events.items()}
        )

    def stage(
        self, wave: Wave, stage: Any, where: Mask = True, *, reason: Any = None, rep: Any = NOBODY
    ) -> None:
        """Note that leads entered a stage."""
        self.add("stage_changes", wave, where, stage=stage, reason=reason, rep=rep)

    def act(
        self, wave: Wave, kind: Any, rep: Any, where: Mask = True, direction: Any = "outbound"
    ) -> None:
        """Note an activity of a rep or of automation."""
        self.add("activities", wave, where, kind=kind, rep=rep, direction=direction)

    def table(self, name: str) -> dict[str, Any]:
        """All events of a table, by lead, then time, then in the order they were noted."""
        parts = self._parts.pop(name)
        columns = {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}
        order = np.lexsort((columns["at"], columns["lead"]))
        return {column: values[order] for column, values in columns.items()}

    def signal_intent(self, wave: Wave, tier: Ints, is_product: Bools) -> Ints:
        """What the lead did just before the handoff; returns when."""
        source = self.leads.source[wave.lead]
        signals = given.TIER_SIGNALS
        weights = np.where(signals.tier == given.TIERS.name[:, None], signals.weight, 0.0)
        kind = signals.kind[choose(weights, self.rng.random(len(wave)), tier)]
        raised = tier == given.HAND_RAISE
        replied = raised & (given.SOURCES.name[source] == given.OUTBOUND_SOURCE)
        kind = np.where(replied, given.OUTBOUND_SIGNAL, kind)
        kind = np.where(is_product, given.PRODUCT_SIGNAL, kind)
        before = np.where(
            raised,
            self.rng.integers(20, 3 * MINUTE, len(wave)),
            np.minimum(spread(self.rng, 40 * MINUTE, 1.3, len(wave)), 20 * HOUR),
        )
        at = np.maximum(wave.at - before.astype(np.int64), self.leads.created_at[wave.lead])
        in_campaign = self.rng.random(len(wave)) < given.CAMPAIGN_SHARE
        self.add(
            "engagements",
            wave.moved_to(at),
            kind=kind,
            channel=given.SOURCES.channel[source],
            campaign=np.where(in_campaign, given.SOURCES.campaign[source], None),
        )
        return at

    def warm_up(self, wave: Wave, until: Ints, handed: Bools) -> None:
        """What a lead does from its first form to the handoff."""
        sources, source = given.SOURCES, self.leads.source[wave.lead]
        first = sources.first_signal[source]
        self.add(
            "engagements",
            wave,
            first.astype(bool),
            kind=first,
            channel=sources.channel[source],
            campaign=sources.campaign[source],
        )
        mean = np.where(handed, given.BACKGROUND_PER_MQL, given.BACKGROUND_PER_OTHER)
        some = self._between(wave, until, self.rng.poisson(mean))
        signals = given.BACKGROUND_SIGNALS
        which = choose(signals.weight, self.rng.random(len(some)))
        channel = signals.channel[which]
        own = sources.channel[self.leads.source[some.lead]]
        self.add(
            "engagements",
            some,
            kind=signals.kind[which],
            channel=np.where(channel.astype(bool), channel, own),
            campaign=None,
        )
        mailed = wave.where(self.rng.random(len(wave)) < given.AUTOMATED_EMAIL_SHARE)
        mailed = mailed.after(self.rng.integers(60, 2 * DAY, len(mailed)))
        self.act(mailed, given.AUTOMATED_EMAIL, NOBODY)

    def follow_up(self, wave: Wave, until: Ints, mean: float, rep: Ints) -> None:
        """Calls, mails, meetings and notes between two moments, in the rep's working hours."""
        times = self.rng.poisson(mean, len(wave))
        some = self._between(wave, until, times).after(60)
        rep = np.repeat(rep, times)
        late = self.rng.uniform(0, 3 * HOUR, len(some))
        which = choose(given.FOLLOW_UPS.weight, self.rng.random(len(some)))
        inbound = self.rng.random(len(some)) < given.FOLLOW_UPS.inbound[which]
        some = some.moved_to(at_work(some.at, self.team.zone[rep], late))
        direction = np.where(inbound, "inbound", "outbound")
        self.act(some, given.FOLLOW_UPS.kind[which], rep, direction=direction)

    def _between(self, wave: Wave, until: Ints, times: Ints) -> Wave:
        """Each lead so many times, at random moments from its own to ``until``."""
        some = Wave(np.repeat(wave.lead, times), np.repeat(wave.at, times))
        length = np.maximum(np.repeat(until, times) - some.at, 1)
        return some.after(self.rng.random(len(some)) * length)
