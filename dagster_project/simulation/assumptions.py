"""What the simulated company is like: every rate, weight, name and duration of the simulation.

Shares are of 1, durations in the unit of their name. Working time is Monday to Friday, 09:00 to
18:00 in the time zone of the one who works. Changing anything here changes the sample's bytes.
"""

from dataclasses import dataclass

# --- Stages as this CRM writes them (tradition four_stage) ---------------------------------------

STAGES = (
    "Subscriber",
    "Lead",
    "MQL",
    "PQL",
    "SAL",
    "SQL",
    "Opportunity",
    "Customer",
    "Rejected",
    "Disqualified",
    "Closed Lost",
    "Nurture",
    "On Hold",  # A stage that somebody added to the CRM and nobody mapped.
)
(
    SUBSCRIBER,
    LEAD,
    MQL,
    PQL,
    SAL,
    SQL,
    OPPORTUNITY,
    CUSTOMER,
    REJECTED,
    DISQUALIFIED,
    CLOSED_LOST,
    NURTURE,
    ON_HOLD,
) = range(len(STAGES))

# --- Where leads come from -----------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """One lead source: its volume, its quality and what its leads do first.

    ``quality`` shifts the lead's latent quality (standard deviations); ``mql`` is the share that
    marketing hands off; ``sql`` the share of accepted leads that qualify, both for an average
    lead. ``tiers``: how likely a handoff is a hand raise, high intent, standard, low intent.
    ``segments``: smb, mid-market, enterprise. ``cost``: money per lead, for the channel's spend.
    """

    name: str
    channel: str
    weight: float
    quality: float
    mql: float
    sql: float
    tiers: tuple[float, float, float, float]
    segments: tuple[float, float, float]
    first_signal: str
    campaign: str
    cost: float


SOURCES = (
    Source(
        "Organic Search", "organic", 0.20, 0.10, 0.50, 0.34,
        (0.24, 0.28, 0.20, 0.28), (0.60, 0.30, 0.10), "document_downloaded", "", 14,
    ),
    Source(
        "Direct", "direct", 0.09, 0.20, 0.56, 0.35,
        (0.34, 0.30, 0.16, 0.20), (0.52, 0.33, 0.15), "page_view", "", 0,
    ),
    Source(
        "Paid Search", "paid_search", 0.15, 0.00, 0.58, 0.32,
        (0.30, 0.32, 0.16, 0.22), (0.62, 0.29, 0.09), "pricing_page_view", "search", 95,
    ),
    Source(
        "Paid Social", "paid_social", 0.12, -0.35, 0.50, 0.24,
        (0.10, 0.18, 0.27, 0.45), (0.68, 0.25, 0.07), "document_downloaded", "social", 60,
    ),
    Source(
        "Social", "social", 0.05, -0.20, 0.38, 0.27,
        (0.12, 0.20, 0.28, 0.40), (0.66, 0.26, 0.08), "blog_subscribed", "", 8,
    ),
    Source(
        "Email", "email", 0.08, -0.05, 0.46, 0.30,
        (0.16, 0.24, 0.30, 0.30), (0.56, 0.32, 0.12), "newsletter_signup", "newsletter", 6,
    ),
    Source(
        "Referral", "referral", 0.05, 0.60, 0.78, 0.41,
        (0.50, 0.24, 0.16, 0.10), (0.48, 0.35, 0.17), "page_view", "", 20,
    ),
    Source(
        "Partner", "partner", 0.05, 0.45, 0.72, 0.38,
        (0.42, 0.24, 0.22, 0.12), (0.36, 0.40, 0.24), "document_downloaded", "partner", 70,
    ),
    Source(
        "Event", "event", 0.05, -0.10, 0.50, 0.29,
        (0.14, 0.16, 0.32, 0.38), (0.38, 0.37, 0.25), "event_scanned", "fair", 160,
    ),
    Source(
        "Webinar", "event", 0.06, 0.00, 0.54, 0.31,
        (0.16, 0.22, 0.40, 0.22), (0.50, 0.35, 0.15), "webinar_attended", "webinar", 45,
    ),
    Source(
        "Outbound", "outbound", 0.05, 0.05, 0.66, 0.30,
        (0.70, 0.10, 0.12, 0.08), (0.22, 0.43, 0.35), "", "sequence", 110,
    ),
    Source(
        "Product Signup", "product", 0.05, 0.25, 0.66, 0.37,
        (0.16, 0.62, 0.12, 0.10), (0.74, 0.21, 0.05), "account_created", "", 10,
    ),
)  # fmt: skip
SOURCE_INDEX = {source.name: at for at, source in enumerate(SOURCES)}

# The story of the year: from its eighth month on paid social is scaled up and gets worse.
SCALED_UP_SOURCE = "Paid Social"
SCALED_UP_FROM = 0.66
SCALED_UP_WEIGHT = 1.9
SCALED_UP_QUALITY = -0.45

BLANK_SOURCE_SHARE = 0.01
FREEMAIL_SHARE = 0.05
MISSING_SHARE = {"employee_count": 0.04, "industry": 0.05, "title": 0.04, "crm_score": 0.03}

# --- The calendar --------------------------------------------------------------------------------

DAYS_IN_YEAR = 365
MONTH_WEIGHTS = (1.10, 1.04, 1.08, 1.00, 1.00, 0.96, 0.86, 0.62, 1.14, 1.12, 1.06, 0.74)
WEEKDAY_WEIGHTS = (1.12, 1.18, 1.15, 1.08, 0.84, 0.22, 0.21)
GROWTH_OVER_YEAR = 0.25
# Share of the leads of a day that come in each local hour.
HOUR_WEIGHTS = (
    1, 1, 1, 1, 1, 2, 4, 9, 18, 24, 27, 25, 19, 23, 26, 24, 20, 14, 9, 7, 6, 5, 3, 2,
)  # fmt: skip
EVENT_DAYS = 8
WEBINAR_EVERY_DAYS = 21
EVENT_DAY_FACTOR = 14.0
WEBINAR_DAY_FACTOR = 8.0

# --- Companies and people ------------------------------------------------------------------------

LEADS_PER_COMPANY = 1.35
SEGMENT_EMPLOYEES = ((3, 99), (100, 999), (1000, 24000))
SEGMENT_QUALITY = (-0.10, 0.30, 0.20)
TINY_COMPANY = 10  # employees
TINY_COMPANY_QUALITY = -0.35

# country, team, time zone, weight
COUNTRIES = (
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
# title, weight, quality
TITLES = (
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

TEAMS = ("amer", "emea", "apac")
TEAM_SHARES = (0.48, 0.43, 0.09)
TEAM_ZONES = (
    ("America/New_York", "America/Los_Angeles"),
    ("Europe/London", "Europe/Amsterdam"),
    ("Australia/Sydney", "Asia/Singapore"),
)
HANDOFFS_PER_LEAD = 0.62
HANDOFFS_PER_SDR_WEEK = 18
SDRS_AT_LEAST = (3, 3, 1)
CLOSERS_PER_SDR = 0.6
CAPACITY_RANGE = (0.85, 1.4)  # of the average load
HOLIDAY_WEEKS = 4
LEAVER_SHARE = 0.08
LEAVES_AFTER_WEEK = 34

# Per tier: hand raise, high intent, standard, low intent.
TOUCH_SHARE = (0.975, 0.96, 0.93, 0.86)
TOUCH_MEDIAN_MINUTES = (3.6, 26.0, 200.0, 230.0)
# Reps who are in touch already when the lead is handed off.
TOUCHED_BEFORE_SHARE = 0.025
TOUCH_SIGMA = (1.15, 1.1, 1.0, 0.9)
TIER_ACCEPTANCE = (0.45, 0.20, -0.10, -0.45)
TIER_QUALIFICATION = (0.40, 0.15, -0.10, -0.40)
TIER_WIN = (0.30, 0.10, -0.10, -0.30)

ACCEPTED = 0.755
PENDING = 0.035
DECISION_MEDIAN_HOURS = 5.0
QUALIFICATION_MEDIAN_HOURS = 36.0
OPPORTUNITY_SHARE = 0.60
OPPORTUNITY_MEDIAN_HOURS = 26.0
WIN_SHARE = 0.21
DEAL_MEDIAN_DAYS = (24.0, 42.0, 75.0)
DEAL_AMOUNTS = (6_000.0, 24_000.0, 95_000.0)
QUARTER_END_PULL = 0.40

SEGMENT_QUALIFICATION = (0.10, 0.0, -0.45)
SEGMENT_WIN = (0.15, 0.0, -0.25)

# What happens to those who do not go on: stays where it is, rejected, disqualified, nurture.
EXITS_FROM_HANDOFF = (0.0, 0.74, 0.13, 0.13)
EXITS_FROM_ACCEPTED = (0.12, 0.10, 0.46, 0.32)
EXITS_FROM_QUALIFIED = (0.22, 0.02, 0.42, 0.34)  # Rejecting a qualified lead is no valid move.
SCREENED_OUT_SHARE = 0.13

RECYCLED_SHARE = 0.92
RECYCLED_LATE_SHARE = 0.06
REQUALIFIED_SHARE = 0.30
REQUALIFIED_MEDIAN_DAYS = 58.0
EXPANSION_SHARE = 0.42
EXPANSION_MEDIAN_DAYS = 95.0
EXPANSION_AS_DEAL_SHARE = 0.6
MOST_PASSES = 4

# --- What goes wrong -----------------------------------------------------------------------------

REJECTION_REASON_MISSING = 0.08
DISQUALIFICATION_REASON_MISSING = 0.045
LOSS_REASON_MISSING = 0.05
RECYCLE_REASON_MISSING = 0.05
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
DELETED_SHARE = 0.007
NO_FIRST_CHANGE = 0.15

# raw reason, weight by exit: rejection, disqualification, loss, recycling
REASONS = (
    ("Doesn't fit ICP", 0.17, 0.20, 0.04, 0.0),
    ("Bad fit", 0.05, 0.05, 0.03, 0.0),
    ("Wrong persona", 0.11, 0.06, 0.0, 0.04),
    ("Company too small", 0.12, 0.12, 0.03, 0.05),
    ("Not in our region", 0.05, 0.07, 0.0, 0.0),
    ("competitor", 0.03, 0.02, 0.0, 0.03),
    ("Lost to competitor", 0.0, 0.0, 0.27, 0.0),
    ("Already evaluated us last year", 0.03, 0.02, 0.04, 0.04),
    ("Not in a buying cycle", 0.12, 0.05, 0.08, 0.30),
    ("Bad timing", 0.05, 0.03, 0.10, 0.22),
    ("No budget", 0.06, 0.06, 0.18, 0.16),
    ("No response", 0.11, 0.16, 0.16, 0.12),
    ("unresponsive", 0.03, 0.04, 0.02, 0.02),
    ("Invalid email", 0.03, 0.07, 0.0, 0.0),
    ("duplicate", 0.02, 0.03, 0.0, 0.0),
    ("other", 0.02, 0.02, 0.05, 0.02),
)
UNKNOWN_REASONS = ("see notes", "On hold until the new CFO starts", "Chose an internal build")
UNRECYCLABLE_REASONS = ("Invalid email", "duplicate")

# --- What leads and reps do ----------------------------------------------------------------------

SIGNALS_BY_TIER = (
    (
        ("demo_request", 0.42), ("contact_sales", 0.26), ("pricing_inquiry", 0.14),
        ("meeting_booked", 0.10), ("quote_request", 0.08),
    ),
    (
        ("pricing_page_view", 0.52), ("trial_signup", 0.28), ("product_qualified", 0.08),
        ("competitor_page_view", 0.12),
    ),
    (("webinar_attended", 0.82), ("account_created", 0.18)),
    (
        ("document_downloaded", 0.44), ("email_clicked", 0.24), ("event_scanned", 0.10),
        ("blog_subscribed", 0.12), ("email_course_signup", 0.10),
    ),
)  # fmt: skip
OUTBOUND_SIGNAL = "outbound_reply"
PRODUCT_SIGNAL = "product_qualified"
# Between creation and handoff: kind, weight, channel (empty: the lead's own)
BACKGROUND_SIGNALS = (
    ("page_view", 0.44, ""),
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
BACKGROUND_PER_MQL = 1.7
BACKGROUND_PER_OTHER = 0.7

# kind, weight, share inbound
FOLLOW_UPS = (
    ("email", 0.40, 0.22),
    ("call", 0.33, 0.04),
    ("linkedin", 0.08, 0.10),
    ("message", 0.03, 0.30),
    ("meeting", 0.07, 0.0),
    ("note", 0.09, 0.0),
)
FIRST_TOUCHES = (("call", 0.50), ("email", 0.42), ("linkedin", 0.05), ("sms", 0.03))
AUTOMATED_EMAIL = "automated_email"
AUTOMATED_EMAIL_SHARE = 0.30
FOLLOW_UPS_PER_HANDOFF = 1.6
FOLLOW_UPS_PER_DEAL = 3.0

SPEND_NOISE = 0.18
