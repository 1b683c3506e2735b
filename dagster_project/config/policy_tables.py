"""The policy tables: one model per CSV file of ``seeds/policy``, one instance per row.

A model says which columns a table has, what a cell may hold, and which of its cells depend on
other rows and tables (``Unique``, ``Reference``, ``KEY``, ``REQUIRED``). The few rules that need
more than that are in ``policy.py``. Cells arrive as text; an empty cell is ``None``.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
)

from dagster_project.config.contract import AcceptanceMode
from dagster_project.config.section import ClockTime

Milestone = Literal[
    "captured",
    "marketing_qualified",
    "handed_off",
    "accepted",
    "sales_qualified",
    "opportunity",
    "won",
]
MILESTONES: tuple[str, ...] = get_args(Milestone)

ExitKind = Literal["rejected", "disqualified", "lost", "recycled"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

# What a fit rule or an exclusion may look at: attributes of a lead that the models carry.
LeadAttribute = Literal[
    "company",
    "country",
    "crm_score",
    "email_domain",
    "employee_count",
    "industry",
    "lead_id",
    "lead_source",
    "owner_id",
    "title",
]
# What is frozen of a score at the handoff.
FrozenScore = Literal["fit_score", "interest_score", "score"]
NUMERIC_ATTRIBUTES = frozenset({"crm_score", "employee_count"})

ReasonUse = Literal["rejection", "disqualification", "loss", "recycling"]

# What a stage map says of a raw stage without a meaning; no stage can have this name.
IGNORED_STAGE = "ignored"

# Parameter -> the units in which its value may be given.
_TIME_UNITS = ("minutes", "hours", "days")
RULE_PARAMETERS: dict[str, tuple[str, ...]] = {
    "intent_lookback": _TIME_UNITS,
    "explicit_intent_lookback": _TIME_UNITS,
    "score_lookback": _TIME_UNITS,
    "decay_period": _TIME_UNITS,
    "decay_points": ("points",),
    "recycle_grace": _TIME_UNITS,
    "opportunity_grace": _TIME_UNITS,
    "conversion_window": _TIME_UNITS,
    "creation_tolerance": _TIME_UNITS,
    "qualification_grace": _TIME_UNITS,
    "owner_grace": _TIME_UNITS,
}
# Those that came later: a policy without them has the defaults of the models (int_run_policy).
LATER_PARAMETERS: dict[str, tuple[str, ...]] = {
    "sync_period": _TIME_UNITS,
    "sync_offset": ("days",),
    "sync_history": ("days",),
    "sync_cases": ("cases",),
    "threshold_step": ("points",),
    "change_window": ("days",),
    "change_history": ("days",),
    "attribution_lookback": _TIME_UNITS,
    "end_touch_credit": ("percent",),
    "spend_lag": (*_TIME_UNITS, "medians"),
}


def _cell(read: Callable[[str], Any], wanted: str) -> BeforeValidator:
    """Read a cell's text; whatever can't be read must be what is wanted."""

    def parse(value: Any) -> Any:
        try:
            return read(value)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ValueError(f"must be {wanted}") from None

    return BeforeValidator(parse)


Boolean = Annotated[
    bool, _cell(lambda text: {"true": True, "false": False}[text.lower()], "true or false")
]
Date = Annotated[dt.date, _cell(dt.date.fromisoformat, "a date such as 2026-12-25")]
Number = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Unique:
    """Rows with the same text in the column, in any case, are about the same ``of``.

    ``fix``: what to do about one that is not. ``within``: only rows that agree in this column are
    compared. ``counts_empty``: empty cells are the same too.
    """

    of: str
    fix: str
    within: str = ""
    counts_empty: bool = False


@dataclass(frozen=True)
class Reference:
    """A filled cell names a row of another table by the last column of that table's ``KEY``.

    ``fix``: what to do about one that is not there; ``{known}`` is what the column may hold,
    ``{cell}`` what it holds. ``within``: only rows that agree in this column are meant. ``also``:
    values that are allowed although no row has them.
    """

    table: str
    fix: str
    within: str = ""
    also: Set[str] = frozenset()


Rule = TypeVar("Rule", Unique, Reference)

# Table -> the model of its rows, in the order in which problems are listed.
TABLES: dict[str, type["PolicyRow"]] = {}

# What a company has agreed on itself: a policy without it has none, not what ships.
OWN_TABLES = frozenset({"targets"})
# A policy of your own may leave these out: the tables that ship hold then.
OPTIONAL_TABLES = OWN_TABLES | {
    "stage_maps",
    "campaign_kinds",
    "currency_rates",
    "diagnostics",
    "qualification_rules",
}


class PolicyRow(BaseModel):
    """A row of a policy table.

    ``KEY``: the columns that tell rows apart, in any case. ``REQUIRED``: what the first of them
    must hold in some row -> why, or how to add it. ``LATER``: columns that an older policy lacks,
    ``FORMER``: columns that it still has and nothing reads.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    TABLE: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]] = ()
    REQUIRED: ClassVar[dict[str, str]] = {}
    LATER: ClassVar[Set[str]] = frozenset()
    FORMER: ClassVar[Set[str]] = frozenset()

    _number: int = PrivateAttr(default=0)

    @property
    def number(self) -> int:
        """The row's number in its file, as a spreadsheet shows it."""
        return self._number

    @classmethod
    def read(cls, number: int, cells: dict[str, str]) -> "PolicyRow":
        """The row with this number; raises ``ValidationError`` for one that is refused."""
        row = cls.model_validate(
            {column: text or None for column, text in cells.items() if column not in cls.FORMER}
        )
        row._number = number
        return row

    @classmethod
    def rules(cls, kind: type[Rule]) -> Iterator[tuple[str, Rule]]:
        """The columns with a rule of this kind."""
        for column, info in cls.model_fields.items():
            yield from ((column, rule) for rule in info.metadata if isinstance(rule, kind))

    def problems(self) -> Iterator[str]:
        """What is wrong between the cells of the row."""
        yield from ()

    def __init_subclass__(cls, *, table: str, key: tuple[str, ...] = ()) -> None:
        super().__init_subclass__()
        TABLES[table] = cls
        cls.TABLE, cls.KEY = table, key


