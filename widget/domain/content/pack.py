"""A content pack: one quiz with its safety rules, mappings, tips, products, and emails."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property

from widget.domain.catalog.product import Product
from widget.domain.catalog.target import Target
from widget.domain.email.sequence import Sequence
from widget.domain.quiz.condition import ALWAYS, Condition
from widget.domain.quiz.questions import Quiz

PRODUCTS, TIPS_ONLY, SEE_DOCTOR, EMERGENCY = "products", "tips_only", "see_doctor", "emergency"
SEVERITY = {PRODUCTS: 0, TIPS_ONLY: 1, SEE_DOCTOR: 2, EMERGENCY: 3}
ENDS_EARLY = frozenset({SEE_DOCTOR, EMERGENCY})
BOOST, REQUIRE, EXCLUDE, PIN = "boost", "require", "exclude", "pin"
EFFECTS = (BOOST, REQUIRE, EXCLUDE, PIN)
FALLBACK = "fallback"
HIDE, DEMOTE = "hide", "demote"


@dataclass(frozen=True, slots=True)
class AdviceStep:
    text: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """Advice shown to a shopper instead of products (or above the tips)."""

    title: str
    body: str
    eyebrow: str | None = None
    steps: tuple[AdviceStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Triage:
    """A triage row of safety.yaml; it sets the outcome when its condition holds."""

    id: str
    when: Condition
    outcome: str
    advice: Advice
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A safety exclusion: when its condition holds, its targets are excluded.

    Products that do not declare the relevant data are excluded as well.
    """

    id: str
    when: Condition = ALWAYS
    exclude: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A row of mappings.csv. ``weight`` is 0 on effects other than boost."""

    id: str
    when: Condition = ALWAYS
    effect: str
    target: tuple[Target, ...]
    weight: int = 0
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    claim: str
    citation: str
    year: int | None = None
    doi: str | None = None
    strength: str | None = None
    limits: str | None = None
    review_by: date | None = None


@dataclass(frozen=True, slots=True)
class Tip:
    """One recovery tip. ``body_html`` is ``body`` rendered from Markdown and sanitized."""

    id: str
    title: str
    body: str = ""
    body_html: str = ""
    short: str | None = None
    hint: str | None = None
    icon: str | None = None
    days: tuple[int, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    with_products: str | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    id: str
    take: int = 1
    from_: tuple[Target, ...] = (Target("all"),)


@dataclass(frozen=True, slots=True)
class ResultRules:
    """How a result is built; the defaults are those of content-format.md."""

    slots: tuple[Slot, ...]
    min_score: int = 1
    stock: str = HIDE
    fallback: tuple[str, ...] = ()
    fallback_reason: str | None = None
    max_tips: int = 3
    fallback_tips: tuple[str, ...] = ()
    certificate_for: tuple[str, ...] = ()
    certificate_max_thc_mg: Decimal = Decimal("0.4")
    certificate_max_age_days: int = 365


@dataclass(frozen=True, slots=True)
class PlanDay:
    day: int
    title: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    name: str
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table that compares product forms: one column per form, one row per quality.

    ``names``: the display name of each form.
    """

    title: str
    forms: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]
    text: str | None = None
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    when: Condition = ALWAYS
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """The usual course of soreness; ``days`` gives the day for each option of ``question``."""

    question: str
    title: str
    days: dict[str, int]
    note: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class EmailText:
    """An email template: subject, preview line, and a Markdown or MJML body."""

    id: str
    subject: str
    preview: str
    body: str
    markup: str


@dataclass(frozen=True, slots=True)
class Translation:
    """A text in another language; ``of`` is the hash of the source text it translates."""

    of: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A claims lint warning that a named person accepted. ``of``: the hash of the text as accepted."""

    rule: str
    key: str
    of: str
    by: str
    reason: str
    locale: str = "en"
    on: date | None = None


@dataclass(frozen=True)
class Pack:
    id: str
    title: str
    quiz: Quiz
    result: ResultRules
    triage: tuple[Triage, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    products: tuple[Product, ...] = ()
    tips: tuple[Tip, ...] = ()
    market: str = "us"
    default_locale: str = "en"
    locales: tuple[str, ...] = ("en",)
    currency: str = "USD"
    emails_per_month: int = 2
    """Maximum number of marketing emails in 30 days, as stated in the consent texts and enforced by the send policy."""
    notices: tuple[str, ...] = ()
    plan: tuple[PlanDay, ...] = ()
    comparison: Comparison | None = None
    summary: tuple[SummaryRow, ...] = ()
    curve: Curve | None = None
    checks: dict[str, str] = field(default_factory=dict)
    sequences: tuple[Sequence, ...] = ()
    emails: tuple[EmailText, ...] = ()
    translations: dict[str, dict[str, Translation]] = field(default_factory=dict)
    accepted: tuple[Acceptance, ...] = ()

    @cached_property
    def product_by_sku(self) -> dict[str, Product]:
        return {product.sku: product for product in self.products}

    @cached_property
    def tip_by_id(self) -> dict[str, Tip]:
        return {tip.id: tip for tip in self.tips}

    @cached_property
    def email_by_id(self) -> dict[str, EmailText]:
        return {email.id: email for email in self.emails}

    @cached_property
    def sequence_by_id(self) -> dict[str, Sequence]:
        return {sequence.id: sequence for sequence in self.sequences}
