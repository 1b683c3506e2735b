"""The way of leads through the funnel, one step for all leads of a block at a time.

Every step takes the leads that reach it and the moments when they do, notes what happens and hands
on those that go further. A pass ends in a deal won, in an exit or nowhere; leads that come back
from nurture and customers who buy again start the next pass.
"""

from dataclasses import dataclass

import numpy as np

from dagster_project.simulation import assumptions as given
from dagster_project.simulation import codes
from dagster_project.simulation.journal import NOBODY, NOTHING, Journal
from dagster_project.simulation.people import Leads
from dagster_project.simulation.traces import Traces
from dagster_project.simulation.waves import EMPTY, Wave, join, odds, spread
from dagster_project.simulation.working_time import DAY, HOUR, MINUTE, Bools, Ints
from dagster_project.simulation.world import COUNTRY_TEAM, World, choose, choose_by_row, shares


@dataclass
class Next:
    """Who starts another pass: by a handoff, or at once by a deal."""

    handoffs: list[Wave]
    deals: list[Wave]


class Journey:
    """All passes of one block of leads."""

    def __init__(
        self, world: World, leads: Leads, journal: Journal, rng: np.random.Generator
    ) -> None:
        self.world = world
        self.leads = leads
        self.journal = journal
        self.rng = rng
        self.team = COUNTRY_TEAM[leads.country]
        self.rep = np.full(len(leads), NOBODY, dtype=np.int64)
        self.tier = np.zeros(len(leads), dtype=np.int64)
        self.next = Next([], [])
        self.traces = Traces(world, leads, journal, rng)

    def run(self) -> None:
        """From creation to the year's end."""
        handoffs, deals = self._market(), EMPTY
        for number in range(given.MOST_PASSES):
            self.next = Next([EMPTY], [EMPTY])
            self._pursue(handoffs, again=number > 0)
            self._deal(deals)
            handoffs = self._before_end(join(*self.next.handoffs))
            deals = self._before_end(join(*self.next.deals))

    # --- Marketing -------------------------------------------------------------------------------

    def _market(self) -> Wave:
        """Capture and nurture; returns the handoffs."""
        leads, rng = self.leads, self.rng
        everybody = Wave(np.arange(len(leads)), leads.created_at)
        chance = odds(codes.MQL_SHARE[leads.source], 0.35 * leads.quality)
        chance = np.where(leads.merged_into >= 0, 0.0, chance)
        handed = rng.random(len(leads)) < chance
        self.tier = choose_by_row(rng, codes.TIER_SHARES, leads.source)
        # Who raises a hand does so at once, mostly; the others are warmed up for days.
        at_once = rng.random(len(leads)) < np.array([0.7, 0.5, 0.35, 0.3])[self.tier]
        wait = np.where(
            at_once,
            spread(self.rng, 25 * MINUTE, 1.0, len(leads)),
            spread(self.rng, 8 * DAY, 1.0, len(leads)),
        )
        handoff_at = leads.created_at + 60 + wait.astype(np.int64)
        handoff_at = self._at_daytime(everybody.lead, handoff_at, 0.8)
        until = np.where(
            handed, handoff_at, leads.created_at + spread(self.rng, 25 * DAY, 0.8, len(leads))
        )
        self._capture(everybody, until.astype(np.int64))
        self.traces.warm_up(everybody, until.astype(np.int64), handed)
        self._screen_out(everybody.where(~handed), until[~handed].astype(np.int64))
        return self._before_end(everybody.after(handoff_at).where(handed))

    def _capture(self, wave: Wave, until: Ints) -> None:
        """The first stages: a subscriber becomes a lead; some CRMs log no first stage."""
        source = self.leads.source[wave.lead]
        names = [given.SOURCE_INDEX[name] for name in ("Email", "Social", "Webinar")]
        subscriber = np.isin(source, names) & (self.rng.random(len(source)) < 0.6)
        logged = self.rng.random(len(source)) >= given.NO_FIRST_CHANGE
        first = np.where(subscriber, given.SUBSCRIBER, given.LEAD)
        start = wave.where(logged)
        self.journal.stage(start.lead, start.at, first[logged])
        between = wave.at + ((until - wave.at) * self.rng.uniform(0.2, 0.8, len(source))).astype(
            np.int64
        )
        grown = wave.after(between).where(subscriber)
        self.journal.stage(grown.lead, grown.at, given.LEAD)

    def _screen_out(self, wave: Wave, until: Ints) -> None:
        """Marketing disqualifies a part of what it does not hand off."""
        out = self.rng.random(len(wave.lead)) < given.SCREENED_OUT_SHARE
        out &= self.leads.merged_into[wave.lead] < 0
        gone = wave.after(until + HOUR).where(out)
        reason = self._reasons(np.full(len(gone.lead), codes.DISQUALIFIED))
        self.journal.stage(gone.lead, gone.at, given.DISQUALIFIED, reason)

    # --- Handoff and acceptance ------------------------------------------------------------------

    def _pursue(self, wave: Wave, *, again: bool) -> None:
        """One pass from the handoff on."""
        if again:
            self.tier[wave.lead] = choose_by_row(
                self.rng, codes.TIER_SHARES, self.leads.source[wave.lead]
            )
        signal_at = self.traces.signal_intent(wave, self.tier[wave.lead])
        is_product = (self.leads.source[wave.lead] == codes.PRODUCT) & (
            self.tier[wave.lead] == codes.HIGH_INTENT
        )
        self.journal.stage(wave.lead, wave.at, np.where(is_product, given.PQL, given.MQL))
        self._assign(wave, again=again)
        touched, ready = self._touch(wave, signal_at)
        self._decide(wave, touched, ready)

    def _assign(self, wave: Wave, *, again: bool) -> None:
        """Give every lead an owner at the handoff; a few get one hours later or another one."""
        week = self.world.week(wave.at)
        rep = self.world.assign(self.rng, self.team[wave.lead], week)
        before = self.rep[wave.lead]
        if again:
            stays = self.world.reps.is_active[before] & (self.rng.random(len(rep)) < 0.5)
            rep = np.where(stays & (before != NOBODY), before, rep)
        late = self.rng.random(len(rep)) < (0.0 if again else given.OWNER_LATE)
        delay = np.where(late, self.rng.integers(2 * HOUR, 40 * HOUR, len(rep)), 0)
        changed = rep != before
        new = wave.after(wave.at + delay).where(changed)
        self.journal.add("owners", new.lead, new.at, owner=rep[changed])
        moved = self.rng.random(len(rep)) < given.REASSIGNED
        other = self.world.assign(self.rng, self.team[wave.lead], week)
        moved &= other != rep
        zone = self.world.reps.zone[other]
        moved_at = self.world.zones.add_work(
            wave.at + delay, zone, self.rng.integers(HOUR, 9 * HOUR, len(rep))
        )
        moves = wave.after(moved_at).where(moved)
        self.journal.add("owners", moves.lead, moves.at, owner=other[moved])
        self.rep[wave.lead] = np.where(moved, other, rep)

    def _touch(self, wave: Wave, signal_at: Ints) -> tuple[Bools, Ints]:
        """The first touch: who gets one, and when (for those who get none, when it was due)."""
        rep, tier = self.rep[wave.lead], self.tier[wave.lead]
        reps = self.world.reps
        pressure = self.world.pressure[self.world.week(wave.at), rep]
        delay = self.rng.lognormal(0.0, 1.0, len(rep)) ** np.array(given.TOUCH_SIGMA)[tier]
        delay *= np.array(given.TOUCH_MEDIAN_MINUTES)[tier] * MINUTE
        delay *= reps.slowness[rep] * np.maximum(pressure, 0.4)
        at = self.world.zones.add_work(wave.at, reps.zone[rep], delay + 20)
        early = self.rng.random(len(rep)) < given.TOUCHED_BEFORE_SHARE
        before = wave.at - (self.rng.random(len(rep)) * (wave.at - signal_at)).astype(np.int64)
        at = np.where(early, before, at)
        touched = self.rng.random(len(rep)) < odds(
            np.array(given.TOUCH_SHARE)[tier], -0.5 * (pressure - 1)
        )
        first = wave.after(at).where(touched)
        kind = choose(self.rng, shares([weight for _, weight in given.FIRST_TOUCHES]), len(rep))
        names = np.array([codes.ACTIVITY_INDEX[name] for name, _ in given.FIRST_TOUCHES])
        self.journal.add(
            "activities",
            first.lead,
            first.at,
            kind=names[kind][touched],
            direction=codes.OUT,
            rep=rep[touched],
        )
        return touched, np.maximum(at, wave.at)

    def _decide(self, wave: Wave, touched: Bools, ready: Ints) -> None:
        """Sales accepts, rejects or never looks."""
        lead, rep = wave.lead, self.rep[wave.lead]
        reps = self.world.reps
        shift = 0.4 * self.leads.quality[lead] - reps.strictness[rep]
        shift = shift + np.array(given.TIER_ACCEPTANCE)[self.tier[lead]]
        accepted = self.rng.random(len(lead)) < odds(given.ACCEPTED, shift)
        pending = self.rng.random(len(lead)) < np.where(touched, given.PENDING, 0.15)
        delay = spread(self.rng, given.DECISION_MEDIAN_HOURS * HOUR, 1.0, len(lead))
        at = self.world.zones.add_work(ready, reps.zone[rep], delay * reps.slowness[rep] + 300)
        self.traces.follow_up(
            wave.after(ready).where(touched),
            (at + DAY)[touched],
            given.FOLLOW_UPS_PER_HANDOFF,
            rep[touched],
        )
        decided = wave.after(at)
        self._accept(decided.where(accepted & ~pending))
        self._leave(decided.where(~accepted & ~pending), given.EXITS_FROM_HANDOFF)

    def _accept(self, wave: Wave) -> None:
        """Accepted leads; some acceptances are never logged, some are taken back for an hour."""
        wave = self._before_end(wave)
        count, rep = len(wave.lead), self.rep[wave.lead]
        qualifies = self._qualifies(wave)
        skipped = qualifies & (self.rng.random(count) < given.ACCEPTANCE_SKIPPED)
        logged = wave.where(~skipped)
        self.journal.stage(logged.lead, logged.at, given.SAL, actor=rep[~skipped])
        wave = self._take_back(wave, ~skipped)
        wave = self._put_on_hold(wave, ~skipped)
        delay = spread(self.rng, given.QUALIFICATION_MEDIAN_HOURS * HOUR, 0.8, count)
        zone = self.world.reps.zone[rep]
        at = self.world.zones.add_work(wave.at, zone, delay * self.world.reps.slowness[rep] + 900)
        later = wave.after(at)
        self.traces.follow_up(wave, at, given.FOLLOW_UPS_PER_HANDOFF, rep)
        self._leave(later.where(~qualifies), given.EXITS_FROM_ACCEPTED)
        self._qualify(later.where(qualifies))

    def _qualifies(self, wave: Wave) -> Bools:
        """Whom the conversation shows to be worth an opportunity."""
        lead = wave.lead
        shift = 0.4 * self.leads.quality[lead] + self.world.reps.skill[self.rep[lead]]
        shift = shift + np.array(given.TIER_QUALIFICATION)[self.tier[lead]]
        shift = shift + np.array(given.SEGMENT_QUALIFICATION)[self.leads.segment[lead]]
        share = odds(codes.SQL_SHARE[self.leads.source[lead]], shift)
        return np.asarray(self.rng.random(len(lead)) < share)

    def _take_back(self, wave: Wave, logged: Bools) -> Wave:
        """A slip of the mouse: back to MQL, and accepted again a little later."""
        slip = logged & (self.rng.random(len(wave.lead)) < given.ACCEPTANCE_TAKEN_BACK)
        back = wave.at + self.rng.integers(10 * MINUTE, 3 * HOUR, len(wave.lead))
        again = back + self.rng.integers(2 * MINUTE, HOUR, len(wave.lead))
        rep = self.rep[wave.lead][slip]
        for at, stage in ((back, given.MQL), (again, given.SAL)):
            self.journal.stage(wave.lead[slip], at[slip], stage, actor=rep)
        return wave.after(np.where(slip, again, wave.at))

    def _put_on_hold(self, wave: Wave, logged: Bools) -> Wave:
        """A stage that no mapping knows."""
        held = logged & (self.rng.random(len(wave.lead)) < given.ON_HOLD_SHARE)
        at = wave.at + self.rng.integers(HOUR, 2 * DAY, len(wave.lead))
        self.journal.stage(
            wave.lead[held], at[held], given.ON_HOLD, actor=self.rep[wave.lead][held]
        )
        return wave.after(np.where(held, at, wave.at))

    # --- Deals -----------------------------------------------------------------------------------

    def _qualify(self, wave: Wave) -> None:
        """Sales qualified: a closer takes over."""
        wave = self._before_end(wave)
        count = len(wave.lead)
        self.journal.stage(wave.lead, wave.at, given.SQL, actor=self.rep[wave.lead])
        self._hand_to_closer(wave)
        rep = self.rep[wave.lead]
        meeting = codes.ACTIVITY_INDEX["meeting"]
        held_at = self.world.zones.add_work(
            wave.at, self.world.reps.zone[rep], self.rng.integers(HOUR, 12 * HOUR, count)
        )
        self.journal.add(
            "activities", wave.lead, held_at, kind=meeting, direction=codes.OUT, rep=rep
        )
        goes_on = self.rng.random(count) < odds(
            given.OPPORTUNITY_SHARE, 0.3 * self.leads.quality[wave.lead]
        )
        delay = spread(self.rng, given.OPPORTUNITY_MEDIAN_HOURS * HOUR, 0.7, count)
        at = self.world.zones.add_work(wave.at, self.world.reps.zone[rep], delay + HOUR)
        later = wave.after(at)
        self._deal(later.where(goes_on))
        self._leave(later.where(~goes_on), given.EXITS_FROM_QUALIFIED)

    def _hand_to_closer(self, wave: Wave) -> None:
        """The lead's new owner is an account executive of the same team."""
        closer = self.world.assign_closer(self.rng, self.team[wave.lead])
        self.journal.add("owners", wave.lead, wave.at, owner=closer)
        self.rep[wave.lead] = closer

    def _deal(self, wave: Wave) -> None:
        """An opportunity, from its creation to its close or the year's end."""
        wave = self._before_end(wave)
        lead, rep, count = wave.lead, self.rep[wave.lead], len(wave.lead)
        segment = self.leads.segment[lead]
        amount = np.array(given.DEAL_AMOUNTS)[segment] * self.rng.lognormal(0.0, 0.5, count)
        shift = 0.55 * self.leads.quality[lead] + self.world.reps.skill[rep]
        shift = shift + np.array(given.SEGMENT_WIN)[segment]
        shift = shift + np.array(given.TIER_WIN)[self.tier[lead]]
        won = self.rng.random(count) < odds(given.WIN_SHARE, shift)
        reason = np.where(won, NOTHING, self._reasons(np.full(count, codes.LOST)))
        closed_at = self._close_at(wave, won)
        is_open = closed_at >= self.world.end
        self.journal.add(
            "deals",
            lead,
            wave.at,
            amount=np.rint(np.maximum(amount, 500) / 50).astype(np.int64) * 50,
            is_won=(won & ~is_open).astype(np.int64),
            closed_at=np.where(is_open, NOTHING, closed_at),
            reason=np.where(is_open, NOTHING, reason),
            owner=rep,
        )
        # The CRM logs the stage a moment after the opportunity; sometimes only the latter exists.
        staged = self.rng.random(count) >= given.DEAL_WITHOUT_STAGE
        logged = wave.after(wave.at + self.rng.integers(0, 90, count)).where(staged)
        self.journal.stage(logged.lead, logged.at, given.OPPORTUNITY, actor=rep[staged])
        self.traces.follow_up(
            wave, np.minimum(closed_at, wave.at + 90 * DAY), given.FOLLOW_UPS_PER_DEAL, rep
        )
        closed = wave.after(closed_at)
        after = closed.after(closed_at + self.rng.integers(0, 120, count))
        win = after.where(won)
        self.journal.stage(win.lead, win.at, given.CUSTOMER, actor=rep[won])
        loss = after.where(~won)
        self.journal.stage(
            loss.lead, loss.at, given.CLOSED_LOST, reason=reason[~won], actor=rep[~won]
        )
        self._expand(win)
        self._recycle(loss, reason[~won])

    def _close_at(self, wave: Wave, won: Bools) -> Ints:
        """When deals close: after a while, in working hours, and more so at a quarter's end."""
        count = len(wave.lead)
        segment = self.leads.segment[wave.lead]
        days = np.array(given.DEAL_MEDIAN_DAYS)[segment] * self.rng.lognormal(0.0, 0.55, count)
        at = wave.at + DAY + (days * np.where(won, 0.9, 1.1) * DAY).astype(np.int64)
        month = at.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        quarter = (month // 3 + 1) * 3
        quarter_end = quarter.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
        pulled = quarter_end - DAY - spread(self.rng, 1.5 * DAY, 0.8, count).astype(np.int64)
        near = (quarter_end - at < 25 * DAY) & (pulled > at)
        near &= self.rng.random(count) < given.QUARTER_END_PULL
        at = np.where(near, pulled, at)
        zone = self.world.reps.zone[self.rep[wave.lead]]
        return self.world.zones.at_work(at, zone, self.rng.uniform(0, 8 * HOUR, count))

    def _expand(self, wave: Wave) -> None:
        """Customers who buy again: by a deal at once, or by way of marketing."""
        more = wave.where(self.rng.random(len(wave.lead)) < given.EXPANSION_SHARE)
        wait = spread(self.rng, given.EXPANSION_MEDIAN_DAYS * DAY, 0.5, len(more.lead))
        at = self._at_daytime(more.lead, more.at + DAY + wait.astype(np.int64), 0.95)
        as_deal = self.rng.random(len(more.lead)) < given.EXPANSION_AS_DEAL_SHARE
        self.next.deals.append(more.after(at).where(as_deal))
        self.next.handoffs.append(more.after(at).where(~as_deal))

    # --- Exits and nurture -----------------------------------------------------------------------

    def _leave(self, wave: Wave, weights: tuple[float, ...]) -> None:
        """Leads that do not go on: out by one of the exits, or left standing."""
        exit_kind = choose(self.rng, shares(weights), len(wave.lead))
        out = exit_kind != codes.STANDING
        wave, exit_kind = wave.where(out), exit_kind[out]
        reason = self._reasons(exit_kind)
        rep = self.rep[wave.lead]
        self.journal.stage(
            wave.lead, wave.at, codes.EXIT_STAGES[exit_kind], reason=reason, actor=rep
        )
        nurtured = exit_kind == codes.NURTURED
        self._requalify(wave.where(nurtured))
        self._recycle(wave.where(~nurtured), reason[~nurtured])

    def _recycle(self, wave: Wave, reason: Ints) -> None:
        """Most exits go to nurture within a week, by automation; some late, some never."""
        count = len(wave.lead)
        back = self.rng.random(count) < given.RECYCLED_SHARE
        back &= ~((reason >= 0) & codes.UNRECYCLABLE[reason])
        late = self.rng.random(count) < given.RECYCLED_LATE_SHARE
        wait = self.rng.uniform(0.05 * DAY, 5 * DAY, count)
        wait += late * self.rng.uniform(7 * DAY, 25 * DAY, count)
        recycled = wave.after(wave.at + wait.astype(np.int64)).where(back)
        self.journal.stage(recycled.lead, recycled.at, given.NURTURE)
        self._requalify(recycled)

    def _requalify(self, wave: Wave) -> None:
        """Nurtured leads that come back as a handoff."""
        chance = odds(given.REQUALIFIED_SHARE, 0.5 * self.leads.quality[wave.lead])
        back = wave.where(self.rng.random(len(wave.lead)) < chance)
        wait = spread(self.rng, given.REQUALIFIED_MEDIAN_DAYS * DAY, 0.5, len(back.lead))
        at = self._at_daytime(back.lead, back.at + DAY + wait.astype(np.int64), 0.85)
        self.next.handoffs.append(back.after(at))

    def _reasons(self, exit_kind: Ints) -> Ints:
        """The reason that the rep gives: known, unknown or none."""
        count = len(exit_kind)
        reason = choose_by_row(self.rng, codes.REASON_SHARES, codes.REASON_ROW[exit_kind])
        unknown = len(given.REASONS) + self.rng.integers(0, len(given.UNKNOWN_REASONS), count)
        reason = np.where(self.rng.random(count) < given.UNKNOWN_REASON, unknown, reason)
        return np.where(self.rng.random(count) < codes.REASON_MISSING[exit_kind], NOTHING, reason)

    # --- Small helpers ---------------------------------------------------------------------------

    def _before_end(self, wave: Wave) -> Wave:
        return wave.where(wave.at < self.world.end)

    def _at_daytime(self, lead: Ints, at: Ints, share: float) -> Ints:
        """Move most of the moments into the lead's own working hours."""
        count = len(lead)
        late = self.rng.uniform(0, 6 * HOUR, count)
        moved = self.world.zones.at_work(at, self.leads.zone[lead], late)
        return np.where(self.rng.random(count) < share, moved, at)
