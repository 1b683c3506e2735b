"""What the simulated company is like: every rate, weight, name and duration of the simulation.

Shares are of 1, durations in the unit of their name; how far one spreads around its median is in
the step that draws it. Working time is Monday to Friday, 09:00 to 18:00 in the time zone of the
person who works. Changing anything here changes the sample's bytes.
"""

from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import numpy as np


def table(fields: str, *rows: tuple[Any, ...]) -> SimpleNamespace:
    """The rows as columns, one array per field: ``table("name weight", ("a", 0.5)).weight``."""
    columns = {}
    for field, values in zip(fields.split(), zip(*rows, strict=True), strict=True):
        is_text = any(isinstance(value, str) for value in values)
        columns[field] = np.array(values, dtype=object if is_text else None)
    return SimpleNamespace(**columns)


class Stage(StrEnum):
    """The stages as this CRM writes them (tradition four_stage)."""

    SUBSCRIBER = "Subscriber"
    LEAD = "Lead"
    MQL = "MQL"
    PQL = "PQL"
    SAL = "SAL"
    SQL = "SQL"
    OPPORTUNITY = "Opportunity"
    CUSTOMER = "Customer"
    REJECTED = "Rejected"
    DISQUALIFIED = "Disqualified"
    CLOSED_LOST = "Closed Lost"
    NURTURE = "Nurture"
    ON_HOLD = "On Hold"  # Somebody added this stage to the CRM and nobody mapped it.


# --- Where leads come from -----------------------------------------------------------------------

# quality: shifts the lead's hidden quality, in standard deviations. For an average lead, mql is the
# share that marketing hands off and sql the share of accepted leads that qualify. cost: per lead.
SOURCES = table(
    "name channel weight quality mql sql first_signal campaign cost",
    ("Organic Search", "organic", 0.20, 0.10, 0.50, 0.34, "document_downloaded", None, 14),
    ("Direct", "direct", 0.09, 0.20, 0.56, 0.35, "page_view", None, 0),
    ("Paid Search", "paid_search", 0.15, 0.00, 0.58, 0.32, "pricing_page_view", "search", 95),
    ("Paid Social", "paid_social", 0.12, -0.35, 0.50, 0.24, "document_downloaded", "social", 60),
    ("Social", "social", 0.05, -0.20, 0.38, 0.27, "blog_subscribed", None, 8),
    ("Email", "email", 0.08, -0.05, 0.46, 0.30, "newsletter_signup", "newsletter", 6),
    ("Referral", "referral", 0.05, 0.60, 0.78, 0.41, "page_view", None, 20),
    ("Partner", "partner", 0.05, 0.45, 0.72, 0.38, "document_downloaded", "partner", 70),
    ("Event", "event", 0.05, -0.10, 0.50, 0.29, "event_scanned", "fair", 160),
    ("Webinar", "event", 0.06, 0.00, 0.54, 0.31, "webinar_attended", "webinar", 45),
    ("Outbound", "outbound", 0.05, 0.05, 0.66, 0.30, None, "sequence", 110),
    ("Product Signup", "product", 0.05, 0.25, 0.66, 0.37, "account_created", None, 10),
)
# How the handoffs of a source spread over the tiers of intent, and its leads over the segments.
SOURCE_MIX = table(
    "source tiers segments",
    ("Organic Search", (0.24, 0.28, 0.20, 0.28), (0.60, 0.30, 0.10)),
    ("Direct", (0.34, 0.30, 0.16, 0.20), (0.52, 0.33, 0.15)),
    ("Paid Search", (0.30, 0.32, 0.16, 0.22), (0.62, 0.29, 0.09)),
    ("Paid Social", (0.10, 0.18, 0.27, 0.45), (0.68, 0.25, 0.07)),
    ("Social", (0.12, 0.20, 0.28, 0.40), (0.66, 0.26, 0.08)),
    ("Email", (0.16, 0.24, 0.30, 0.30), (0.56, 0.32, 0.12)),
    ("Referral", (0.50, 0.24, 0.16, 0.10), (0.48, 0.35, 0.17)),
    ("Partner", (0.42, 0.24, 0.22, 0.12), (0.36, 0.40, 0.24)),
    ("Event", (0.14, 0.16, 0.32, 0.38), (0.38, 0.37, 0.25)),
    ("Webinar", (0.16, 0.22, 0.40, 0.22), (0.50, 0.35, 0.15)),
    ("Outbound", (0.70, 0.10, 0.12, 0.08), (0.22, 0.43, 0.35)),
    ("Product Signup", (0.16, 0.62, 0.12, 0.10), (0.74, 0.21, 0.05)),
)

