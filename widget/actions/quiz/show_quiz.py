"""Build the quiz document that the widget loads."""

from __future__ import annotations

from typing import Any

import orjson

from widget.actions.errors import UnknownQuiz
from widget.actions.quiz.result_links import result_setting
from widget.content.languages import negotiate_locale
from widget.domain.content.pack import ENDS_EARLY
from widget.domain.engine.result import direction
from widget.domain.quiz.condition import Condition
from widget.domain.quiz.questions import SCALE, Question
from widget.i18n.strings import strings_for
from widget.quiz_registry import LoadedQuiz
from widget.services import Services

MAX_COUNTED = 100


def show_quiz(services: Services, *, shop: str, quiz: str, locale: str | None = None) -> bytes:
    """Return the live quiz as JSON. Raises UnknownQuiz."""
    loaded = services.quizzes.live(shop, quiz)
    if loaded is None:
        raise UnknownQuiz("This shop has no such quiz.")
    locale = negotiate_locale(loaded.engine.rules.pack, locale)
    key = f"quiz:{shop}:{quiz}:{loaded.state}:{locale}"
    body = services.shared.get(key)
    if body is None:
        body = orjson.dumps(quiz_document(services, loaded, locale))
        services.shared.put(key, body, seconds=600)
    return body


def quiz_document(services: Services, loaded: LoadedQuiz, locale: str) -> dict[str, Any]:
    """Return the quiz document; conditions are lists of clauses of [question, operator, values, negated]."""
    address = result_setting(services, loaded, locale).address
    pack = loaded.localized(locale).rules.pack
    most = max([10, *(len(question.option_ids) for question in pack.quiz.questions)])
    return {
        "shop": loaded.shop.slug,
        "quiz": loaded.quiz,
        "version": loaded.version,
        "locale": locale,
        "dir": direction(locale),
        "title": pack.title,
        "intro": {
            "eyebrow": pack.quiz.intro.eyebrow,
            "title": pack.quiz.intro.title or pack.title,
            "text": pack.quiz.intro.text,
            "button": pack.quiz.intro.button,
            "note": pack.quiz.intro.note,
            "image": address(pack.quiz.intro.image) if pack.quiz.intro.image else None,
        },
        "questions": [_question(question) for question in pack.quiz.questions],
        "stop_if": [condition_data(row.when) for row in pack.triage if row.outcome in ENDS_EARLY],
        "notices": list(pack.notices),
        "strings": strings_for(locale).for_widget(min(most, MAX_COUNTED)),
    }


def _question(question: Question) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": question.id,
        "kind": question.kind,
        "text": question.text,
        "help": question.help,
        "note": question.note,
        "optional": question.optional,
        "min": question.least,
        "max": question.most,
        "from": question.start,
        "to": question.end,
        "low": question.low,
        "high": question.high,
        "point_labels": list(question.point_labels),
        "options": [
            {"id": option.id, "text": option.text, "help": option.help, "image": option.image, "only": option.only}
            for option in question.options
        ],
        "show_if": None if question.show_if.always else condition_data(question.show_if),
    }
    if question.kind == SCALE:
        data["min"] = data["max"] = 1
    return data


def condition_data(condition: Condition) -> list[list[list[Any]]]:
    """Return a condition in the widget's format: clauses of [question, operator, values, negated]."""
    return [
        [[term.field, term.operator, list(term.values), term.negated] for term in clause]
        for clause in condition.clauses
    ]