_ONE_MEANING = "case and outer spaces do not count; keep one"
_ONE_STAGE = Unique("stage", "only one stage of a tradition can have it", within="tradition")
_LABELLED = Reference("milestone_labels", "add {tradition},{cell},<label>", within="tradition")
_OF_THE_TRADITION = Reference("stages", "stages of the tradition: {known}", within="tradition")
TraditionName = Annotated[str, Reference("traditions", "known: {known}; add it to traditions.csv")]


def _low_below_high(row: Any) -> Iterator[str]:
    if row.low is not None and row.high is not None and row.low > row.high:
        yield f"low {row.low:g} is above high {row.high:g} (swap them)"


def _from_earlier_to_later(row: Any, name: str) -> Iterator[str]:
    if MILESTONES.index(row.from_milestone) >= MILESTONES.index(row.to_milestone):
        yield (
            f"'{name}' goes from {row.from_milestone} to {row.to_milestone}, which "
            f"is not later (order: {' < '.join(MILESTONES)})"
        )


class Tradition(PolicyRow, table="traditions", key=("tradition",)):
    """A company's dialect and how acceptance works in it; the window is in hours."""

    tradition: str
    label: str
    acceptance_mode: AcceptanceMode
    window_hours: NotNegative
    requires_explicit_intent: Boolean
    description: str | None