# The story of the year: from its eighth month on paid social is scaled up and gets worse.
SCALED_UP_SOURCE = "Paid Social"
SCALED_UP_FROM = 0.66
SCALED_UP_WEIGHT = 1.9
SCALED_UP_QUALITY = -0.45

SUBSCRIBING_SOURCES = ("Email", "Social", "Webinar")
SUBSCRIBER_SHARE = 0.6
BLANK_SOURCE_SHARE = 0.01
FREEMAIL_SHARE = 0.05
MISSING_SHARE = {"employee_count": 0.04, "industry": 0.05, "title": 0.04, "crm_score": 0.03}

# --- The calendar --------------------------------------------------------------------------------

# The moment of the export: nothing happens at or after it.
YEAR_END = datetime(2026, 7, 1, tzinfo=UTC)
DAYS_IN_YEAR = 365
MONTH_WEIGHTS = (1.10, 1.04, 1.08, 1.00, 1.00, 0.96, 0.86, 0.62, 1.14, 1.12, 1.06, 0.74)
WEEKDAY_WEIGHTS = (1.12, 1.18, 1.15, 1.08, 0.84, 0.22, 0.21)
GROWTH_OVER_YEAR = 0.25
# Share of the leads of a day that come in each local hour.
HOUR_WEIGHTS = (
    1, 1, 1, 1, 1, 2, 4, 9, 18, 24, 27, 25, 19, 23, 26, 24, 20, 14, 9, 7, 6, 5, 3, 2,
)  # fmt: skip
MONTHS_WITHOUT_EVENTS = (8, 12)
EVENT_DAYS = 8
WEBINAR_EVERY_DAYS = 21
EVENT_DAY_FACTOR = 14.0
WEBINAR_DAY_FACTOR = 8.0

# --- Companies and people ------------------------------------------------------------------------

LEADS_PER_COMPANY = 1.35
# employees_low, employees_high: headcount of the segment's companies. quality, qualification, win:
# what the segment adds to a lead's quality and to the log odds of a step.
SEGMENTS = table(
    "name employees_low employees_high quality qualification win deal_days deal_amount",
    ("smb", 3, 99, -0.10, 0.10, 0.15, 24.0, 6_000.0),
    ("mid-market", 100, 999, 0.30, 0.0, 0.0, 42.0, 24_000.0),
    ("enterprise", 1000, 24000, 0.20, -0.45, -0.25, 75.0, 95_000.0),
)
TINY_COMPANY = 10  # employees
TINY_COMPANY_QUALITY = -0.35

