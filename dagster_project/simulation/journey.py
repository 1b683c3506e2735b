"""How leads move through the funnel, one step for all leads of a block at a time.

Every step takes the leads that reach it and when they do, notes what happens and passes on those
that go further. A pass ends in a deal won, in an exit or in the stage reached; leads that
come back from nurture and customers who buy again start the next pass.
"""

import numpy as np

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.assumptions import QUALITY_EFFECT, SEGMENTS, TIERS, Stage
from dagster_project.simulation.draws import Bools, Floats, Ints, Texts, choose, odds, spread
from dagster_project.simulation.journal import NEVER, NOBODY, Journal, Wave
from dagster_project.simulation.leads import Leads
from dagster_project.simulation.scenario import Cause
from dagster_project.simulation.working_time import (
    DAY,
    HOUR,
    MINUTE,
    YEAR_END,
    add_work,
    at_work,
)
from dagster_project.simulation.world import World

EMPTY = Wave(*np.empty((2, 0), dtype=np.int64))


def _join(waves: list[Wave]) -> Wave:
    """All leads of these waves that arrive before the year's end."""
    lead, at = (np.concatenate([getattr(w, name) for w in waves]) for name in ("lead", "at"))
    return _before_end(Wave(lead, at))


def _before_end(wave: Wave) -> Wave:
    return wave.where(wave.at < YEAR_END)


