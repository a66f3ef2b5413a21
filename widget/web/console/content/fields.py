"""The form fields of each kind of record.

One description per kind: templates render it, and ``form_data`` reads it back into data. Empty fields are left out of
the record.
"""

from __future__ import annotations

from dataclasses import dataclass

from widget.content.editing import (
    EMAIL,
    EXCLUSION,
    INTRO,
    PACK,
    PRODUCT,
    QUESTION,
    SEQUENCE,
    TIP,
    TRIAGE,
)
from widget.domain.content.pack import DEMOTE, EMERGENCY, HIDE, SEE_DOCTOR, TIPS_ONLY
from widget.domain.email.sequence import ANCHORS, MARKETING, TRANSACTIONAL, TRIGGERS
from widget.domain.quiz.questions import QUESTION_KINDS

LINE, LONG, MARKDOWN, CHOICE, FLAG, NUMBER, WHEN, TARGETS = (
    *("line", "long", "markdown", "choice", "flag", "number"),
    *("when", "targets"),
)
LINES, WORDS, PAIRS, GROUP, ROWS, DAY = "lines", "words", "pairs", "group", "rows", "day"
MAX_TEXT = 100_000


@dataclass(frozen=True, slots=True)
class Field:
    """A form field.

    ``wide``: twelfths of the width. ``of``: the fields inside a group or of each row. ``needed``: reported if empty.
    """

    name: str
    label: str
    kind: str = LINE
    help: str = ""
    wide: int = 12
    choices: tuple[tuple[str, str], ...] = ()
    of: tuple[Field, ...] = ()
    needed: bool = False
    one: str = ""
    """The name of one row, such as "option"."""


def _choices(*words: str, **named: str) -> tuple[tuple[str, str], ...]:
    return tuple((word, named.get(word, word)) for word in words)


_ADVICE = Field(
    "advice",
    "Advice shown to the shopper",
    GROUP,
    of=(
        Field("eyebrow", "Line above the title", wide=6),
        Field("title", "Title", wide=6, needed=True),
        Field("body", "Text", LONG, needed=True),
        Field(
            "steps",
            "Steps",
            ROWS,
            one="step",
            of=(Field("text", "Step", wide=6, needed=True), Field("note", "Note", wide=6)),
        ),
    ),
)
_OUTCOMES = _choices(
    EMERGENCY, SEE_DOCTOR, TIPS_ONLY, emergency="Emergency", see_doctor="See a doctor", tips_only="Tips only"
)
_KINDS = _choices(*QUESTION_KINDS, single="Single choice", multi="Multiple choice", scale="Scale")
_STOCK = _choices(HIDE, DEMOTE, hide="Hide", demote="Rank below in-stock products")