COUNTRIES = table(
    "name team zone weight",
    ("US", "amer", "America/New_York", 0.30),
    ("US", "amer", "America/Los_Angeles", 0.12),
    ("CA", "amer", "America/Toronto", 0.06),
    ("GB", "emea", "Europe/London", 0.13),
    ("DE", "emea", "Europe/Berlin", 0.11),
    ("NL", "emea", "Europe/Amsterdam", 0.10),
    ("FR", "emea", "Europe/Paris", 0.06),
    ("SE", "emea", "Europe/Stockholm", 0.03),
    ("AU", "apac", "Australia/Sydney", 0.05),
    ("SG", "apac", "Asia/Singapore", 0.04),
)
INDUSTRIES = (
    "software", "manufacturing", "financial services", "retail", "healthcare", "logistics",
    "education", "professional services", "media", "energy",
)  # fmt: skip
TITLES = table(
    "name weight quality",
    ("VP Sales", 0.06, 0.50),
    ("VP Marketing", 0.05, 0.45),
    ("Chief Revenue Officer", 0.03, 0.55),
    ("Chief Operating Officer", 0.03, 0.40),
    ("Director of Operations", 0.07, 0.40),
    ("Director of Demand Generation", 0.06, 0.35),
    ("Head of Growth", 0.05, 0.20),
    ("Revenue Operations Manager", 0.11, 0.25),
    ("Marketing Manager", 0.14, 0.05),
    ("Sales Manager", 0.11, 0.05),
    ("Marketing Specialist", 0.11, -0.25),
    ("Sales Analyst", 0.08, -0.20),
    ("Software Engineer", 0.06, -0.35),
    ("Consultant", 0.03, -0.40),
    ("Student", 0.01, -1.20),
)
NAME_STARTS = (
    "Bra", "Cor", "Del", "Fen", "Gal", "Hal", "Ive", "Jor", "Kel", "Lum", "Mar", "Nor", "Or", "Pel",
    "Quo", "Ral", "Sil", "Tor", "Ul", "Ver", "Wil", "Xan", "Yar", "Zel", "Ald", "Bel", "Cal", "Dor",
    "El", "Far",
)  # fmt: skip
NAME_MIDDLES = (
    "an", "ber", "cas", "do", "en", "fi", "gor", "hel", "in", "ka", "li", "mon", "nu", "os", "per",
    "ra", "si", "ta", "un", "vi", "wen", "yo", "ze", "mar", "lan",
)  # fmt: skip
NAME_ENDS = (
    "brook", "dale", "dor", "field", "gate", "ium", "ka", "lix", "mont", "nex", "on", "port",
    "quist", "rix", "stad", "tek", "tis", "via", "vik", "wick", "yard", "zon", "ley", "ro",
)  # fmt: skip
COMPANY_KINDS = (
    "Systems", "Labs", "Group", "Logistics", "Analytics", "Works", "Partners", "Industries",
    "Software", "Health", "Energy", "Media", "Foods", "Robotics", "Capital", "Services", "Mobility",
    "Networks", "Studio", "Supply", "Security", "Learning", "Commerce", "Materials", "Design",
    "Cloud", "Finance", "Travel", "Homes", "Data",
)  # fmt: skip
GIVEN_NAMES = (
    "Ada", "Bela", "Cato", "Dara", "Edda", "Femke", "Gijs", "Hanne", "Ilja", "Jona", "Kaia", "Lior",
    "Mika", "Noor", "Odile", "Pia", "Quinn", "Runa", "Sami", "Tove", "Ulla", "Vigo", "Wren", "Yara",
    "Zeno", "Arlo", "Brisa", "Ciro", "Dilan", "Enzo",
)  # fmt: skip
FAMILY_NAMES = (
    "Abrinck", "Bostrand", "Caverly", "Dunmarsh", "Elvestad", "Farrowen", "Grantham", "Hollmere",
    "Ingvarsen", "Jostad", "Kestrell", "Lindmoor", "Marwick", "Norgaard", "Ostwick", "Pellander",
    "Quorley", "Rensvold", "Straten", "Tollevik", "Underhay", "Vandrick", "Westmoor", "Yarlund",
    "Zandveld",
)  # fmt: skip

# --- Sales ---------------------------------------------------------------------------------------

# Reps of a team take turns in its two time zones.
TEAMS = table(
    "name share zones min_sdrs",
    ("amer", 0.48, ("America/New_York", "America/Los_Angeles"), 3),
    ("emea", 0.43, ("Europe/London", "Europe/Amsterdam"), 3),
    ("apac", 0.09, ("Australia/Sydney", "Asia/Singapore"), 1),
)
HANDOFFS_PER_LEAD = 0.62
HANDOFFS_PER_SDR_WEEK = 18
CLOSERS_PER_SDR = 0.6
CAPACITY_RANGE = (0.85, 1.4)  # of the average load
HOLIDAY_WEEKS = 4
LEAVER_SHARE = 0.08
LEAVES_AFTER_WEEK = 34

# Tiers of intent. touch_share, touch_minutes, touch_sigma: how many handoffs get a first touch, and
# its delay (median and spread). acceptance, qualification, win: added to the log odds of the step.
# at_once: share of the leads that are handed off within minutes instead of days.
TIERS = table(
    "name touch_share touch_minutes touch_sigma acceptance qualification win at_once",
    ("hand_raise", 0.975, 3.6, 1.15, 0.45, 0.40, 0.30, 0.7),
    ("high_intent", 0.96, 26.0, 1.1, 0.20, 0.15, 0.10, 0.5),
    ("standard", 0.93, 200.0, 1.0, -0.10, -0.10, -0.10, 0.35),
    ("low_intent", 0.86, 230.0, 0.9, -0.45, -0.40, -0.30, 0.3),
)
HAND_RAISE, HIGH_INTENT, LOW_INTENT = 0, 1, 3
# Share of handoffs that a rep has contacted already.
TOUCHED_BEFORE_SHARE = 0.025

