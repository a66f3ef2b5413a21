"""The claims lint: what a market forbids to say, looked for in text as people write it.

Pure: rules in, text in, findings out. The rules and their sources stand in ``widget/content/markets/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from widget.domain.content.phrases import NONE, NOTHING, Patterns, Starts, Word, found, matches, words_of

DENIED_WITHIN = 10
_SENTENCE = re.compile(r"(?<=[.!?؟])\s+|\n+|[•;؛]")
_BREAK = re.compile(r"[,:;.!?،؛؟—–()]|\s[-]\s")


@dataclass(frozen=True)
class Rule:
    """``says``: patterns by language. ``contains``: only for products with one of these, or that do not declare.

    ``everywhere``: also where no product is spoken of; ``whole``: the text is looked at as a whole, not by sentence.
    """

    id: str
    severity: str
    source: str
    why: str
    says: dict[str, Patterns]
    instead: dict[str, str]
    contains: frozenset[str] = frozenset()
    everywhere: bool = False
    whole: bool = False
    quiet: bool = False
    """Held against warnings and advice of safety, too."""


@dataclass(frozen=True)
class Permitted:
    """Wording that is allowed for products with one of ``contains`` and none of ``without``."""

    id: str
    contains: frozenset[str]
    without: frozenset[str]
    source: str
    says: dict[str, Patterns]


@dataclass(frozen=True)
class Needed:
    """A warning that products with an ingredient, or of a form, must carry: any of these words."""

    id: str
    why: str
    source: str
    says: dict[str, Patterns]
    contains: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Market:
    """All that one market has to say."""

    id: str
    name: str
    sources: dict[str, str]
    about: dict[str, Patterns]
    innocent: dict[str, Patterns]
    denials: dict[str, Patterns]
    false_denials: dict[str, Patterns]
    permitted: tuple[Permitted, ...]
    rules: tuple[Rule, ...]
    needed: tuple[Needed, ...] = ()
    turns: dict[str, Patterns] = field(default_factory=dict)
    """Words after which an earlier "not" no longer counts: but, and, so."""
    conditional: dict[str, Patterns] = field(default_factory=dict)
    advised: dict[str, Patterns] = field(default_factory=dict)
    """A sentence with one of each ("if it hurts, stop using it") is advice, no claim."""
    referred: dict[str, Patterns] = field(default_factory=dict)
    """Words that send to a doctor or pharmacist; a sentence with them is advice, too."""
    _starts: dict[str, Starts] = field(default_factory=dict, init=False, repr=False, compare=False)

    def starts(self, language: str) -> Starts:
        """Which rules, by number, can match a sentence of these words at all."""
        known = self._starts.get(language)
        if known is None:
            lists = [rule.says.get(language, NONE) for rule in self.rules]
            if not any(lists):
                return NOTHING
            known = self._starts[language] = Starts(lists)
        return known


@dataclass(frozen=True, slots=True)
class Said:
    """A text with what it is about. ``contains`` None: a product that does not declare what is in it.

    ``product``: every sentence is about a product; otherwise only those that name one. ``quiet``: a warning or advice
    of safety, which must name what it warns of: only rules for everywhere are held against it.
    """

    text: str
    language: str
    contains: frozenset[str] | None = frozenset()
    product: bool = False
    quiet: bool = False
    name: bool = False
    """A name, in which no "not" turns anything around ("No-Mess Pain Relief")."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A phrase (``start`` to ``end`` of the text) that a rule forbids."""

    rule: Rule
    phrase: str
    start: int
    end: int

    def instead(self, language: str) -> str:
        return self.rule.instead.get(language) or self.rule.instead.get("en", "")