FIELDS: dict[str, tuple[Field, ...]] = {
    INTRO: (
        Field("eyebrow", "Line above the title", wide=6),
        Field("title", "Title", wide=6),
        Field("text", "Text", LONG),
        Field("button", "Button label", wide=6),
        Field("image", "Image URL", wide=6, help="Starts with https:// or /"),
        Field("note", "Small print"),
    ),
    QUESTION: (
        Field("text", "Question", needed=True, wide=8),
        Field("kind", "Answer type", CHOICE, choices=_KINDS, needed=True, wide=4),
        Field("help", "Help text", wide=8),
        Field("label", "Short name", wide=4, help="Used in chips and tables"),
        Field("show_if", "Ask only when", WHEN, help="Conditions on earlier questions. Leave empty to always ask."),
        Field("optional", "Optional", FLAG, wide=3),
        Field("min", "Minimum", NUMBER, wide=3, help="Multiple choice only"),
        Field("max", "Maximum", NUMBER, wide=3, help="Multiple choice only"),
        Field("from", "Scale from", NUMBER, wide=3),
        Field("to", "Scale to", NUMBER, wide=3),
        Field("low", "Label of the low end", wide=3),
        Field("high", "Label of the high end", wide=3),
        Field("point_labels", "Point labels", LINES, help="One line per number of the scale, lowest first"),
        Field("note", "Note below the answers"),
        Field(
            "options",
            "Options",
            ROWS,
            one="option",
            of=(
                Field("id", "ID", wide=3, needed=True, help=""),
                Field("text", "Answer", wide=6, needed=True),
                Field("short", "Short form", wide=3),
                Field("help", "Help text", wide=6),
                Field("image", "Image URL", wide=6),
                Field("only", "Exclusive (none of these)", FLAG, wide=6),
                Field("uses_per_week", "Uses per week", wide=6, help="Used to estimate when a pack runs out"),
            ),
        ),
    ),
    TRIAGE: (
        Field("when", "When", WHEN, needed=True),
        Field("outcome", "Outcome", CHOICE, choices=_OUTCOMES, needed=True, wide=6),
        _ADVICE,
        Field("sources", "Sources", LINES, help="One per line"),
    ),
    EXCLUSION: (
        Field("when", "When", WHEN, help="Leave empty for always"),
        Field(
            "exclude", "Exclude", TARGETS, needed=True, help="contains: also excludes products that declare no contents"
        ),
    ),
    PRODUCT: (
        Field("name", "Name", needed=True, wide=6),
        Field("form", "Form", wide=3, help="cream, salve, roll-on, spray …"),
        Field("size", "Size", wide=3),
        Field("price", "Price in cents", NUMBER, wide=3, help="Overridden by a store feed"),
        Field("currency", "Currency", wide=3),
        Field("stock", "Stock", NUMBER, wide=3, help="Leave empty if not tracked"),
        Field("priority", "Priority", NUMBER, wide=3, help="Breaks ties between equal scores"),
        Field("active", "For sale", CHOICE, choices=_choices("true", "false", true="Yes", false="No"), wide=3),
        Field("uses", "Uses per pack", NUMBER, wide=3),
        Field("product_id", "Store product ID", wide=3),
        Field("variant_id", "Store variant ID", wide=3),
        Field("url", "Product page URL", wide=6),
        Field("image", "Image URL", wide=6),
        Field("tags", "Tags", WORDS, wide=6),
        Field("collections", "Collections", WORDS, wide=6),
        Field("contains", "Contains", WORDS, wide=6, help="Checked by exclusions. Empty means not declared."),
        Field("allergens", "Allergens", WORDS, wide=6, help="Empty means not declared. Enter “none” to declare none."),
        Field(
            "certificate",
            "Certificate of analysis",
            GROUP,
            of=(
                Field("issued", "Issued", DAY, wide=6),
                Field("total_thc_mg", "Total THC per container, mg", wide=6),
            ),
        ),
        Field("ingredients", "Ingredients", LINES, wide=6, help="One per line"),
        Field("warnings", "Warnings", LINES, wide=6, help="One per line. Shown wherever the product is shown."),
        Field("attributes", "Attributes", PAIRS, help="One per line: texture = Light, sinks in"),
        Field("areas", "Suitable areas", WORDS),
    ),
    TIP: (
        Field("title", "Title", needed=True, wide=6),
        Field("short", "Short form for the plan", wide=6),
        Field("body", "Text", MARKDOWN, needed=True),
        Field("hint", "Hint", wide=6),
        Field("days", "Plan days", WORDS, wide=3, help="Such as 1, 2"),
        Field("icon", "Icon", wide=3),
        Field("with_products", "Sentence about products", help="Shown only where products are shown"),
        Field(
            "evidence",
            "Evidence",
            ROWS,
            one="study",
            of=(
                Field("claim", "Finding", LONG, needed=True),
                Field("citation", "Source", wide=8, needed=True),
                Field("year", "Year", NUMBER, wide=4),
                Field("doi", "DOI", wide=4),
                Field("strength", "Strength", wide=4),
                Field("review_by", "Review by", DAY, wide=4),
                Field("limits", "What it does not show", LONG),
            ),
        ),
    ),
    EMAIL: (
        Field("subject", "Subject", needed=True),
        Field("preview", "Preview text"),
        Field("body", "Text", LONG, needed=True, help="Markdown. Blocks: [[tips]], [[warnings]], [[check-in]] …"),
    ),
    SEQUENCE: (
        Field("trigger", "Trigger", CHOICE, choices=_choices(*TRIGGERS), needed=True, wide=6),
        Field(
            "kind",
            "Kind",
            CHOICE,
            choices=_choices(TRANSACTIONAL, MARKETING),
            needed=True,
            wide=6,
            help="Marketing emails need consent and include an unsubscribe link.",
        ),
        Field(
            "steps",
            "Emails",
            ROWS,
            one="email",
            of=(
                Field("id", "Step", wide=3, needed=True),
                Field("email", "Email", wide=3, needed=True),
                Field("valid_days", "Valid for (days)", NUMBER, wide=3),
                Field("when", "Only when", WHEN, wide=12),
                Field(
                    "anchor",
                    "Days after an order event",
                    PAIRS,
                    wide=6,
                    help=f"One per line: {ANCHORS[0]} = 1. The latest known stage is used.",
                ),
                Field(
                    "after",
                    "Or delay",
                    GROUP,
                    wide=6,
                    of=(
                        Field("days", "Days", NUMBER, wide=3),
                        Field("hours", "Hours", NUMBER, wide=3),
                        Field("at", "At (local time)", wide=3),
                        Field("uses", "Share of the pack used", wide=3),
                    ),
                ),
                Field("subject_b", "Subject B (A/B test)"),
            ),
        ),
    ),
    PACK: (
        Field("title", "Quiz title", needed=True, wide=8),
        Field("market", "Market", wide=4, help="Determines the claims rules"),
        Field("locales", "Languages", WORDS, wide=4),
        Field("default_locale", "Default language", wide=4),
        Field("currency", "Currency", wide=4),
        Field("notices", "Notices on every result", LINES, help="One per line"),
        Field(
            "emails_per_month",
            "Maximum marketing emails per person in 30 days",
            NUMBER,
            wide=6,
            help="Default: 2. Stated in every consent text, and enforced for every email.",
        ),
        Field(
            "result",
            "Result",
            GROUP,
            of=(
                Field(
                    "slots",
                    "Product slots",
                    ROWS,
                    one="slot",
                    of=(
                        Field("id", "ID", wide=4, needed=True),
                        Field("take", "Products", NUMBER, wide=4),
                        Field("from", "From", TARGETS, wide=4, help="Leave empty for all"),
                    ),
                ),
                Field("min_score", "Minimum score", NUMBER, wide=3),
                Field("max_tips", "Maximum tips", NUMBER, wide=3),
                Field("stock", "Out of stock", CHOICE, choices=_STOCK, wide=6),
                Field("fallback", "Fallback products (SKUs)", WORDS, wide=6),
                Field("fallback_tips", "Fallback tips", WORDS, wide=6),
                Field("fallback_reason", "Fallback reason"),
                Field("certificate_for", "Certificate required for", WORDS, wide=6),
                Field("certificate_max_thc_mg", "Maximum THC, mg", wide=3),
                Field("certificate_max_age_days", "Certificate valid for (days)", NUMBER, wide=3),
            ),
        ),
        Field(
            "plan",
            "Daily plan",
            ROWS,
            one="day",
            of=(
                Field("day", "Day", NUMBER, wide=3, needed=True),
                Field("title", "Title", wide=8, needed=True),
                Field("text", "Text"),
            ),
        ),
        Field(
            "summary",
            "Result summary",
            ROWS,
            one="sentence",
            of=(Field("when", "When", WHEN), Field("text", "Sentence", LONG, needed=True)),
            help="The first matching sentence is shown.",
        ),
        Field(
            "comparison",
            "Form comparison",
            GROUP,
            of=(
                Field("title", "Title", wide=6, needed=True),
                Field("forms", "Forms", WORDS, wide=6, needed=True),
                Field("text", "Text"),
                Field("names", "Form names", PAIRS, help="One per line: roll-on = Roll-on"),
                Field(
                    "rows",
                    "Rows",
                    ROWS,
                    one="row",
                    of=(
                        Field("name", "Quality", wide=4, needed=True),
                        Field("cells", "By form", PAIRS, wide=8, help="One per line: cream = Light, sinks in"),
                    ),
                ),
            ),
        ),
        Field(
            "curve",
            "Typical course",
            GROUP,
            of=(
                Field("question", "Question for the day", wide=4),
                Field("title", "Title", wide=8),
                Field("days", "Day of each answer", PAIRS, wide=6, help="One per line: yesterday = 1"),
                Field("note", "Note", LONG, wide=6),
                Field("source", "Source"),
            ),
        ),
        Field("checks", "Finding severity", PAIRS, help="One per line: tie_by_sku = off (error, warning, info, off)"),
    ),
}