# What one standard deviation of a lead's quality adds to the log odds of a step.
QUALITY_EFFECT = SimpleNamespace(
    mql=0.35, acceptance=0.4, qualification=0.4, opportunity=0.3, win=0.55, requalification=0.5
)
HANDOFF_AT_ONCE_MEDIAN_MINUTES = 25
HANDOFF_LATER_MEDIAN_DAYS = 8
INTEREST_MEDIAN_DAYS = 25  # of those who are not handed off
ACCEPTED = 0.755
PENDING = 0.035
PENDING_UNTOUCHED = 0.15
DECISION_MEDIAN_HOURS = 5.0
QUALIFICATION_MEDIAN_HOURS = 36.0
OPPORTUNITY_SHARE = 0.60
OPPORTUNITY_MEDIAN_HOURS = 26.0
WIN_SHARE = 0.21
QUARTER_END_PULL = 0.40

# What happens to leads that do not go on (weights), and the share whose reason is left out.
# Rejecting a qualified lead is no valid move; lost is the exit of a deal.
EXITS = table(
    "stage from_handoff from_accepted from_qualified reason_missing",
    (None, 0.0, 0.12, 0.22, 0.0),  # It stays where it is.
    (Stage.REJECTED, 0.74, 0.10, 0.02, 0.08),
    (Stage.DISQUALIFIED, 0.13, 0.46, 0.42, 0.045),
    (Stage.NURTURE, 0.13, 0.32, 0.34, 0.05),
    (Stage.CLOSED_LOST, 0.0, 0.0, 0.0, 0.05),
)
STANDING, REJECTED, DISQUALIFIED, NURTURED, LOST = range(5)
SCREENED_OUT_SHARE = 0.13

RECYCLED_SHARE = 0.92
RECYCLED_LATE_SHARE = 0.06
REQUALIFIED_SHARE = 0.30
REQUALIFIED_MEDIAN_DAYS = 58.0
EXPANSION_SHARE = 0.42
EXPANSION_MEDIAN_DAYS = 95.0
EXPANSION_AS_DEAL_SHARE = 0.6
SAME_OWNER_AGAIN = 0.5
MOST_PASSES = 4

# --- What goes wrong -----------------------------------------------------------------------------

UNKNOWN_REASON = 0.035
ACCEPTANCE_SKIPPED = 0.04
ACCEPTANCE_TAKEN_BACK = 0.015
ON_HOLD_SHARE = 0.012
OWNER_LATE = 0.015
REASSIGNED = 0.035
DEAL_WITHOUT_STAGE = 0.06
CREATED_LATE = 0.004
CURRENT_STAGE_STALE = 0.008
MERGED_SHARE = 0.007
MERGED_DELETED_SHARE = 0.5  # of the merged
DELETED_SHARE = 0.007
NO_FIRST_CHANGE = 0.15  # share of leads whose first stage is not logged

# How reps word a reason, and how often they give it at an exit: rejected, disqualified, nurtured,
# lost.
REASONS = table(
    "text weights",
    ("Doesn't fit ICP", (0.17, 0.20, 0.00, 0.04)),
    ("Bad fit", (0.05, 0.05, 0.00, 0.03)),
    ("Wrong persona", (0.11, 0.06, 0.04, 0.00)),
    ("Company too small", (0.12, 0.12, 0.05, 0.03)),
    ("Not in our region", (0.05, 0.07, 0.00, 0.00)),
    ("competitor", (0.03, 0.02, 0.03, 0.00)),
    ("Lost to competitor", (0.00, 0.00, 0.00, 0.27)),
    ("Already evaluated us last year", (0.03, 0.02, 0.04, 0.04)),
    ("Not in a buying cycle", (0.12, 0.05, 0.30, 0.08)),
    ("Bad timing", (0.05, 0.03, 0.22, 0.10)),
    ("No budget", (0.06, 0.06, 0.16, 0.18)),
    ("No response", (0.11, 0.16, 0.12, 0.16)),
    ("unresponsive", (0.03, 0.04, 0.02, 0.02)),
    ("Invalid email", (0.03, 0.07, 0.00, 0.00)),
    ("duplicate", (0.02, 0.03, 0.00, 0.00)),
    ("other", (0.02, 0.02, 0.02, 0.05)),
)
UNKNOWN_REASONS = ("see notes", "On hold until the new CFO starts", "Chose an internal build")
UNRECYCLABLE_REASONS = ("Invalid email", "duplicate")

