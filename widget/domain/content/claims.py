"""The claims lint: find claims in free text that a market forbids.

Pure functions from rules and text to findings. The rules and their sources are in ``widget/content/markets/``.
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
    """A rule that forbids a claim.

    ``says``: patterns by language. ``contains``: the rule applies only to products with one of these ingredients and to
    products that do not declare their ingredients. ``everywhere``: the rule also applies to text that does not mention
    a product. ``whole``: the text is checked as a whole, not sentence by sentence.
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
    """The rule also applies to warnings and safety advice."""


@dataclass(frozen=True)
class Permitted:
    """Wording allowed for products with any ingredient in ``contains`` and none in ``without``."""

    id: str
    contains: frozenset[str]
    without: frozenset[str]
    source: str
    says: dict[str, Patterns]


@dataclass(frozen=True)
class Needed:
    """A warning that products with certain ingredients or forms must carry; any of the patterns in ``says`` will do."""

    id: str
    why: str
    source: str
    says: dict[str, Patterns]
    contains: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Market:
    """All claim rules of one market."""

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
    """Words after which an earlier "not" no longer applies: but, and, so."""
    conditional: dict[str, Patterns] = field(default_factory=dict)
    advised: dict[str, Patterns] = field(default_factory=dict)
    """A sentence that matches ``conditional`` and ``advised`` ("if it hurts, stop using it") is advice, not a claim."""
    openers: dict[str, Patterns] = field(default_factory=dict)
    """First words of a sentence about a product that it does not name: "Melts away soreness"."""
    referred: dict[str, Patterns] = field(default_factory=dict)
    """Words that refer the reader to a doctor or pharmacist; a sentence with them is also advice."""
    _starts: dict[str, Starts] = field(default_factory=dict, init=False, repr=False, compare=False)

    def starts(self, language: str) -> Starts:
        """Return the index of which rules, by number, can match a given set of words."""
        known = self._starts.get(language)
        if known is None:
            lists = [rule.says.get(language, NONE) for rule in self.rules]
            if not any(lists):
                return NOTHING
            known = self._starts[language] = Starts(lists)
        return known


@dataclass(frozen=True, slots=True)
class ClaimText:
    """A text and its subject.

    ``contains``: the product's ingredients; None if the product does not declare them. ``product``: every sentence is
    about a product; otherwise only sentences that name one are. ``quiet``: a warning or safety advice, which must name
    what it warns of, so only rules with ``everywhere`` or ``quiet`` apply to it.
    """

    text: str
    language: str
    contains: frozenset[str] | None = frozenset()
    product: bool = False
    quiet: bool = False
    name: bool = False
    """The text is a name, in which "no" does not negate a claim ("No-Mess Pain Relief")."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A phrase that a rule forbids, at ``start`` to ``end`` of the text."""

    rule: Rule
    phrase: str
    start: int
    end: int

    def instead(self, language: str) -> str:
        return self.rule.instead.get(language) or self.rule.instead.get("en", "")


def claims_in(claim_text: ClaimText, market: Market) -> Iterator[Claim]:
    """Yield the forbidden claims in a text, at most one per rule and sentence."""
    language = claim_text.language.split("-")[0]
    rules = [(number, rule) for number, rule in enumerate(market.rules) if _concerns(rule, claim_text)]
    for start, end in _sentences(claim_text.text):
        words = words_of(claim_text.text, start, end)
        possible = market.starts(language).of(words)
        if not possible:
            continue
        about = not claim_text.quiet and _is_about_a_product(claim_text, words, market, language)
        about = about and not _is_advice(words, market, language)
        for number, rule in rules:
            held = rule.quiet if claim_text.quiet and not rule.everywhere else rule.everywhere or about
            if number in possible and held and not rule.whole:
                yield from _claim(rule, claim_text, market, language, words)
    whole = [rule for _, rule in rules if rule.whole]
    words = words_of(claim_text.text, 0, len(claim_text.text)) if whole else []
    for rule in whole:
        yield from _claim(rule, claim_text, market, language, words)


def _is_about_a_product(claim_text: ClaimText, words: list[Word], market: Market, language: str) -> bool:
    return (
        claim_text.product
        or found(words, market.about.get(language, NONE)) is not None
        or found(words[:1], market.openers.get(language, NONE)) is not None
    )


def _is_advice(words: list[Word], market: Market, language: str) -> bool:
    lists = (market.conditional.get(language, NONE), market.advised.get(language, NONE))
    both = all(found(words, item) is not None for item in lists)
    return both or found(words, market.referred.get(language, NONE)) is not None


def _concerns(rule: Rule, claim_text: ClaimText) -> bool:
    return not rule.contains or claim_text.contains is None or not rule.contains.isdisjoint(claim_text.contains)


def _claim(rule: Rule, claim_text: ClaimText, market: Market, language: str, words: list[Word]) -> Iterator[Claim]:
    hidden: set[int] | None = None
    for first, last in matches(words, rule.says.get(language, NONE)):
        if hidden is None:
            hidden = _covered(words, [market.innocent.get(language, NONE), *_permitted(claim_text, market, language)])
        if any(at in hidden for at in (first, last)) or (
            not claim_text.name and _denied(claim_text.text, words, first, last, market, language)
        ):
            continue
        start, end = words[first].start, words[last].end
        yield Claim(rule, claim_text.text[start:end], start, end)
        return


def _permitted(claim_text: ClaimText, market: Market, language: str) -> Iterator[Patterns]:
    for item in market.permitted:
        contains = claim_text.contains
        if contains is not None and not item.contains.isdisjoint(contains) and item.without.isdisjoint(contains):
            yield item.says.get(language, NONE)


def _covered(words: list[Word], lists: Iterable[Patterns]) -> set[int]:
    covered: set[int] = set()
    for patterns in lists:
        for first, last in matches(words, patterns):
            covered |= set(range(first, last + 1))
    return covered


def _denied(text: str, words: list[Word], first: int, last: int, market: Market, language: str) -> bool:
    """Return whether a "not" within or shortly before the claim negates it ("does not treat any disease").

    The "not" must be in the same clause: in "not greasy, and it soothes", the claim is not negated.
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
    """Return whether the word is an Arabic verb prefixed with "and", which starts a new clause."""
    return text[word.start : word.start + 2] in ("وي", "وت")


def missing_warnings(
    market: Market, warnings: Sequence[str], language: str, contains: frozenset[str] | None, form: str
) -> Iterator[Needed]:
    """Yield the warnings that a product must carry but does not.

    ``contains`` None (ingredients not declared) requires every warning that depends on an ingredient.
    """
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
