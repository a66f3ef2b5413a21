"""The rules of a market, read from its file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

import yaml

from widget.domain.claims import Market, Needed, Permitted, Rule
from widget.domain.phrases import GAP, Pattern, Patterns, plain
from widget.domain.problem import ERROR

MARKETS = ("us",)


@cache
def market_rules(market: str) -> Market | None:
    """The rules for a market; None where there are none yet."""
    path = files("widget.content") / "markets" / f"{market}.yaml"
    if market not in MARKETS or not path.is_file():
        return None
    return market_of(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader))  # noqa: S506  # Text is text.


def market_of(data: dict[str, Any]) -> Market:
    """A market from its file as data. Raises KeyError for a list that is not there."""
    lists = data["lists"]
    return Market(
        id=data["market"],
        name=data["name"],
        sources=data["sources"],
        about=_patterns(data["about"], lists),
        innocent=_patterns(data["innocent"], lists),
        denials=_patterns(data["denials"], lists),
        false_denials=_patterns(data["false_denials"], lists),
        turns=_patterns(data["turns"], lists),
        conditional=_patterns(data["conditional"], lists),
        advised=_patterns(data["advised"], lists),
        referred=_patterns(data["referred"], lists),
        permitted=tuple(
            Permitted(
                each["id"],
                frozenset(each["contains"]),
                frozenset(each["without"]),
                data["sources"][each["source"]],
                _patterns(each["says"], lists),
            )
            for each in data["permitted"]
        ),
        rules=tuple(_rule(each, data) for each in data["rules"]),
        needed=tuple(_needed(each, data) for each in data["warnings"]),
    )


def _rule(each: dict[str, Any], data: dict[str, Any]) -> Rule:
    return Rule(
        id=each["id"],
        severity=each.get("severity", ERROR),
        source=data["sources"][each["source"]],
        why=each["why"],
        says=_patterns(each["says"], data["lists"]),
        instead=each["instead"],
        contains=frozenset(each.get("contains", ())),
        everywhere=each.get("everywhere") == "true",
        whole=each.get("whole") == "true",
        quiet=each.get("quiet") == "true",
    )


def _needed(each: dict[str, Any], data: dict[str, Any]) -> Needed:
    return Needed(
        id=each["id"],
        why=each["why"],
        source=data["sources"][each["source"]],
        says=_patterns(each["any"], data["lists"]),
        contains=frozenset(each.get("contains", ())),
        forms=frozenset(each.get("form", ())),
    )


def _patterns(by_language: dict[str, list[str]], lists: dict[str, Any]) -> dict[str, Patterns]:
    return {
        language: Patterns(pattern for text in texts for pattern in _expanded(str(text), language, lists))
        for language, texts in by_language.items()
    }


def _expanded(text: str, language: str, lists: dict[str, Any]) -> list[Pattern]:
    """A pattern as words; a ``$list`` alone becomes each of its patterns, one among alternatives the words of it."""
    choices: list[list[tuple[str, ...]]] = []
    for element in text.split():
        if element == GAP:
            choices.append([(GAP,)])
            continue
        alternatives = [part for part in element.split("|") if not part.startswith("$")]
        options: list[tuple[str, ...]] = [(plain_choice("|".join(alternatives)),)] if alternatives else []
        for part in element.split("|"):
            if part.startswith("$"):
                options += _of_list([str(each) for each in lists[part[1:]][language]])
        choices.append(options)
    return [tuple(word for option in each for word in option) for each in product(*choices)]


def _of_list(texts: list[str]) -> list[tuple[str, ...]]:
    """The single words of a list as one choice, and each phrase on its own."""
    single = [plain_choice(text) for text in texts if " " not in text]
    return [("|".join(single),), *(tuple(plain_choice(word) for word in text.split()) for text in texts if " " in text)]


def plain_choice(element: str) -> str:
    return "|".join(plain(part) for part in element.split("|"))
