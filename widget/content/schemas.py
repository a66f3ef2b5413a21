"""Schemas of pack files. Their keys are the keys of the format; content/README.md explains each."""

from __future__ import annotations

from marshmallow import fields

from widget.content.fields import (
    Amount,
    ByWord,
    Choice,
    Day,
    Flag,
    Id,
    Listed,
    Prose,
    Record,
    Sku,
    StoreId,
    Targets,
    WebLink,
    When,
    Whole,
    Word,
)
from widget.domain.catalog.product import Certificate, Product
from widget.domain.content.pack import (
    DEMOTE,
    EFFECTS,
    EMERGENCY,
    FALLBACK,
    HIDE,
    SEE_DOCTOR,
    TIPS_ONLY,
    Acceptance,
    Advice,
    AdviceStep,
    Comparison,
    ComparisonRow,
    Curve,
    Evidence,
    Exclusion,
    Mapping,
    PlanDay,
    ResultRules,
    Slot,
    SummaryRow,
    Translation,
    Triage,
)
from widget.domain.email.sequence import MARKETING, TRANSACTIONAL, TRIGGERS, After, Sequence, Step
from widget.domain.quiz.condition import RESERVED
from widget.domain.quiz.questions import QUESTION_KINDS, Intro, Option, Question

SEVERITIES = ("error", "warning", "info", "off")


class OptionSchema(Record):
    make = Option
    id = Id(required=True)
    text = Prose(required=True)
    help = Prose()
    image = WebLink()
    only = Flag()  # type: ignore[assignment]  # A key of the format; marshmallow removes fields from the class.
    short = Prose()
    uses_per_week = Amount()


class QuestionSchema(Record):
    make = Question
    id = Id(required=True)
    kind = Choice(*QUESTION_KINDS, required=True)
    text = Prose(required=True)
    help = Prose()
    label = Prose()
    note = Prose()
    optional = Flag()
    min = Whole(least=1)
    max = Whole(least=1)
    start = Whole(least=-1000, most=1000, data_key="from")
    end = Whole(least=-1000, most=1000, data_key="to")
    low = Prose()
    high = Prose()
    point_labels = Listed(Prose())
    options = Listed(fields.Nested(OptionSchema))
    show_if = When()


class IntroSchema(Record):
    make = Intro
    eyebrow = Prose()
    title = Prose()
    text = Prose()
    button = Prose()
    note = Prose()
    image = WebLink()


class QuizFileSchema(Record):
    make = dict
    intro = fields.Nested(IntroSchema)
    questions = Listed(fields.Nested(QuestionSchema), required=True)


class AdviceStepSchema(Record):
    make = AdviceStep
    text = Prose(required=True)
    note = Prose()


class AdviceSchema(Record):
    make = Advice
    eyebrow = Prose()
    title = Prose(required=True)
    body = Prose(required=True)
    steps = Listed(fields.Nested(AdviceStepSchema))


class TriageSchema(Record):
    make = Triage
    id = Id(required=True)
    when = When(required=True)
    outcome = Choice(EMERGENCY, SEE_DOCTOR, TIPS_ONLY, required=True)
    advice = fields.Nested(AdviceSchema, required=True)
    sources = Listed(Prose(), alone=True)


class ExclusionSchema(Record):
    make = Exclusion
    id = Id(required=True)
    when = When()
    exclude = Targets(required=True)  # type: ignore[assignment]  # As above.


class SafetyFileSchema(Record):
    make = dict
    triage = Listed(fields.Nested(TriageSchema))
    exclusions = Listed(fields.Nested(ExclusionSchema))


class MappingSchema(Record):
    make = Mapping
    id = Id(required=True)
    when = When()
    effect = Choice(*EFFECTS, required=True)
    target = Targets(required=True)
    weight = Whole(least=-100, most=100)
    reason = Prose()
    note = Prose()


class CertificateSchema(Record):
    make = Certificate
    issued = Day()
    total_thc_mg = Amount()


class ProductSchema(Record):
    make = Product
    sku = Sku(required=True)
    name = Prose(required=True)
    form = Word()
    tags = Listed(Word())
    collections = Listed(Word())
    contains = Listed(Word())
    allergens = Listed(Word())
    price = Whole(least=0)
    currency = Prose()
    stock = Whole()
    active = Flag()
    priority = Whole()
    certificate = fields.Nested(CertificateSchema)
    product_id = StoreId()
    variant_id = StoreId()
    url = WebLink()
    image = WebLink()
    size = Prose()
    uses = Whole(least=1)
    areas = Listed(Word(), alone=True)
    attributes = ByWord(Prose())
    ingredients = Listed(Prose(), alone=True)
    warnings = Listed(Prose(), alone=True)


