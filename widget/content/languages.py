"""Languages of a pack: its texts by stable keys, and the pack in another language.

Keys follow the files: ``quiz.area.options.calves.text``, ``safety.fever.body``, ``mappings.calves-roll.reason``,
``products.CREAM-60.warnings.1``, ``tips.massage.body``, ``emails.result.subject``. Lists count from 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from widget.content.prose import markdown_html
from widget.domain.catalog.product import Product
from widget.domain.content.pack import Advice, Comparison, EmailText, Evidence, Pack, Tip, Triage
from widget.domain.content.problem import WARNING, Problem, nearest
from widget.domain.email.sequence import Sequence
from widget.domain.quiz.questions import Option, Question, Quiz

Turn = Callable[[str, str], str]
"""A function from (key, text) to the replacement text."""
_LOCALE_PLACE = "locales/{}.yaml"
MAX_HINTS = 12
"""Maximum number of unknown keys in a language for which the nearest valid key is looked up, which is slow."""


def text_hash(text: str) -> str:
    """Return the start of a text's SHA-256, by which a translation refers to the wording it translates."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def pack_texts(pack: Pack) -> dict[str, str]:
    """Return every text of the pack that people read, by its key, in the default language."""
    found: dict[str, str] = {}

    def note(key: str, text: str) -> str:
        found[key] = text
        return text

    _turned(pack, note)
    return found


def localized(pack: Pack, locale: str) -> Pack:
    """Return the pack in another language; texts without a translation stay in the default language.

    So do safety texts that changed after their translation: an outdated warning is worse than one in another language.
    """
    known = pack.translations.get(locale)
    if not known or locale == pack.default_locale:
        return pack

    def turn(key: str, text: str) -> str:
        found = known.get(key)
        if found is None or not found.text.strip() or (is_safety(key) and found.of != text_hash(text)):
            return text
        return found.text

    return _turned(pack, turn)


def negotiate_locale(pack: Pack, *wanted: str | None) -> str:
    """Return the pack's language for the first wish it can meet (``es-MX`` finds ``es``), else its default language."""
    return matching_locale(pack, *wanted) or pack.default_locale


def matching_locale(pack: Pack, *wanted: str | None) -> str | None:
    """Return the same as ``negotiate_locale``, but None if the pack can meet none of the wishes."""
    for given in wanted:
        wish = (given or "").replace("_", "-")
        if wish in pack.locales:
            return wish
        if wish:
            exact = [locale for locale in pack.locales if locale.lower() == wish.lower()]
            near = [locale for locale in pack.locales if locale.split("-")[0].lower() == wish.split("-")[0].lower()]
            if exact or near:
                return (exact or near)[0]
    return None


def language_problems(pack: Pack) -> Iterator[Problem]:
    """Yield missing, stale, and unknown translations by key."""
    texts = pack_texts(pack)
    for locale in pack.locales:
        if locale == pack.default_locale:
            continue
        file = _LOCALE_PLACE.format(locale)
        known = pack.translations.get(locale, {})
        for key, text in texts.items():
            if key not in known or not known[key].text.strip():
                yield Problem(WARNING, (file,), "missing_translation", f"{key} is missing in '{locale}': {text[:60]}")
            elif known[key].of != text_hash(text):
                until = (
                    "; until it is translated, the text in the pack's default language is shown"
                    if is_safety(key)
                    else ""
                )
                message = (
                    f"{key}: the text has changed since it was translated{until}. Now {text_hash(text)}: {text[:60]}"
                )
                yield Problem(WARNING, (file, key), "stale_translation", message)
        for at, key in enumerate(sorted(known.keys() - texts.keys())):
            hint = nearest(key, texts) if at < MAX_HINTS else None
            message = f"nothing in the pack has the key '{key}'" + (f", did you mean '{hint}'?" if hint else "")
            yield Problem(WARNING, (file, key), "unknown_translation", message, hint)


def unused_locales(pack: Pack) -> Iterator[Problem]:
    """Yield files of languages that the pack does not list."""
    for locale in sorted(pack.translations.keys() - set(pack.locales)):
        message = f"'{locale}' is not one of the locales in pack.yaml, so this file is not used"
        yield Problem(WARNING, (_LOCALE_PLACE.format(locale),), "unused_locale", message)


def is_safety(key: str) -> bool:
    """Return whether a text is relevant to safety."""
    return key.startswith("safety.") or ".warnings." in key


# Replacing the texts of a pack -----------------------------------------------------------------------


