"""The claim rules of a market, read from its file."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from itertools import product
from typing import Any

import yaml

from widget.domain.content.claims import Market, Needed, Permitted, Rule
from widget.domain.content.phrases import GAP, Pattern, Patterns, plain
from widget.domain.content.problem import ERROR

MARKETS = ("us",)


@cache
def market_rules(market: str) -> Market | None:
    """Return the rules for a market; None if there are none yet."""
    path = files("widget.content") / "markets" / f"{market}.yaml"
    if market not in MARKETS or not path.is_file():
        return None
    return market_of(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CBaseLoader))  # noqa: S506  # It keeps all as text.


def market_of(data: dict[str, Any]) -> Market:
    """Build a market from the data of its file. Raises KeyError for an undefined list."""
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
        openers=_patterns(data["openers"], lists),
        conditional=_patterns(data["conditional"], lists),
        advised=_patterns(data["advised"], lists),
        referred=_patterns(data["referred"], lists),
        permitted=tuple(
            Permitted(
                item["id"],
                frozenset(item["contains"]),
                frozenset(item["without"]),
                data["sources"][item["source"]],
                _patterns(item["says"], lists),
            )
            for item in data["permitted"]
        ),
        rules=tuple(_rule(item, data) for item in data["rules"]),
        needed=tuple(_needed(item, data) for item in data["warnings"]),
    )


def _rule(item: dict[str, Any], data: dict[str, Any]) -> Rule:
    return Rule(
        id=item["id"],
        severity=item.get("severity", ERROR),
        source=data["sources"][item["source"]],
        why=item["why"],
        says=_patterns(item["says"], data["lists"]),
        instead=item["instead"],
        contains=frozenset(item.get("contains", ())),
        everywhere=item.get("everywhere") == "true",
        whole=item.get("whole") == "true",
        quiet=item.get("quiet") == "true",
    )


def _needed(item: dict[str, Any], data: dict[str, Any]) -> Needed:
    return Needed(
        id=item["id"],
        why=item["why"],
        source=data["sources"][item["source"]],
        says=_patterns(item["any"], data["lists"]),
        contains=frozenset(item.get("contains", ())),
        forms=frozenset(item.get("form", ())),
    )


def _patterns(by_language: dict[str, list[str]], lists: dict[str, Any]) -> dict[str, Patterns]:
    return {
        language: Patterns(pattern for text in texts for pattern in _expanded(str(text), language, lists))
        for language, texts in by_language.items()
    }


def _expanded(text: str, language: str, lists: dict[str, Any]) -> list[Pattern]:
    """Expand a pattern into patterns of words. A ``$list`` is replaced by its words and phrases."""
    choices: list[list[tuple[str, ...]]] = []
    for element in text.split():
        if element == GAP:
            choices.append([(GAP,)])
            continue
        alternatives = [part for part in element.split("|") if not part.startswith("$")]
        options: list[tuple[str, ...]] = [(plain_choice("|".join(alternatives)),)] if alternatives else []
        for part in element.split("|"):
            if part.startswith("$"):
                options += _of_list(tuple(lists[part[1:]][language]))
        choices.append(options)
    return [tuple(word for option in item for word in option) for item in product(*choices)]


@lru_cache(maxsize=64)
def _of_list(texts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the single words of a list as one choice, and each phrase on its own."""
    single = [plain_choice(text) for text in texts if " " not in text]
    return [("|".join(single),), *(tuple(plain_choice(word) for word in text.split()) for text in texts if " " in text)]


def plain_choice(element: str) -> str:
    """Return an element with each alternative normalized. GAP stays: normalizing it would make it three periods."""
    if element == GAP:
        return GAP
    return "|".join(plain(part) for part in element.split("|"))