class Stage(PolicyRow, table="stages", key=("tradition", "stage")):
    """A stage of a tradition: on the path with a milestone, or an exit with a kind."""

    tradition: TraditionName
    stage: str
    label: Annotated[str, _ONE_STAGE]
    path_order: int
    milestone: Annotated[Milestone | None, _LABELLED]
    exit_kind: ExitKind | None
    evidence: Annotated[Literal["opportunity", "won", "lost"] | None, _ONE_STAGE]
    owner_team: str | None
    is_optional: Boolean

    @field_validator("stage")
    @classmethod
    def _can_be_compared(cls, value: str) -> str:
        if value != value.lower():
            raise ValueError(f"must be in lower case (write {value.lower()}; the label is free)")
        if value == IGNORED_STAGE:
            raise ValueError("is reserved for raw stages without a meaning (rename it)")
        return value

    def problems(self) -> Iterator[str]:
        if self.milestone and self.exit_kind:
            yield (
                f"stage '{self.stage}' has the milestone '{self.milestone}' and the exit kind "
                f"'{self.exit_kind}' (a stage on the path has a milestone, an exit has an exit "
                "kind: empty one of them)"
            )
        if not self.milestone and not self.exit_kind:
            yield (
                f"stage '{self.stage}' has neither a milestone nor an exit kind (fill one of them)"
            )
        for evidence, fits, needs in (
            ("opportunity", self.milestone is not None, "a stage on the path"),
            ("won", self.milestone == "won", "a stage with milestone won"),
            ("lost", self.exit_kind is not None, "an exit"),
        ):
            if self.evidence == evidence and not fits:
                yield (
                    f"stage '{self.stage}' has the evidence '{evidence}', which only {needs} can "
                    "have (move or empty it)"
                )


class MilestoneLabel(PolicyRow, table="milestone_labels", key=("tradition", "milestone")):
    """What a tradition calls a milestone."""

    tradition: TraditionName
    milestone: Milestone
    label: str


class TransitionOverride(
    PolicyRow, table="transition_overrides", key=("tradition", "from_stage", "to_stage")
):
    """A single move with a rule of its own; empty ``from_stage``: a first visit."""

    tradition: TraditionName
    from_stage: Annotated[str | None, _OF_THE_TRADITION]
    to_stage: Annotated[str, _OF_THE_TRADITION]
    is_valid: Boolean | None
    requires_reason: Boolean | None

    def problems(self) -> Iterator[str]:
        if self.is_valid is None and self.requires_reason is None:
            yield "the row decides nothing (fill is_valid or requires_reason)"
        if self.from_stage == self.to_stage:
            yield f"'{self.to_stage}' to itself is no move (remove the row)"


class StageAlias(PolicyRow, table="stage_aliases"):
    """A raw stage name that means the same in every source."""

    raw_stage: Annotated[str, Unique("stage", _ONE_MEANING)]
    stage: Annotated[str, Reference("stages", "name a stage of any tradition")]


class ReasonCode(PolicyRow, table="reason_codes", key=("reason_code",)):
    """Why leads leave, by which exits (with spaces between), and when to look again."""

    REQUIRED = {"other": "a lead without a reason counts as it (add it)"}

    reason_code: str
    label: str
    reason_group: str
    leak: str
    recycle_after_days: Annotated[int, Field(ge=0)] | None
    applies_to: Annotated[list[ReasonUse], BeforeValidator(lambda cell: (cell or "").split())]


class ReasonAlias(PolicyRow, table="reason_aliases"):
    """A raw reason and the code that it means."""

    reason_raw: Annotated[str, Unique("reason_code", _ONE_MEANING)]
    reason_code: Annotated[str, Reference("reason_codes", "name a code")]


class Signal(PolicyRow, table="signals", key=("signal",)):
    """A kind of engagement: its tier, its points, whether it is explicit intent and a touch.

    Where nothing says whether it is a touch, it is one if it has positive points.
    """

    LATER = frozenset({"counts_as_touch"})

    signal: str
    intent_tier: Annotated[str | None, Reference("sla_policies", "name a tier or leave empty")]
    interest_points: Number
    is_explicit_intent: Boolean
    counts_as_touch: Boolean | None = None


class ActivityKind(PolicyRow, table="activity_kinds", key=("kind",)):
    """A kind of sales activity and whether it touches the lead."""

    kind: str
    is_touch: Boolean