# --- What can be planted -------------------------------------------------------------------------

# A sound company: hand raisers and high intent are touched around the clock, this much faster, the
# team has this much more room, and nobody leaves it.
SOUND_TOUCH = 0.2
SOUND_ROOM = 1.4
# What its segments add to the log odds of qualification: their rates are in the usual ranges.
SOUND_QUALIFICATION = np.array((-0.2, 0.0, -0.6))
# overload: so many times the leads. mix: the share of all leads that the weak sources bring (a
# sixth without the cause).
OVERLOAD = 1.8
WEAK_SOURCES = ("Paid Social", "Social")
WEAK_SHARE = 0.5
# gaming: the share of the leads below the bar that is handed off all the same, and their quality
# (added, in standard deviations).
GAMED_SHARE = 0.75
GAMED_QUALITY = -2.4
# drift: the share of the wins in one segment that are lost, while as many lost deals in another are
# won (that share of them).
DRIFT_FROM, DRIFT_TO = "smb", "mid-market"
DRIFT_LOST_SHARE = 0.9
DRIFT_WON_SHARE = 0.46
# bottleneck: what becomes of OPPORTUNITY_SHARE. missing reasons: the share left out at any exit.
BOTTLENECK_SHARE = 0.18
REASONS_LEFT_OUT = 0.4

# --- What leads and reps do ----------------------------------------------------------------------

# What leads do just before a handoff, by its tier of intent.
TIER_SIGNALS = table(
    "kind tier weight",
    ("demo_request", "hand_raise", 0.42),
    ("contact_sales", "hand_raise", 0.26),
    ("pricing_inquiry", "hand_raise", 0.14),
    ("meeting_booked", "hand_raise", 0.10),
    ("quote_request", "hand_raise", 0.08),
    ("pricing_page_view", "high_intent", 0.52),
    ("trial_signup", "high_intent", 0.28),
    ("product_qualified", "high_intent", 0.08),
    ("competitor_page_view", "high_intent", 0.12),
    ("webinar_attended", "standard", 0.82),
    ("account_created", "standard", 0.18),
    ("document_downloaded", "low_intent", 0.44),
    ("email_clicked", "low_intent", 0.24),
    ("event_scanned", "low_intent", 0.10),
    ("blog_subscribed", "low_intent", 0.12),
    ("email_course_signup", "low_intent", 0.10),
)
OUTBOUND_SOURCE = "Outbound"
OUTBOUND_SIGNAL = "outbound_reply"
PRODUCT_SOURCE = "Product Signup"
PRODUCT_SIGNAL = "product_qualified"
# What they do between creation and handoff; without a channel it is the lead's own.
BACKGROUND_SIGNALS = table(
    "kind weight channel",
    ("page_view", 0.44, None),
    ("email_clicked", 0.22, "email"),
    ("document_downloaded", 0.11, "organic"),
    ("webinar_attended", 0.05, "event"),
    ("pricing_page_view", 0.04, "direct"),
    ("blog_subscribed", 0.04, "organic"),
    ("newsletter_signup", 0.04, "email"),
    ("unsubscribed", 0.03, "email"),
    ("email_bounced", 0.02, "email"),
    ("chat_opened", 0.01, "direct"),  # A kind that the signals of the policy do not know.
)
CAMPAIGN_SHARE = 0.4  # of the signals just before a handoff
BACKGROUND_PER_MQL = 1.7
BACKGROUND_PER_OTHER = 0.7

# inbound: the share that comes from the lead.
FOLLOW_UPS = table(
    "kind weight inbound",
    ("email", 0.40, 0.22),
    ("call", 0.33, 0.04),
    ("linkedin", 0.08, 0.10),
    ("message", 0.03, 0.30),
    ("meeting", 0.07, 0.0),
    ("note", 0.09, 0.0),
)
FIRST_TOUCHES = table(
    "kind weight", ("call", 0.50), ("email", 0.42), ("linkedin", 0.05), ("sms", 0.03)
)
AUTOMATED_EMAIL = "automated_email"
AUTOMATED_EMAIL_SHARE = 0.30
FOLLOW_UPS_PER_HANDOFF = 1.6
FOLLOW_UPS_PER_DEAL = 3.0

SPEND_NOISE = 0.18