def _turned(pack: Pack, turn: Turn) -> Pack:
    def one(key: str, text: str | None) -> Any:
        return turn(key, text) if text else text

    def many(key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(turn(f"{key}.{at}", text) for at, text in enumerate(texts, 1))

    intro = pack.quiz.intro
    named = {name: one(f"quiz.intro.{name}", getattr(intro, name)) for name in _INTRO}
    questions = tuple(_question(question, one, many) for question in pack.quiz.questions)
    rules = replace(pack.result, fallback_reason=one("pack.fallback_reason", pack.result.fallback_reason))
    return replace(
        pack,
        title=one("pack.title", pack.title),
        notices=many("pack.notices", pack.notices),
        quiz=Quiz(questions, replace(intro, **named)),
        result=rules,
        plan=tuple(
            replace(d, title=one(f"pack.plan.{d.day}.title", d.title), text=one(f"pack.plan.{d.day}.text", d.text))
            for d in pack.plan
        ),
        comparison=_comparison(pack.comparison, one) if pack.comparison else None,
        summary=tuple(replace(row, text=one(f"pack.summary.{at}", row.text)) for at, row in enumerate(pack.summary, 1)),
        curve=replace(
            pack.curve, title=one("pack.curve.title", pack.curve.title), note=one("pack.curve.note", pack.curve.note)
        )
        if pack.curve
        else None,
        triage=tuple(_triage(row, one) for row in pack.triage),
        mappings=tuple(replace(row, reason=one(f"mappings.{row.id}.reason", row.reason)) for row in pack.mappings),
        products=tuple(_product(product, one, many) for product in pack.products),
        tips=tuple(_tip(tip, one) for tip in pack.tips),
        emails=tuple(_email(email, one) for email in pack.emails),
        sequences=tuple(_sequence(sequence, one) for sequence in pack.sequences),
    )


_INTRO = ("eyebrow", "title", "text", "button", "note")
_QUESTION = ("text", "help", "label", "note", "low", "high")
One = Callable[[str, str | None], Any]
Many = Callable[[str, tuple[str, ...]], tuple[str, ...]]


def _question(question: Question, one: One, many: Many) -> Question:
    key = f"quiz.{question.id}"
    named = {name: one(f"{key}.{name}", getattr(question, name)) for name in _QUESTION}
    options = tuple(_option(option, f"{key}.options.{option.id}", one) for option in question.options)
    return replace(question, **named, point_labels=many(f"{key}.point_labels", question.point_labels), options=options)


def _option(option: Option, key: str, one: One) -> Option:
    return replace(option, **{name: one(f"{key}.{name}", getattr(option, name)) for name in ("text", "help", "short")})


def _comparison(comparison: Comparison, one: One) -> Comparison:
    rows = tuple(
        replace(
            row,
            name=one(f"pack.comparison.rows.{at}.name", row.name),
            cells={form: one(f"pack.comparison.rows.{at}.{form}", text) for form, text in row.cells.items()},
        )
        for at, row in enumerate(comparison.rows, 1)
    )
    given = {form: comparison.names.get(form) or _form_name(form) for form in comparison.forms}
    names = {form: one(f"pack.forms.{form}", name) for form, name in given.items()}
    title, text = one("pack.comparison.title", comparison.title), one("pack.comparison.text", comparison.text)
    return replace(comparison, title=title, text=text, rows=rows, names=names)


def _form_name(form: str) -> str:
    return form[:1].upper() + form[1:]


def _triage(row: Triage, one: One) -> Triage:
    key, advice = f"safety.{row.id}", row.advice
    steps = tuple(
        replace(step, text=one(f"{key}.steps.{at}.text", step.text), note=one(f"{key}.steps.{at}.note", step.note))
        for at, step in enumerate(advice.steps, 1)
    )
    eyebrow = one(f"{key}.eyebrow", advice.eyebrow)
    said = Advice(one(f"{key}.title", advice.title), one(f"{key}.body", advice.body), eyebrow, steps)
    return replace(row, advice=said)


def _product(product: Product, one: One, many: Many) -> Product:
    """Replace name, size, ingredients, and warnings; attributes are the store's own words and stay."""
    key = f"products.{product.sku}"
    return replace(
        product,
        name=one(f"{key}.name", product.name),
        size=one(f"{key}.size", product.size),
        ingredients=many(f"{key}.ingredients", product.ingredients),
        warnings=many(f"{key}.warnings", product.warnings),
    )


def _tip(tip: Tip, one: One) -> Tip:
    key = f"tips.{tip.id}"
    evidence = tuple(_evidence(item, f"{key}.evidence.{at}", one) for at, item in enumerate(tip.evidence, 1))
    named = {name: one(f"{key}.{name}", getattr(tip, name)) for name in ("title", "short", "hint", "body")}
    said = one(f"{key}.with_products", tip.with_products)
    html = tip.body_html if named["body"] == tip.body else markdown_html(named["body"])
    return replace(tip, **named, with_products=said, evidence=evidence, body_html=html)


def _evidence(evidence: Evidence, key: str, one: One) -> Evidence:
    said = {name: one(f"{key}.{name}", getattr(evidence, name)) for name in ("claim", "limits")}
    return replace(evidence, **said)


def _email(email: EmailText, one: One) -> EmailText:
    named = {name: one(f"emails.{email.id}.{name}", getattr(email, name)) for name in ("subject", "preview", "body")}
    return replace(email, **named)


def _sequence(sequence: Sequence, one: One) -> Sequence:
    steps = tuple(
        replace(step, subject_b=one(f"emails.{step.email}.{sequence.id}.{step.id}.subject_b", step.subject_b))
        for step in sequence.steps
    )
    return replace(sequence, steps=steps)