class EvidenceSchema(Record):
    make = Evidence
    claim = Prose(required=True)
    citation = Prose(required=True)
    year = Whole(least=1900, most=2100)
    doi = Prose()
    strength = Prose()
    limits = Prose()
    review_by = Day()


class TipSchema(Record):
    """The front matter of a tip. Its id is the file name, and its body is the Markdown below."""

    make = dict
    title = Prose(required=True)
    short = Prose()
    hint = Prose()
    icon = Prose()
    days = Listed(Whole(least=0))
    evidence = Listed(fields.Nested(EvidenceSchema))
    with_products = Prose()


class SlotSchema(Record):
    make = Slot
    id = Id(reserved=RESERVED | {FALLBACK}, required=True)
    take = Whole(least=1)
    from_ = Targets(data_key="from")


class ResultSchema(Record):
    make = ResultRules
    slots = Listed(fields.Nested(SlotSchema), required=True)
    min_score = Whole()
    stock = Choice(HIDE, DEMOTE)
    fallback = Listed(Word())
    fallback_reason = Prose()
    max_tips = Whole(least=0)
    fallback_tips = Listed(Word())
    certificate_for = Listed(Word())
    certificate_max_thc_mg = Amount()
    certificate_max_age_days = Whole(least=0)


class PlanDaySchema(Record):
    make = PlanDay
    day = Whole(least=0, required=True)
    title = Prose(required=True)
    text = Prose()


class ComparisonRowSchema(Record):
    make = ComparisonRow
    name = Prose(required=True)
    cells = ByWord(Prose(), required=True)


class ComparisonSchema(Record):
    make = Comparison
    title = Prose(required=True)
    text = Prose()
    forms = Listed(Word(), required=True)
    rows = Listed(fields.Nested(ComparisonRowSchema), required=True)
    names = ByWord(Prose())


class TranslationSchema(Record):
    make = Translation
    of = Word(required=True)
    text = Prose()


class AcceptanceSchema(Record):
    make = Acceptance
    rule = Word(required=True)
    key = Word(required=True)
    of = Word(required=True)
    by = Prose(required=True)
    reason = Prose(required=True)
    locale = Prose()
    on = Day()


class SummarySchema(Record):
    make = SummaryRow
    when = When()
    text = Prose(required=True)


class CurveSchema(Record):
    make = Curve
    question = Word(required=True)
    title = Prose(required=True)
    days = ByWord(Whole(least=0, most=365), required=True)
    note = Prose()
    source = Prose()


class PackFileSchema(Record):
    make = dict
    id = Id(required=True)
    title = Prose(required=True)
    market = Prose()
    default_locale = Prose()
    locales = Listed(Prose())
    currency = Prose()
    emails_per_month = Whole(least=1, most=30)
    notices = Listed(Prose(), alone=True)
    plan = Listed(fields.Nested(PlanDaySchema))
    comparison = fields.Nested(ComparisonSchema)
    summary = Listed(fields.Nested(SummarySchema))
    curve = fields.Nested(CurveSchema)
    result = fields.Nested(ResultSchema, required=True)
    checks = ByWord(Choice(*SEVERITIES))


class AfterSchema(Record):
    make = After
    days = Whole(least=0)
    hours = Whole(least=0)
    at = Prose()
    uses = Amount()


class StepSchema(Record):
    make = Step
    id = Id(required=True)
    email = Word(required=True)
    after = fields.Nested(AfterSchema)
    anchor = ByWord(Whole(least=0))
    when = When()
    valid_days = Whole(least=1)
    subject_b = Prose()


class SequenceSchema(Record):
    make = Sequence
    id = Id(required=True)
    trigger = Choice(*TRIGGERS, required=True)
    kind = Choice(TRANSACTIONAL, MARKETING, required=True)
    steps = Listed(fields.Nested(StepSchema), required=True)


class SequencesFileSchema(Record):
    make = dict
    sequences = Listed(fields.Nested(SequenceSchema), required=True)