class SlaPolicy(PolicyRow, table="sla_policies", key=("intent_tier",)):
    """How fast a handoff of an intent tier is due; rank 1 is the most urgent."""

    REQUIRED = {"standard": "a handoff without engagements has it (add it)"}

    intent_tier: str
    tier_rank: Annotated[
        int, Unique("intent_tier", "it must be clear which is more urgent: change one")
    ]
    target_minutes: NotNegative | None
    clock: Literal["calendar", "business", "working_day"]

    def problems(self) -> Iterator[str]:
        if self.target_minutes is None and self.clock != "working_day":
            yield (
                f"tier '{self.intent_tier}' has no target_minutes "
                "(fill it; only clock working_day does without)"
            )


class WorkingHours(PolicyRow, table="working_hours", key=("weekday",)):
    """When a weekday's work begins and ends, in the time zone of the configuration."""

    weekday: Weekday
    opens_at: ClockTime
    closes_at: ClockTime

    def problems(self) -> Iterator[str]:
        if self.closes_at <= self.opens_at:
            yield (
                f"{self.weekday} closes at {self.closes_at}, not after it opens at "
                f"{self.opens_at} (swap them; leave a closed day out)"
            )


class Holiday(PolicyRow, table="holidays"):
    """A day without working hours."""

    holiday_date: Date
    holiday_name: str | None


class FitRule(PolicyRow, table="fit_rules"):
    """Points for an attribute: a range with both bounds included, or a text in any case."""

    attribute: LeadAttribute
    match: Literal["range", "equals", "contains"]
    low: Number | None
    high: Number | None
    value: str | None
    fit_points: Number

    def problems(self) -> Iterator[str]:
        yield from _low_below_high(self)
        if self.match != "range" and self.value is None:
            yield f"match '{self.match}' needs a value (fill it)"
        if self.match == "range" and self.attribute not in NUMERIC_ATTRIBUTES:
            yield (
                f"a range needs a number, which '{self.attribute}' is not "
                f"(use {' or '.join(sorted(NUMERIC_ATTRIBUTES))}, or equals or contains)"
            )
        if self.match == "range" and self.low is None and self.high is None:
            yield "a range needs a bound (fill low, high or both)"


class Exclusion(PolicyRow, table="exclusions"):
    """Leads that do not count: tests, own staff, partners."""

    attribute: LeadAttribute
    match: Literal["equals", "contains"]
    value: str
    why: str | None


class QualificationRule(PolicyRow, table="qualification_rules", key=("requirement",)):
    """What a lead must have at the handoff.

    A score of at least ``min_value`` points; an attribute that is filled, or a number of at least
    ``min_value``; ``min_value`` engagements with positive points, or one of ``intent_tier`` or a
    more urgent one.
    """

    requirement: str
    kind: Literal["score", "attribute", "engagements"]
    attribute: Literal[FrozenScore, LeadAttribute] | None
    intent_tier: Annotated[str | None, Reference("sla_policies", "name a tier or leave empty")]
    min_value: Number | None
    label: str
    is_active: Boolean

    @field_validator("requirement")
    @classmethod
    def _is_one(cls, value: str) -> str:
        if value.lower() == "all":
            raise ValueError("is what the whole definition is called (rename it)")
        return value

    def problems(self) -> Iterator[str]:
        scores, attributes = get_args(FrozenScore), get_args(LeadAttribute)
        allowed = {"score": scores, "attribute": attributes, "engagements": (None,)}[self.kind]
        if self.attribute not in allowed:
            wanted = f"use {', '.join(allowed)}" if self.kind != "engagements" else "empty it"
            yield f"kind '{self.kind}' can't look at attribute '{self.attribute}' ({wanted})"
        if self.kind != "engagements" and self.intent_tier:
            yield f"kind '{self.kind}' has no intent_tier (empty it)"
        if self.kind != "attribute" and self.min_value is None:
            yield f"kind '{self.kind}' needs a min_value (fill it)"
        is_text = self.kind == "attribute" and self.attribute not in NUMERIC_ATTRIBUTES
        if is_text and self.min_value is not None:
            yield f"'{self.attribute}' is no number, so it has no min_value (empty it)"


class ScoreBand(PolicyRow, table="score_bands", key=("score_band",)):
    """A band of the score from its minimum up; one band has none and takes the rest."""

    score_band: str
    min_score: Annotated[
        Number | None, Unique("score_band", "they overlap: give each its own", counts_empty=True)
    ]
    temperature: str


