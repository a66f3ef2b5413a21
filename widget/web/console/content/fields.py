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
from widget.domain.quiz.questions import KINDS as QUESTION_KINDS

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
    "What the shopper reads",
    GROUP,
    of=(
        Field("eyebrow", "Line above", wide=6),
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
_KINDS = _choices(*QUESTION_KINDS, single="One answer", multi="Several answers", scale="A scale of numbers")
_STOCK = _choices(HIDE, DEMOTE, hide="Hide it", demote="Put it behind what is in stock")

FIELDS: dict[str, tuple[Field, ...]] = {
    INTRO: (
        Field("eyebrow", "Line above", wide=6),
        Field("title", "Title", wide=6),
        Field("text", "Text", LONG),
        Field("button", "Button", wide=6),
        Field("image", "Picture", wide=6, help="An address that starts with https:// or /"),
        Field("note", "Small print"),
    ),
    QUESTION: (
        Field("text", "The question", needed=True, wide=8),
        Field("kind", "Answers", CHOICE, choices=_KINDS, needed=True, wide=4),
        Field("help", "Help below it", wide=8),
        Field("label", "Short name", wide=4, help="For chips and tables"),
        Field("show_if", "Ask only when", WHEN, help="Empty: always. Conditions on earlier questions."),
        Field("optional", "May be skipped", FLAG, wide=3),
        Field("min", "At least", NUMBER, wide=3, help="Several answers"),
        Field("max", "At most", NUMBER, wide=3, help="Several answers"),
        Field("from", "Scale from", NUMBER, wide=3),
        Field("to", "to", NUMBER, wide=3),
        Field("low", "Word at the low end", wide=3),
        Field("high", "Word at the high end", wide=3),
        Field(
            "point_labels", "Labels of the points", LINES, help="One line for each number of the scale, lowest first"
        ),
        Field("note", "Note under the answers"),
        Field(
            "options",
            "Options",
            ROWS,
            one="option",
            of=(
                Field("id", "Id", wide=3, needed=True, help=""),
                Field("text", "Answer", wide=6, needed=True),
                Field("short", "Short form", wide=3),
                Field("help", "Help", wide=6),
                Field("image", "Picture", wide=6),
                Field("only", "Stands alone (none of these)", FLAG, wide=6),
                Field("uses_per_week", "Uses a week it stands for", wide=6, help="For the email before it is empty"),
            ),
        ),
    ),
    TRIAGE: (
        Field("when", "When", WHEN, needed=True),
        Field("outcome", "Outcome", CHOICE, choices=_OUTCOMES, needed=True, wide=6),
        _ADVICE,
        Field("sources", "Sources", LINES, help="One a line"),
    ),
    EXCLUSION: (
        Field("when", "When", WHEN, help="Empty: always"),
        Field("exclude", "Take out", TARGETS, needed=True, help="contains: also takes out what declares no contents"),
    ),
    PRODUCT: (
        Field("name", "Name", needed=True, wide=6),
        Field("form", "Form", wide=3, help="cream, salve, roll-on, spray …"),
        Field("size", "Size", wide=3),
        Field("price", "Price in cents", NUMBER, wide=3, help="A store feed overrides it"),
        Field("currency", "Currency", wide=3),
        Field("stock", "Stock", NUMBER, wide=3, help="Empty: not tracked"),
        Field("priority", "Priority", NUMBER, wide=3, help="Decides between equal scores"),
        Field("active", "For sale", CHOICE, choices=_choices("true", "false", true="yes", false="no"), wide=3),
        Field("uses", "Uses per pack", NUMBER, wide=3),
        Field("product_id", "Store’s product id", wide=3),
        Field("variant_id", "Store’s variant id", wide=3),
        Field("url", "Address in the store", wide=6),
        Field("image", "Picture", wide=6),
        Field("tags", "Tags", WORDS, wide=6),
        Field("collections", "Collections", WORDS, wide=6),
        Field("contains", "Contains", WORDS, wide=6, help="What exclusions look at. Empty: not declared."),
        Field(
            "allergens", "Allergens", WORDS, wide=6, help="Empty: not declared. “none” declares that there are none."
        ),
        Field(
            "certificate",
            "Certificate of analysis",
            GROUP,
            of=(
                Field("issued", "Issued", DAY, wide=6),
                Field("total_thc_mg", "Total THC per container, mg", wide=6),
            ),
        ),
        Field("ingredients", "Ingredients", LINES, wide=6, help="One a line"),
        Field("warnings", "Warnings", LINES, wide=6, help="One a line. Shown wherever the product is."),
        Field("attributes", "What the store says of it", PAIRS, help="One a line: texture = Light, sinks in"),
        Field("areas", "Areas it suits", WORDS),
    ),
    TIP: (
        Field("title", "Title", needed=True, wide=6),
        Field("short", "Short form, for the plan", wide=6),
        Field("body", "Text", MARKDOWN, needed=True),
        Field("hint", "Hint", wide=6),
        Field("days", "Days of the plan", WORDS, wide=3, help="Such as 1, 2"),
        Field("icon", "Icon", wide=3),
        Field("with_products", "Sentence about products", help="Shown only where products are shown"),
        Field(
            "evidence",
            "Evidence",
            ROWS,
            one="study",
            of=(
                Field("claim", "What it found", LONG, needed=True),
                Field("citation", "Source", wide=8, needed=True),
                Field("year", "Year", NUMBER, wide=4),
                Field("doi", "DOI", wide=4),
                Field("strength", "Strength", wide=4),
                Field("review_by", "Look at it again by", DAY, wide=4),
                Field("limits", "What it does not show", LONG),
            ),
        ),
    ),
    EMAIL: (
        Field("subject", "Subject", needed=True),
        Field("preview", "Preview line"),
        Field("body", "Text", LONG, needed=True, help="Markdown. Blocks: [[tips]], [[warnings]], [[check-in]] …"),
    ),
    SEQUENCE: (
        Field("trigger", "Starts with", CHOICE, choices=_choices(*TRIGGERS), needed=True, wide=6),
        Field(
            "kind",
            "Kind",
            CHOICE,
            choices=_choices(TRANSACTIONAL, MARKETING),
            needed=True,
            wide=6,
            help="Marketing needs consent, and carries an unsubscribe link",
        ),
        Field(
            "steps",
            "Emails",
            ROWS,
            one="email",
            of=(
                Field("id", "Step", wide=3, needed=True),
                Field("email", "Email", wide=3, needed=True),
                Field("valid_days", "Good for days", NUMBER, wide=3),
                Field("when", "Only when", WHEN, wide=12),
                Field(
                    "anchor",
                    "Days after an order event",
                    PAIRS,
                    wide=6,
                    help=f"One a line: {ANCHORS[0]} = 1. The best known event counts.",
                ),
                Field(
                    "after",
                    "Or a delay",
                    GROUP,
                    wide=6,
                    of=(
                        Field("days", "Days", NUMBER, wide=3),
                        Field("hours", "Hours", NUMBER, wide=3),
                        Field("at", "At (local time)", wide=3),
                        Field("uses", "Share of the pack used", wide=3),
                    ),
                ),
                Field("subject_b", "Second subject to try"),
            ),
        ),
    ),
    PACK: (
        Field("title", "Title of the quiz", needed=True, wide=8),
        Field("market", "Market", wide=4, help="Which claim rules apply"),
        Field("locales", "Languages", WORDS, wide=4),
        Field("default_locale", "Language it is written in", wide=4),
        Field("currency", "Currency", wide=4),
        Field("notices", "Notices on every result", LINES, help="One a line"),
        Field(
            "emails_per_month",
            "Marketing emails per person in 30 days, at most",
            NUMBER,
            wide=6,
            help="Empty: 2. Stands in every consent text, and no email goes beyond it",
        ),
        Field(
            "result",
            "The result",
            GROUP,
            of=(
                Field(
                    "slots",
                    "Places for products",
                    ROWS,
                    one="place",
                    of=(
                        Field("id", "Id", wide=4, needed=True),
                        Field("take", "Products", NUMBER, wide=4),
                        Field("from", "From", TARGETS, wide=4, help="Empty: all"),
                    ),
                ),
                Field("min_score", "Least score to be shown", NUMBER, wide=3),
                Field("max_tips", "Tips at most", NUMBER, wide=3),
                Field("stock", "Out of stock", CHOICE, choices=_STOCK, wide=6),
                Field("fallback", "If nothing fits: SKUs", WORDS, wide=6),
                Field("fallback_tips", "If no tip fits: tips", WORDS, wide=6),
                Field("fallback_reason", "Reason told then"),
                Field("certificate_for", "Certificate needed with", WORDS, wide=6),
                Field("certificate_max_thc_mg", "THC at most, mg", wide=3),
                Field("certificate_max_age_days", "Certificate good for days", NUMBER, wide=3),
            ),
        ),
        Field(
            "plan",
            "The plan by day",
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
            "The first sentence of a result",
            ROWS,
            one="sentence",
            of=(Field("when", "When", WHEN), Field("text", "Sentence", LONG, needed=True)),
            help="The first that holds is shown.",
        ),
        Field(
            "comparison",
            "Forms side by side",
            GROUP,
            of=(
                Field("title", "Title", wide=6, needed=True),
                Field("forms", "Forms", WORDS, wide=6, needed=True),
                Field("text", "Text"),
                Field("names", "What the forms are called", PAIRS, help="One a line: roll-on = Roll-on"),
                Field(
                    "rows",
                    "Rows",
                    ROWS,
                    one="row",
                    of=(
                        Field("name", "Quality", wide=4, needed=True),
                        Field("cells", "In each form", PAIRS, wide=8, help="One a line: cream = Light, sinks in"),
                    ),
                ),
            ),
        ),
        Field(
            "curve",
            "The usual course",
            GROUP,
            of=(
                Field("question", "Question that tells the day", wide=4),
                Field("title", "Title", wide=8),
                Field("days", "Day of each answer", PAIRS, wide=6, help="One a line: yesterday = 1"),
                Field("note", "Note", LONG, wide=6),
                Field("source", "Source"),
            ),
        ),
        Field("checks", "Weight of findings", PAIRS, help="One a line: tie_by_sku = off (error, warning, info, off)"),
    ),
}