def claims_in(said: Said, market: Market) -> Iterator[Claim]:
    """What the text must not say, each rule at most once a sentence."""
    language = said.language.split("-")[0]
    rules = [(number, rule) for number, rule in enumerate(market.rules) if _concerns(rule, said)]
    for start, end in _sentences(said.text):
        words = words_of(said.text, start, end)
        possible = market.starts(language).of(words)
        if not possible:
            continue
        about = said.product or found(words, market.about.get(language, NONE)) is not None
        about = about and not said.quiet and not _is_advice(words, market, language)
        for number, rule in rules:
            held = rule.quiet if said.quiet and not rule.everywhere else rule.everywhere or about
            if number in possible and held and not rule.whole:
                yield from _claim(rule, said, market, language, words)
    whole = [rule for _, rule in rules if rule.whole]
    words = words_of(said.text, 0, len(said.text)) if whole else []
    for rule in whole:
        yield from _claim(rule, said, market, language, words)


def _is_advice(words: list[Word], market: Market, language: str) -> bool:
    lists = (market.conditional.get(language, NONE), market.advised.get(language, NONE))
    both = all(found(words, item) is not None for item in lists)
    return both or found(words, market.referred.get(language, NONE)) is not None


def _concerns(rule: Rule, said: Said) -> bool:
    return not rule.contains or said.contains is None or not rule.contains.isdisjoint(said.contains)


def _claim(rule: Rule, said: Said, market: Market, language: str, words: list[Word]) -> Iterator[Claim]:
    hidden: set[int] | None = None
    for first, last in matches(words, rule.says.get(language, NONE)):
        if hidden is None:
            hidden = _covered(words, [market.innocent.get(language, NONE), *_permitted(said, market, language)])
        if any(at in hidden for at in (first, last)) or (
            not said.name and _denied(said.text, words, first, last, market, language)
        ):
            continue
        start, end = words[first].start, words[last].end
        yield Claim(rule, said.text[start:end], start, end)
        return


def _permitted(said: Said, market: Market, language: str) -> Iterator[Patterns]:
    for item in market.permitted:
        contains = said.contains
        if contains is not None and not item.contains.isdisjoint(contains) and item.without.isdisjoint(contains):
            yield item.says.get(language, NONE)


def _covered(words: list[Word], lists: Iterable[Patterns]) -> set[int]:
    covered: set[int] = set()
    for patterns in lists:
        for first, last in matches(words, patterns):
            covered |= set(range(first, last + 1))
    return covered


def _denied(text: str, words: list[Word], first: int, last: int, market: Market, language: str) -> bool:
    """Whether a "not" shortly before it, or in it, turns the claim around ("does not treat any disease").

    Only within its own part of the sentence: in "not greasy, and it soothes" the claim stands.
    """
    offset = max(0, first - DENIED_WITHIN)
    before = words[offset : last + 1]
    false = _covered(words, [market.false_denials.get(language, NONE)])
    for at, _ in matches(before, market.denials.get(language, NONE)):
        place = at + offset
        if place in false:
            continue
        between = words[place + 1 : first]
        turned = found(between, market.turns.get(language, NONE)) is not None
        own_part = place >= first or not _BREAK.search(text[words[place].end : words[first].start])
        if own_part and not turned and not (place < first and _starts_anew(text, words[first])):
            return True
    return False


def _starts_anew(text: str, word: Word) -> bool:
    """An Arabic verb with "and" before it begins a part of its own."""
    return text[word.start : word.start + 2] in ("وي", "وت")


def missing_warnings(
    market: Market, warnings: Sequence[str], language: str, contains: frozenset[str] | None, form: str
) -> Iterator[Needed]:
    """The warnings that a product of this kind must carry and does not. Undeclared contents need all of them."""
    language = language.split("-")[0]
    words = [word for text in warnings for word in words_of(text, 0, len(text))]
    for item in market.needed:
        concerned = form in item.forms
        if item.contains:
            concerned = concerned or contains is None or not item.contains.isdisjoint(contains)
        if concerned and language in item.says and found(words, item.says[language]) is None:
            yield item


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for cut in _SENTENCE.finditer(text):
        if cut.start() > start:
            yield start, cut.start()
        start = cut.end()
    if start < len(text):
        yield start, len(text)