class Segment(PolicyRow, table="segments", key=("segment",)):
    """A company size, both bounds included; no minimum is 0, no maximum is without end."""

    segment: str
    min_employees: Annotated[int, Field(ge=0), BeforeValidator(lambda cell: cell or 0)]
    max_employees: int | None

    def problems(self) -> Iterator[str]:
        low, high = self.min_employees, self.max_employees
        if high is not None and low > high:
            yield f"min_employees {low} is above max_employees {high} (swap them)"


class RuleParameter(PolicyRow, table="rule_parameters", key=("parameter",)):
    """A number of minutes, hours, days, points, percent or cases that a rule uses."""

    REQUIRED = {
        parameter: f"a rule needs it (add it, in {' or '.join(units)})"
        for parameter, units in RULE_PARAMETERS.items()
    }

    parameter: str
    value: NotNegative
    unit: str
    meaning: str | None

    def problems(self) -> Iterator[str]:
        units = {**RULE_PARAMETERS, **LATER_PARAMETERS}.get(self.parameter)
        if units and self.unit not in units:
            yield (
                f"the unit of '{self.parameter}' can't be '{self.unit}' (use {', '.join(units)})"
            )
        if self.parameter == "decay_period" and self.value == 0:
            yield "decay_period must be above 0 (to switch decay off: decay_points 0)"
        whole_days = {"change_window", "change_history", "sync_history"}
        if self.parameter in whole_days and (self.value < 1 or self.value % 1):
            yield f"{self.parameter} must be a whole number of days, 1 or more"
        if self.parameter == "sync_offset" and self.value % 1:
            yield "sync_offset must be a whole number of days (0 is Monday, 2 Wednesday)"
        if self.parameter == "threshold_step" and (self.value < 1 or self.value % 1):
            yield "threshold_step must be a whole number of points, 1 or more"
        if self.parameter == "end_touch_credit" and self.value > 50:
            yield (
                "end_touch_credit can't be above 50: the first and the last touch would have more "
                "than the whole (use 0 to 50)"
            )


class ConversionPair(PolicyRow, table="conversion_pairs", key=("tradition", "metric")):
    """A rate with a name, as a tradition means it."""

    tradition: TraditionName
    metric: str
    from_milestone: Annotated[Milestone, _LABELLED]
    to_milestone: Annotated[Milestone, _LABELLED]
    sort_order: int

    def problems(self) -> Iterator[str]:
        yield from _from_earlier_to_later(self, self.metric)


# What the teams promise each other, beside the rates with a name; whatever the tradition is.
ServiceRate = Literal[
    "sla_met_rate",
    "decided_in_time_rate",
    "reasons_given_rate",
    "recycled_in_time_rate",
    "below_mql_share",
]


class Target(PolicyRow, table="targets", key=("tradition", "metric", "valid_from")):
    """What a rate of the meeting's scorecard should be from a day on, and which team sees to it.

    A row of a tradition goes before one without; a rate with a name needs its tradition.
    """

    tradition: Annotated[str | None, Reference("traditions", "known: {known}, or leave it empty")]
    metric: Annotated[
        str,
        Reference(
            "conversion_pairs",
            "use a rate of the tradition: {known}",
            within="tradition",
            also=frozenset(get_args(ServiceRate)),
        ),
    ]
    target: NotNegative
    unit: Literal["percent", "share"]
    owner_team: str | None
    valid_from: Date

    def problems(self) -> Iterator[str]:
        most = 100 if self.unit == "percent" else 1
        if self.target > most:
            fix = f"{self.target:g} percent?" if self.unit == "share" else f"{most} at most"
            yield f"the target of '{self.metric}' is above the whole: {self.target:g} ({fix})"


Diagnosis = Literal[
    "outcomes",
    "definitions",
    "acceptance",
    "definition",
    "qualification_range",
    "everyone_is_an_mql",
    "mql_gaming",
    "bottleneck",
    "first_touch",
    "recycling",
    "qualification_trend",
    "icp_drift",
    "icp_mismatch",
    "channel_shift",
    "channel_concentration",
    "capacity",
    "score_power",
]