class Journey:
    """All passes of one block of leads, noted in a journal."""

    def __init__(self, world: World, leads: Leads, rng: np.random.Generator) -> None:
        self.scenario = world.scenario
        self.team = world.team
        self.leads = leads
        self.rng = rng
        self.journal = Journal(world, leads, rng)
        self.rep = np.full(len(leads), NOBODY, dtype=np.int64)
        self.tier = np.zeros(len(leads), dtype=np.int64)
        # Who starts another pass: by a handoff, or at once by a deal.
        self.next_handoffs: list[Wave] = []
        self.next_deals: list[Wave] = []

    def run(self) -> Journal:
        """From creation to the year's end."""
        handoffs, deals = self._market(), EMPTY
        for number in range(given.MOST_PASSES):
            self.next_handoffs, self.next_deals = [EMPTY], [EMPTY]
            self._pursue(handoffs, again=number > 0)
            self._deal(deals)
            handoffs, deals = _join(self.next_handoffs), _join(self.next_deals)
        return self.journal

    def _chance(self, wave: Wave, share: Floats | float) -> Bools:
        """Draws, for each lead of the wave, whether something with this chance happens to it."""
        return self.rng.random(len(wave)) < share

    def _work(self, wave: Wave, rep: Ints, seconds: Floats | Ints) -> Wave:
        """The same leads after so many seconds of their reps' working time."""
        return wave.moved_to(add_work(wave.at, self.team.zone[rep], seconds))

    # --- Marketing -------------------------------------------------------------------------------

    def _market(self) -> Wave:
        """Capture and nurture; returns the handoffs."""
        leads, rng, count = self.leads, self.rng, len(self.leads)
        everybody = Wave(np.arange(count), leads.created_at)
        chance = odds(given.SOURCES.mql[leads.source], QUALITY_EFFECT.mql * leads.quality)
        handed = self._chance(everybody, np.where(leads.is_merged, 0.0, chance))
        self.tier = choose(given.SOURCE_MIX.tiers, rng.random(count), leads.source)
        # Most hand raisers do so at once; the others are warmed up for days.
        at_once = self._chance(everybody, TIERS.at_once[self.tier])
        soon = spread(rng, given.HANDOFF_AT_ONCE_MEDIAN_MINUTES * MINUTE, 1.0, count)
        later = spread(rng, given.HANDOFF_LATER_MEDIAN_DAYS * DAY, 1.0, count)
        wait = np.where(at_once, soon, later)
        handoffs = self._at_daytime(everybody.after(60).after(wait), 0.8)
        handed = self._lower_the_bar(handoffs, handed)
        interest = spread(rng, given.INTEREST_MEDIAN_DAYS * DAY, 0.8, count)
        until = np.where(handed, handoffs.at, leads.created_at + interest).astype(np.int64)
        self._capture(everybody, until)
        self.journal.warm_up(everybody, until, handed)
        self._screen_out(everybody.moved_to(until).where(~handed))
        return _before_end(handoffs.where(handed))

    def _lower_the_bar(self, wave: Wave, handed: Bools) -> Bools:
        """Hand off leads that showed no interest, too, where the volume is what counts."""
        gamed = self.scenario.has(Cause.GAMING, wave.at) & ~handed & ~self.leads.is_merged
        gamed[gamed] = self.rng.random(int(gamed.sum())) < given.GAMED_SHARE
        self.leads.quality[gamed] += given.GAMED_QUALITY
        self.tier[gamed] = given.LOW_INTENT
        return handed | gamed

    def _capture(self, wave: Wave, until: Ints) -> None:
        """The first stages: a subscriber becomes a lead; some CRMs log no first stage."""
        subscribes = np.isin(given.SOURCES.name, given.SUBSCRIBING_SOURCES)
        subscriber = subscribes[self.leads.source] & self._chance(wave, given.SUBSCRIBER_SHARE)
        logged = ~self._chance(wave, given.NO_FIRST_CHANGE)
        self.journal.stage(wave, np.where(subscriber, Stage.SUBSCRIBER, Stage.LEAD), logged)
        grown = wave.after((until - wave.at) * self.rng.uniform(0.2, 0.8, len(wave)))
        self.journal.stage(grown, Stage.LEAD, subscriber)

    def _screen_out(self, wave: Wave) -> None:
        """Marketing disqualifies a part of what it does not hand off."""
        out = self._chance(wave, given.SCREENED_OUT_SHARE) & ~self.leads.is_merged[wave.lead]
        gone = wave.after(HOUR).where(out)
        reason = self._reasons(gone, np.full(len(gone), given.DISQUALIFIED))
        self.journal.stage(gone, Stage.DISQUALIFIED, reason=reason)

    # --- Handoff and acceptance ------------------------------------------------------------------

    def _pursue(self, wave: Wave, *, again: bool) -> None:
        """One pass from the handoff on."""
        source = self.leads.source[wave.lead]
        if again:
            fraction = self.rng.random(len(wave))
            self.tier[wave.lead] = choose(given.SOURCE_MIX.tiers, fraction, source)
        tier = self.tier[wave.lead]
        is_product = given.SOURCES.name[source] == given.PRODUCT_SOURCE
        is_product &= tier == given.HIGH_INTENT
        signal_at = self.journal.signal_intent(wave, tier, is_product)
        self.journal.stage(wave, np.where(is_product, Stage.PQL, Stage.MQL))
        self._assign(wave, again=again)
        touched, ready = self._touch(wave, signal_at)
        self._decide(wave.moved_to(ready), touched)

    def _assign(self, wave: Wave, *, again: bool) -> None:
        """Give every lead an owner at the handoff; a few get one hours later or another one."""
        team, week = self.leads.team[wave.lead], self.scenario.week(wave.at)
        rep = self.team.assign(self.rng, team, week)
        before = self.rep[wave.lead]
        if again:
            stays = self.team.is_active[before] & self._chance(wave, given.SAME_OWNER_AGAIN)
            rep = np.where(stays & (before != NOBODY), before, rep)
        late = self._chance(wave, 0.0 if again else given.OWNER_LATE)
        delay = self.rng.integers(2 * HOUR, 40 * HOUR, len(wave))
        assigned = wave.after(np.where(late, delay, 0))
        self.journal.add("owner_changes", assigned, rep != before, owner=rep)
        moved = self._chance(wave, given.REASSIGNED)
        other = self.team.assign(self.rng, team, week)
        moved &= other != rep
        moves = self._work(assigned, other, self.rng.integers(HOUR, 9 * HOUR, len(wave)))
        self.journal.add("owner_changes", moves, moved, owner=other)
        self.rep[wave.lead] = np.where(moved, other, rep)

    def _touch(self, wave: Wave, signal_at: Ints) -> tuple[Bools, Ints]:
        """The first touch: who gets one, and when (for those who get none, when it was due)."""
        rep, tier = self.rep[wave.lead], self.tier[wave.lead]
        pressure = self.team.pressure[self.scenario.week(wave.at), rep]
        delay = self.rng.lognormal(0.0, 1.0, len(wave)) ** TIERS.touch_sigma[tier]
        delay *= TIERS.touch_minutes[tier] * MINUTE
        delay *= self.team.slowness[rep] * np.maximum(pressure, 0.4)
        due = self._work(wave, rep, delay + 20).at
        if not self.scenario.is_sample:
            at_once = ~self.scenario.has(Cause.SLOW_TOUCH, wave.at) & (tier <= given.HIGH_INTENT)
            soon = wave.after(delay * given.SOUND_TOUCH + 20).at
            due = np.where(at_once, soon, due)
        early = self._chance(wave, given.TOUCHED_BEFORE_SHARE)
        before = (self.rng.random(len(wave)) * (wave.at - signal_at)).astype(np.int64)
        at = np.where(early, wave.at - before, due)
        touched = self._chance(wave, odds(TIERS.touch_share[tier], -0.5 * (pressure - 1)))
        kind = choose(given.FIRST_TOUCHES.weight, self.rng.random(len(wave)))
        self.journal.act(wave.moved_to(at), given.FIRST_TOUCHES.kind[kind], rep, touched)
        return touched, np.maximum(at, wave.at)

    def _decide(self, wave: Wave, touched: Bools) -> None:
        """Sales accepts, rejects or never decides."""
        lead, rep = wave.lead, self.rep[wave.lead]
        shift = QUALITY_EFFECT.acceptance * self.leads.quality[lead] - self.team.strictness[rep]
        shift = shift + TIERS.acceptance[self.tier[lead]]
        accepted = self._chance(wave, odds(given.ACCEPTED, shift))
        pending = self._chance(wave, np.where(touched, given.PENDING, given.PENDING_UNTOUCHED))
        delay = spread(self.rng, given.DECISION_MEDIAN_HOURS * HOUR, 1.0, len(wave))
        decided = self._work(wave, rep, delay * self.team.slowness[rep] + 300)
        until = decided.after(DAY).at[touched]
        self.journal.follow_up(
            wave.where(touched), until, given.FOLLOW_UPS_PER_HANDOFF, rep[touched]
        )
        self._accept(decided.where(accepted & ~pending))
        self._leave(decided.where(~accepted & ~pending), given.EXITS.from_handoff)

    def _accept(self, wave: Wave) -> None:
        """Accepted leads; some acceptances are never logged, some are taken back for an hour."""
        wave = _before_end(wave)
        rep = self.rep[wave.lead]
        qualifies = self._qualifies(wave)
        logged = ~(qualifies & self._chance(wave, given.ACCEPTANCE_SKIPPED))
        self.journal.stage(wave, Stage.SAL, logged, rep=rep)
        wave = self._take_back(wave, logged)
        wave = self._put_on_hold(wave, logged)
        delay = spread(self.rng, given.QUALIFICATION_MEDIAN_HOURS * HOUR, 0.8, len(wave))
        later = self._work(wave, rep, delay * self.team.slowness[rep] + 900)
        self.journal.follow_up(wave, later.at, given.FOLLOW_UPS_PER_HANDOFF, rep)
        self._leave(later.where(~qualifies), given.EXITS.from_accepted)
        self._qualify(later.where(qualifies))

    def _qualifies(self, wave: Wave) -> Bools:
        """Which leads turn out to be worth an opportunity."""
        lead = wave.lead
        shift = QUALITY_EFFECT.qualification * self.leads.quality[lead]
        shift = shift + self.team.skill[self.rep[lead]]
        shift = shift + TIERS.qualification[self.tier[lead]]
        shift = shift + SEGMENTS.qualification[self.leads.segment[lead]]
        if not self.scenario.is_sample:
            shift = shift + given.SOUND_QUALIFICATION[self.leads.segment[lead]]
        return self._chance(wave, odds(given.SOURCES.sql[self.leads.source[lead]], shift))

    def _take_back(self, wave: Wave, logged: Bools) -> Wave:
        """A wrong click: back to MQL, and accepted again a little later."""
        slip = logged & self._chance(wave, given.ACCEPTANCE_TAKEN_BACK)
        back = wave.after(self.rng.integers(10 * MINUTE, 3 * HOUR, len(wave)))
        again = back.after(self.rng.integers(2 * MINUTE, HOUR, len(wave)))
        for moment, stage in ((back, Stage.MQL), (again, Stage.SAL)):
            self.journal.stage(moment, stage, slip, rep=self.rep[wave.lead])
        return wave.moved_to(np.where(slip, again.at, wave.at))

    def _put_on_hold(self, wave: Wave, logged: Bools) -> Wave:
        """A stage that no mapping knows."""
        held = logged & self._chance(wave, given.ON_HOLD_SHARE)
        later = wave.after(self.rng.integers(HOUR, 2 * DAY, len(wave)))
        self.journal.stage(later, Stage.ON_HOLD, held, rep=self.rep[wave.lead])
        return wave.moved_to(np.where(held, later.at, wave.at))

    # --- Deals -----------------------------------------------------------------------------------

    def _qualify(self, wave: Wave) -> None:
        """Sales qualified: a closer of the same team takes over and holds a meeting."""
        wave = _before_end(wave)
        self.journal.stage(wave, Stage.SQL, rep=self.rep[wave.lead])
        rep = self.team.assign(self.rng, self.leads.team[wave.lead])
        self.rep[wave.lead] = rep
        self.journal.add("owner_changes", wave, owner=rep)
        meeting = self._work(wave, rep, self.rng.integers(HOUR, 12 * HOUR, len(wave)))
        self.journal.act(meeting, "meeting", rep)
        shift = QUALITY_EFFECT.opportunity * self.leads.quality[wave.lead]
        blocked = self.scenario.has(Cause.BOTTLENECK, wave.at)
        share = np.where(blocked, given.BOTTLENECK_SHARE, given.OPPORTUNITY_SHARE)
        goes_on = self._chance(wave, odds(share, shift))
        delay = spread(self.rng, given.OPPORTUNITY_MEDIAN_HOURS * HOUR, 0.7, len(wave))
        later = self._work(wave, rep, delay + HOUR)
        self._deal(later.where(goes_on))
        self._leave(later.where(~goes_on), given.EXITS.from_qualified)

    def _deal(self, wave: Wave) -> None:
        """An opportunity, from its creation to its close or the year's end."""
        wave = _before_end(wave)
        lead, rep, count = wave.lead, self.rep[wave.lead], len(wave)
        segment = self.leads.segment[lead]
        amount = SEGMENTS.deal_amount[segment] * self.rng.lognormal(0.0, 0.5, count)
        shift = QUALITY_EFFECT.win * self.leads.quality[lead] + self.team.skill[rep]
        shift = shift + SEGMENTS.win[segment] + TIERS.win[self.tier[lead]]
        won = self._chance(wave, odds(given.WIN_SHARE, shift))
        reason = self._reasons(wave, np.full(count, given.LOST))
        closed = wave.moved_to(self._close_at(wave, won))
        won = self._drift(closed, won)
        reason[won] = None
        is_open = closed.at >= YEAR_END
        self.journal.add(
            "opportunities",
            wave,
            amount=np.rint(np.maximum(amount, 500) / 50).astype(np.int64) * 50,
            is_won=won & ~is_open,
            closed_at=np.where(is_open, NEVER, closed.at),
            reason=np.where(is_open, np.array(None), reason),
            owner=rep,
        )
        # The CRM logs the stage a moment after the opportunity; sometimes it doesn't.
        staged = ~self._chance(wave, given.DEAL_WITHOUT_STAGE)
        logged = wave.after(self.rng.integers(0, 90, count))
        self.journal.stage(logged, Stage.OPPORTUNITY, staged, rep=rep)
        followed_until = np.minimum(closed.at, wave.after(90 * DAY).at)
        self.journal.follow_up(wave, followed_until, given.FOLLOW_UPS_PER_DEAL, rep)
        after = closed.after(self.rng.integers(0, 120, count))
        self.journal.stage(after, Stage.CUSTOMER, won, rep=rep)
        self.journal.stage(after, Stage.CLOSED_LOST, ~won, reason=reason, rep=rep)
        self._expand(after.where(won))
        self._recycle(after.where(~won), reason[~won])

    def _drift(self, closed: Wave, won: Bools) -> Bools:
        """The wins of one segment move to another."""
        drifted = np.flatnonzero(self.scenario.has(Cause.DRIFT, closed.at))
        segment = SEGMENTS.name[self.leads.segment[closed.lead[drifted]]]
        fraction = self.rng.random(len(drifted))
        lost = (segment == given.DRIFT_FROM) & (fraction < given.DRIFT_LOST_SHARE)
        gained = (segment == given.DRIFT_TO) & (fraction < given.DRIFT_WON_SHARE)
        won[drifted] = (won[drifted] & ~lost) | gained
        return won

    def _close_at(self, wave: Wave, won: Bools) -> Ints:
        """When deals close: after a while, in working hours, and more so at a quarter's end."""
        count = len(wave)
        days = SEGMENTS.deal_days[self.leads.segment[wave.lead]]
        days = days * self.rng.lognormal(0.0, 0.55, count)
        at = wave.after(DAY).after(days * np.where(won, 0.9, 1.1) * DAY).at
        month = at.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        quarter = (month // 3 + 1) * 3
        quarter_end = quarter.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
        pulled = quarter_end - DAY - spread(self.rng, 1.5 * DAY, 0.8, count).astype(np.int64)
        near = (quarter_end - at < 25 * DAY) & (pulled > at)
        near &= self._chance(wave, given.QUARTER_END_PULL)
        at = np.where(near, pulled, at)
        zone = self.team.zone[self.rep[wave.lead]]
        return at_work(at, zone, self.rng.uniform(0, 8 * HOUR, count))

    def _expand(self, wave: Wave) -> None:
        """Customers who buy again: by a deal at once, or by way of marketing."""
        more = wave.where(self._chance(wave, given.EXPANSION_SHARE))
        wait = spread(self.rng, given.EXPANSION_MEDIAN_DAYS * DAY, 0.5, len(more))
        later = self._at_daytime(more.after(DAY).after(wait), 0.95)
        as_deal = self._chance(more, given.EXPANSION_AS_DEAL_SHARE)
        self.next_deals.append(later.where(as_deal))
        self.next_handoffs.append(later.where(~as_deal))

    # --- Exits and nurture -----------------------------------------------------------------------

    def _leave(self, wave: Wave, weights: Floats) -> None:
        """Leads that do not go on: out by one of the exits, or left standing."""
        exit_kind = choose(weights, self.rng.random(len(wave)))
        out = exit_kind != given.STANDING
        wave, exit_kind = wave.where(out), exit_kind[out]
        reason = self._reasons(wave, exit_kind)
        stage = given.EXITS.stage[exit_kind]
        self.journal.stage(wave, stage, reason=reason, rep=self.rep[wave.lead])
        nurtured = exit_kind == given.NURTURED
        self._requalify(wave.where(nurtured))
        self._recycle(wave.where(~nurtured), reason[~nurtured])

    def _recycle(self, wave: Wave, reason: Texts) -> None:
        """Most exits go to nurture within a week, by automation; some late, some never."""
        back = self._chance(wave, given.RECYCLED_SHARE)
        back &= ~np.isin(reason, given.UNRECYCLABLE_REASONS)
        late = self._chance(wave, given.RECYCLED_LATE_SHARE)
        wait = self.rng.uniform(0.05 * DAY, 5 * DAY, len(wave))
        wait += late * self.rng.uniform(7 * DAY, 25 * DAY, len(wave))
        recycled = wave.after(wait).where(back)
        self.journal.stage(recycled, Stage.NURTURE)
        self._requalify(recycled)

    def _requalify(self, wave: Wave) -> None:
        """Nurtured leads that come back as a handoff."""
        shift = QUALITY_EFFECT.requalification * self.leads.quality[wave.lead]
        back = wave.where(self._chance(wave, odds(given.REQUALIFIED_SHARE, shift)))
        wait = spread(self.rng, given.REQUALIFIED_MEDIAN_DAYS * DAY, 0.5, len(back))
        self.next_handoffs.append(self._at_daytime(back.after(DAY).after(wait), 0.85))

    def _reasons(self, wave: Wave, exit_kind: Ints) -> Texts:
        """The reason that the rep gives at an exit: known, unknown or none."""
        count = len(exit_kind)
        # The weights have no row for leads left standing, which is the first exit.
        known = choose(given.REASONS.weights.T, self.rng.random(count), exit_kind - 1)
        unknown = self.rng.integers(0, len(given.UNKNOWN_REASONS), count)
        reason = np.where(
            self.rng.random(count) < given.UNKNOWN_REASON,
            np.array(given.UNKNOWN_REASONS, dtype=object)[unknown],
            given.REASONS.text[known],
        )
        silent = self.scenario.has(Cause.MISSING_REASONS, wave.at)
        missing = np.where(silent, given.REASONS_LEFT_OUT, given.EXITS.reason_missing[exit_kind])
        reason[self.rng.random(count) < missing] = None
        return reason

    def _at_daytime(self, wave: Wave, share: float) -> Wave:
        """Move most of the moments into the lead's own working hours."""
        late = self.rng.uniform(0, 6 * HOUR, len(wave))
        moved = at_work(wave.at, self.leads.zone[wave.lead], late)
        return wave.moved_to(np.where(self._chance(wave, share), moved, wave.at))
