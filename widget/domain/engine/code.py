"""Encoding of answers into a few bytes for result links: one bit per option, in quiz order."""

from __future__ import annotations

from widget.domain.engine.rules import Walk
from widget.domain.quiz.questions import Quiz


class BadCode(ValueError):
    """Raised for a code that does not fit this quiz version."""

    code = "unknown_result"


def asked_answers(quiz: Quiz, walk: Walk) -> dict[str, list[str]]:
    """Return the answers that count in canonical form: questions asked and answered, options in quiz order."""
    answers = {}
    for question, way in zip(quiz.questions, walk.ways, strict=True):
        given = [option for option in question.option_ids if way.chosen and option in way.chosen]
        if given:
            answers[question.id] = given
    return answers


def pack_answers(quiz: Quiz, answers: dict[str, list[str]]) -> bytes:
    """Return the answers as a little-endian bitset without trailing zero bytes."""
    bits = position = 0
    for question in quiz.questions:
        given = answers.get(question.id, ())
        for option in question.option_ids:
            bits |= (option in given) << position
            position += 1
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def unpack_answers(quiz: Quiz, packed: bytes) -> dict[str, list[str]]:
    """Reverse ``pack_answers``. Raises BadCode for bits beyond the last option."""
    bits = int.from_bytes(packed, "little")
    answers: dict[str, list[str]] = {}
    for question in quiz.questions:
        for option in question.option_ids:
            if bits & 1:
                answers.setdefault(question.id, []).append(option)
            bits >>= 1
    if bits:
        raise BadCode("this link does not match the quiz")
    return answers