DiagnosticMetric = Literal[
    "reasons_missing_share",
    "definition_version",
    "high_intent_breached_share",
    "not_recycled_share",
    "psi",
    "psi_to_history",
    "auc",
    "top_channel_share",
    "weekly_load",
]


class Diagnostic(PolicyRow, table="diagnostics", key=("diagnostic",)):
    """A diagnostic of the runbook; without its row it is not made.

    It looks at a rate by its milestones or at a ``metric``. Below ``min_cases`` it is not judged;
    ``least_effect`` is what must come together with a significant test, as a share.
    """

    step: Annotated[int, Unique("diagnostic", "give each a place of its own")]
    diagnostic: Diagnosis
    metric: DiagnosticMetric | None
    from_milestone: Milestone | None
    to_milestone: Milestone | None
    unit: Literal["share", "load", "index", "version"]
    cases: str
    min_cases: Annotated[int, Field(ge=1)]
    least_effect: NotNegative | None
    next_step: str

    def problems(self) -> Iterator[str]:
        milestones = (self.from_milestone, self.to_milestone)
        if (self.metric is None) == (None in milestones):
            yield (
                f"'{self.diagnostic}' looks at a metric or goes from a milestone to another "
                "(fill metric, or from_milestone and to_milestone)"
            )
        elif self.metric is None:
            yield from _from_earlier_to_later(self, self.diagnostic)


class Benchmark(PolicyRow, table="benchmarks", key=("diagnostic", "segment", "acceptance_mode")):
    """The usual range of what a diagnostic looks at, and how to read what lies outside.

    One of a diagnostic that is no longer held against a benchmark is read by nothing.
    """

    FORMER = frozenset({"metric"})

    diagnostic: Literal[
        "outcomes",
        "acceptance",
        "definition",
        "qualification_range",
        "bottleneck",
        "first_touch",
        "recycling",
        "channel_concentration",
        "capacity",
        # Of a policy from before; nothing reads them.
        "scoring",
        "icp_drift",
    ]
    segment: Annotated[str, Reference("segments", "known: {known}", also={"all", "unknown"})]
    acceptance_mode: Literal["any", "explicit", "default"]
    low: Number | None
    high: Number | None
    status: Literal["watch", "act"]
    reading_low: str | None
    reading_high: str | None

    def problems(self) -> Iterator[str]:
        yield from _low_below_high(self)
        for side, bound, reading in (
            ("low", self.low, self.reading_low),
            ("high", self.high, self.reading_high),
        ):
            if bound is not None and reading is None:
                yield f"{side} {bound:g} has no reading (fill reading_{side})"
            if bound is not None and bound > 1 and self.diagnostic != "capacity":
                yield (
                    f"'{self.diagnostic}' is a share: {side} {bound:g} is above 1 "
                    f"({bound / 100:g} is {bound:g} %)"
                )


class ChannelOfSource(PolicyRow, table="channel_map", key=("lead_source",)):
    """The channel of a lead source."""

    lead_source: str
    channel: str


class DefinitionVersion(PolicyRow, table="definition_versions", key=("version",)):
    """When the definitions changed and who signed."""

    version: int
    valid_from: Annotated[Date, Unique("version", "give each version its own day")]
    signed_off_by: str
    note: str | None


class StageMapEntry(PolicyRow, table="stage_maps", key=("crm", "property", "raw_stage")):
    """What a value of a CRM's property means, unless the configuration says otherwise."""

    crm: str
    property: str
    raw_stage: str
    stage: str


class CampaignKind(PolicyRow, table="campaign_kinds", key=("crm", "campaign_type")):
    """The kind of engagement that a response to a CRM's campaign type is."""

    crm: str
    campaign_type: str
    kind: str


class CurrencyRate(PolicyRow, table="currency_rates", key=("currency", "valid_from")):
    """What one unit of a currency is worth in the company's, from a day on."""

    currency: str
    valid_from: Date
    rate: float = Field(gt=0)
