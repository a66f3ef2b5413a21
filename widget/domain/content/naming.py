"""Checks that the parts of a pack fit together: names exist, questions can be asked, safety rules always apply.

Errors prevent a pack from being published. Warnings (findings) do not, since a store feed may supply what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from widget.domain.catalog.target import Target, TargetError, parse_targets
from widget.domain.content.pack import BOOST, ENDS_EARLY, EXCLUDE, PIN, Exclusion, Mapping, Pack, Triage
from widget.domain.content.problem import ERROR, FINDINGS, WARNING, Problem, nearest, unknown_text
from widget.domain.email.sequence import ANCHORS, Step
from widget.domain.quiz.condition import COMPARISONS, SKIPPED, Condition, Term
from widget.domain.quiz.paths import always_asked
from widget.domain.quiz.questions import MULTI, SCALE, Question

Place = tuple[str | int, ...]
EMAIL_FIELDS = (
    "order.contains",
    "order.count",
    "email.sent",
    "consent.marketing",
    "consent.health_data",
    "outcome",
)
MAX_POINTS = 101
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def naming_problems(pack: Pack) -> Iterator[Problem]:
    """Yield all consistency problems of a pack whose individual files could be read."""
    yield from _duplicates(pack)
    yield from _questions(pack)
    yield from _safety(pack)
    yield from _mappings(pack)
    yield from _result(pack)
    yield from _words(pack)
    yield from _emails(pack)


def _unknown(place: Place, what: str, word: str, known: Iterable[str], within: str = "") -> Problem:
    names = list(known)
    suggestion = nearest(word, names)
    message = unknown_text(what, word, names)
    if within:
        message = message.replace(f"'{word}'", f"'{word}' in {within}", 1)
    return Problem(ERROR, place, f"unknown_{what.replace(' ', '_').lower()}", message, suggestion)


# IDs -------------------------------------------------------------------------------------------------


def _duplicates(pack: Pack) -> Iterator[Problem]:
    lists: list[tuple[Place, str, list[Any]]] = [
        (("quiz.yaml", "questions"), "id", list(pack.quiz.questions)),
        (("safety.yaml", "triage"), "id", list(pack.triage)),
        (("safety.yaml", "exclusions"), "id", list(pack.exclusions)),
        (("mappings.csv",), "id", list(pack.mappings)),
        (("products.yaml",), "sku", list(pack.products)),
        (("pack.yaml", "result", "slots"), "id", list(pack.result.slots)),
        (("pack.yaml", "plan"), "day", list(pack.plan)),
        (("emails/sequences.yaml", "sequences"), "id", list(pack.sequences)),
    ]
    for index, question in enumerate(pack.quiz.questions):
        lists.append((("quiz.yaml", "questions", index, "options"), "id", list(question.options)))
    for index, sequence in enumerate(pack.sequences):
        lists.append((("emails/sequences.yaml", "sequences", index, "steps"), "id", list(sequence.steps)))
    for place, name, items in lists:
        seen: set[Any] = set()
        for index, item in enumerate(items):
            value = getattr(item, name)
            if value in seen:
                message = f"{name} '{value}' is used twice"
                yield Problem(ERROR, (*place, index, name), "duplicate_id", message)
            seen.add(value)


# Questions and conditions ----------------------------------------------------------------------------


def _questions(pack: Pack) -> Iterator[Problem]:
    if not pack.quiz.questions:
        yield Problem(ERROR, ("quiz.yaml", "questions"), "no_questions", "a quiz needs at least one question")
    earlier: dict[str, Question] = {}
    for index, question in enumerate(pack.quiz.questions):
        place: Place = ("quiz.yaml", "questions", index)
        for key, message in _shape(question):
            yield Problem(ERROR, (*place, key), "bad_question", f"question '{question.id}': {message}")
        yield from _condition((*place, "show_if"), question.show_if, earlier, later=pack.quiz.by_id)
        earlier[question.id] = question


def _shape(question: Question) -> Iterator[tuple[str, str]]:
    """Yield (key, description of the problem) for each invalid key of a question."""
    if question.kind == SCALE:
        if question.start is None or question.end is None or question.start >= question.end:
            yield "from", "a scale needs a whole number for from and a higher one for to"
        elif question.end - question.start >= MAX_POINTS:
            yield "to", f"a scale can have at most {MAX_POINTS} points"
        elif question.point_labels and len(question.point_labels) != len(question.option_ids):
            yield "point_labels", f"provide {len(question.option_ids)} labels, one for each point, or none"
        if question.options:
            yield "options", "a scale uses from and to, not options"
    else:
        if not question.options:
            yield "options", "options are missing"
        for key, value in (("from", question.start), ("to", question.end)):
            if value is not None:
                yield key, f"'{key}' is only for scales"
    if question.kind == MULTI:
        yield from _min_and_max(question)
    else:
        for key, value in (("min", question.min), ("max", question.max)):
            if value is not None:
                yield key, f"'{key}' is only for multiple-choice questions (multi)"


def _min_and_max(question: Question) -> Iterator[tuple[str, str]]:
    countable = len([option for option in question.options if not option.only])
    if question.min is not None and question.min > countable:
        yield "min", f"min is {question.min}, but only {countable} options can be chosen together"
    if question.max is not None and question.max > len(question.options):
        yield "max", f"max is {question.max}, but there are {len(question.options)} options"
    if question.min is not None and question.max is not None and question.min > question.max:
        yield "max", "max must not be less than min"


def _condition(
    place: Place,
    condition: Condition,
    questions: dict[str, Question],
    later: dict[str, Question] | None = None,
) -> Iterator[Problem]:
    for term in condition.terms():
        question = questions.get(term.field)
        if question is not None:
            yield from _term(place, term, question)
        elif later and term.field in later:
            message = f"'{term.field}' is asked later: conditions can only use earlier questions"
            yield Problem(ERROR, place, "later_question", message)
        else:
            yield _unknown(place, "question", term.field, questions)


def _term(place: Place, term: Term, question: Question) -> Iterator[Problem]:
    if term.operator in COMPARISONS:
        if question.kind != SCALE:
            message = f"'{term.operator}' compares numbers, but question '{question.id}' is not a scale"
            yield Problem(ERROR, place, "not_a_scale", message)
        elif term.values[0] not in question.option_ids:
            message = f"'{term}' compares with a number outside {question.start}..{question.end}"
            yield Problem(WARNING, place, "outside_scale", message)
        return
    for value in term.values:
        if value == SKIPPED:
            if not question.optional:
                message = f"'{term}': question '{question.id}' is required, so it is never skipped"
                yield Problem(WARNING, place, "never_skipped", message)
        elif value not in question.option_ids:
            yield _unknown(place, "option", value, question.option_ids, f"question '{question.id}'")


# Safety ----------------------------------------------------------------------------------------------


def _safety(pack: Pack) -> Iterator[Problem]:
    lists: tuple[tuple[str, tuple[Triage | Exclusion, ...]], ...] = (
        ("triage", pack.triage),
        ("exclusions", pack.exclusions),
    )
    ends = [row.when for row in pack.triage if row.outcome in ENDS_EARLY]
    asked = {name: _always_asked(pack, name, ends) for name in pack.quiz.by_id}
    for key, rows in lists:
        for index, row in enumerate(rows):
            place: Place = ("safety.yaml", key, index)
            if key == "triage" and row.when.always:
                message = f"triage row '{row.id}' has no condition: it would end every quiz"
                yield Problem(ERROR, (*place, "when"), "triage_always", message)
            yield from _condition((*place, "when"), row.when, pack.quiz.by_id)
            for name in sorted(row.when.fields() & pack.quiz.by_id.keys()):
                question = pack.quiz.by_id[name]
                if question.optional or not asked[name]:
                    how = "may be skipped" if question.optional else "is not asked on every path"
                    message = f"safety depends on question '{name}', which {how}: make it required and always asked"
                    yield Problem(ERROR, (*place, "when"), "safety_not_asked", message)
    for index, exclusion in enumerate(pack.exclusions):
        yield from _targets(pack, ("safety.yaml", "exclusions", index, "exclude"), exclusion.exclude)
    if any(target.kind == "form" for exclusion in pack.exclusions for target in exclusion.exclude):
        for index, product in enumerate(pack.products):
            if not product.form:
                message = f"{product.sku} has no form, but safety excludes by form: declare it, or it is not excluded"
                yield Problem(WARNING, ("products.yaml", index), "undeclared_form", message)


def _always_asked(pack: Pack, name: str, ends: list[Condition]) -> bool:
    known = pack.quiz.by_id
    sound = all(term.field in known for question in pack.quiz.questions for term in question.show_if.terms())
    return always_asked(pack.quiz.questions, name, ends) if sound else known[name].show_if.always


# Mappings --------------------------------------------------------------------------------------------


def _mappings(pack: Pack) -> Iterator[Problem]:
    for index, row in enumerate(pack.mappings):
        place: Place = ("mappings.csv", index)
        yield from _condition((*place, "when"), row.when, pack.quiz.by_id)
        yield from _targets(pack, (*place, "target"), row.target)
        for key, message in _effect(row):
            yield Problem(ERROR, (*place, key), "bad_mapping", f"row '{row.id}': {message}")
        if row.reason and row.effect not in (BOOST, PIN):
            message = f"row '{row.id}': the reason of {row.effect} is never shown"
            yield Problem(WARNING, (*place, "reason"), "unread_reason", message)


def _effect(row: Mapping) -> Iterator[tuple[str, str]]:
    if row.effect == BOOST and row.weight == 0:
        yield "weight", "boost needs a weight from -100 to 100, other than 0"
    if row.effect != BOOST and row.weight:
        yield "weight", f"{row.effect} does not take a weight"
    if row.effect not in (BOOST, EXCLUDE) and row.target[0].kind == "tip":
        yield "effect", f"{row.effect} is only for products; tips support boost and exclude"


def _targets(pack: Pack, place: Place, targets: tuple[Target, ...]) -> Iterator[Problem]:
    for target in targets:
        known = _known(pack, target.kind)
        for value in target.values:
            if target.kind in ("sku", "tip") and value not in known:
                yield _unknown(place, "SKU" if target.kind == "sku" else "tip", value, known)
            elif known is not None and value not in known and target.kind != "lacks":
                what = {"contains": "ingredient"}.get(target.kind, target.kind)
                message = f"no product has the {what} '{value}'" + _did_you_mean(value, known)
                yield Problem(WARNING, place, f"unused_{what}", message, nearest(value, known))


def _known(pack: Pack, kind: str) -> list[str]:
    if kind == "tip":
        return sorted(pack.tip_by_id)
    values: dict[str, Any] = {
        "sku": lambda p: (p.sku,),
        "form": lambda p: (p.form,),
        "tag": lambda p: p.tags,
        "collection": lambda p: p.collections,
        "contains": lambda p: p.contains or (),
        "allergen": lambda p: p.allergens or (),
    }
    read = values.get(kind)
    return sorted({value for product in pack.products for value in read(product)}) if read else []


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    suggestion = nearest(word, known)
    return f", did you mean '{suggestion}'?" if suggestion else ""


# Result, locales, and texts --------------------------------------------------------------------------


def _result(pack: Pack) -> Iterator[Problem]:
    place: Place = ("pack.yaml", "result")
    if not pack.result.slots:
        yield Problem(ERROR, (*place, "slots"), "no_slots", "a result needs at least one slot")
    for index, slot in enumerate(pack.result.slots):
        at = (*place, "slots", index, "from")
        if slot.from_[0].kind == "tip":
            yield Problem(ERROR, at, "bad_slot", f"slot '{slot.id}' can only hold products, not tips")
        yield from _targets(pack, at, slot.from_)
    for index, sku in enumerate(pack.result.fallback):
        if sku not in pack.product_by_sku:
            yield _unknown((*place, "fallback", index), "SKU", sku, pack.product_by_sku)
    for index, tip in enumerate(pack.result.fallback_tips):
        if tip not in pack.tip_by_id:
            yield _unknown((*place, "fallback_tips", index), "tip", tip, pack.tip_by_id)


def _words(pack: Pack) -> Iterator[Problem]:
    for code in pack.checks:
        if code not in FINDINGS:
            unknown = _unknown(("pack.yaml", "checks", code), "finding", code, FINDINGS)
            yield replace(unknown, severity=WARNING)
    if pack.default_locale not in pack.locales:
        message = f"the default locale '{pack.default_locale}' is not one of the locales"
        yield Problem(ERROR, ("pack.yaml", "default_locale"), "default_locale", message)
    for index, row in enumerate(pack.summary):
        yield from _condition(("pack.yaml", "summary", index, "when"), row.when, pack.quiz.by_id)
    if pack.curve:
        question = pack.quiz.by_id.get(pack.curve.question)
        if question is None:
            yield _unknown(("pack.yaml", "curve", "question"), "question", pack.curve.question, pack.quiz.by_id)
        for option in pack.curve.days if question else ():
            if question and option not in question.option_ids:
                within = f"question '{question.id}'"
                yield _unknown(("pack.yaml", "curve", "days", option), "option", option, question.option_ids, within)
    days = {day.day for day in pack.plan}
    for tip in pack.tips:
        for day in sorted(set(tip.days) - days) if days else ():
            message = f"day {day} is not in the plan of pack.yaml"
            yield Problem(WARNING, (f"tips/{tip.id}.md", "days"), "unknown_day", message)
        if not tip.evidence:
            yield Problem(WARNING, (f"tips/{tip.id}.md",), "no_evidence", f"tip '{tip.id}' has no source")


# Emails ---------------------------------------------------------------------------------------------


def _emails(pack: Pack) -> Iterator[Problem]:
    for index, sequence in enumerate(pack.sequences):
        for at, step in enumerate(sequence.steps):
            place: Place = ("emails/sequences.yaml", "sequences", index, "steps", at)
            if step.email not in pack.email_by_id:
                yield _unknown((*place, "email"), "email", step.email, pack.email_by_id)
            for event in step.anchor:
                if event not in ANCHORS:
                    yield _unknown((*place, "anchor"), "event", event, ANCHORS)
            if step.after.at is not None and not _TIME.fullmatch(step.after.at):
                message = f"'{step.after.at}' is not a time of day such as 09:30"
                yield Problem(ERROR, (*place, "after"), "bad_time", message)
            yield from _email_condition(pack, (*place, "when"), step)


def _email_condition(pack: Pack, place: Place, step: Step) -> Iterator[Problem]:
    for term in step.when.terms():
        if term.field in pack.quiz.by_id:
            yield from _term(place, term, pack.quiz.by_id[term.field])
        elif term.field not in EMAIL_FIELDS:
            yield _unknown(place, "question", term.field, [*pack.quiz.by_id, *EMAIL_FIELDS])
        elif term.field == "email.sent":
            for value in term.values:
                if value not in pack.email_by_id:
                    yield _unknown(place, "email", value, pack.email_by_id)
        elif term.field == "order.contains":
            try:
                yield from _targets(pack, place, parse_targets("|".join(term.values)))
            except TargetError as error:
                yield Problem(ERROR, place, "bad_target", error.message)
