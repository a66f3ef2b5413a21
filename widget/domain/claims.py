"""The claims lint: what a market forbids to say, looked for in text as people write it.

Pure: rules in, text in, findings out. The rules and their sources stand in ``widget/content/markets/``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

GAP = "…"
MOST_BETWEEN = 6
DENIED_WITHIN = 10
INDEXED = 3
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|\{\{[^}]*\}\}|\{%[^%]*%\}")
_SENTENCE = re.compile(r"(?<=[.!?؟])\s+|\n+|[•;؛]")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069\u0640]")
_LEET = str.maketrans({"1": "i", "3": "e", "0": "o", "@": "a", "$": "s", "4": "a", "5": "s"})
_BREAK = re.compile(r"[,:;.!?،؛؟—–()]|\s[-]\s")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ARABIC = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي"})
_PREFIXES = ("وال", "فال", "بال", "كال", "لل", "ال", "و", "ف", "ب", "ك", "ل", "س")

Pattern = tuple[str, ...]
"""Words of a pattern: alternatives joined by ``|``, ``*`` at an end, or GAP."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word as compared, with where it stands in the text; ``forms`` are ways it may be meant."""

    forms: frozenset[str]
    start: int
    end: int


class Patterns(tuple[Pattern, ...]):
    """Patterns that know which of them can start at a word."""

    @cached_property
    def by_first(self) -> tuple[dict[str, list[Pattern]], dict[str, list[tuple[str, Pattern]]]]:
        """(by whole first word, by the first letters of a first word that is left open)."""
        exact: dict[str, list[Pattern]] = {}
        starts: dict[str, list[tuple[str, Pattern]]] = {}
        for pattern in self:
            whole, opened = _choices(pattern[0])
            for word in whole:
                exact.setdefault(word, []).append(pattern)
            for start in opened:
                starts.setdefault(start[:INDEXED], []).append((start, pattern))
        return exact, starts

    def starting(self, word: Word) -> list[Pattern]:
        exact, starts = self.by_first
        found: list[Pattern] = []
        for form in word.forms:
            found += exact.get(form, ())
            for size in range(1, INDEXED + 1):
                found += [pattern for start, pattern in starts.get(form[:size], ()) if form.startswith(start)]
        return found


NONE = Patterns()


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
    for start, end in _sentences(said.text):
        words = words_of(said.text, start, end)
        about = said.product or _found(words, market.about.get(language, NONE)) is not None
        about = about and not said.quiet and not _is_advice(words, market, language)
        for rule in market.rules:
            held = rule.quiet if said.quiet and not rule.everywhere else rule.everywhere or about
            if rule.whole or not held or not _concerns(rule, said):
                continue
            yield from _claim(rule, said, market, language, words)
    words = words_of(said.text, 0, len(said.text))
    for rule in market.rules:
        if rule.whole and _concerns(rule, said):
            yield from _claim(rule, said, market, language, words)


def _is_advice(words: list[Word], market: Market, language: str) -> bool:
    lists = (market.conditional.get(language, NONE), market.advised.get(language, NONE))
    both = all(_found(words, each) is not None for each in lists)
    return both or _found(words, market.referred.get(language, NONE)) is not None


def _concerns(rule: Rule, said: Said) -> bool:
    return not rule.contains or said.contains is None or not rule.contains.isdisjoint(said.contains)


def _claim(rule: Rule, said: Said, market: Market, language: str, words: list[Word]) -> Iterator[Claim]:
    hidden = _covered(words, [market.innocent.get(language, NONE), *_permitted(said, market, language)])
    for first, last in matches(words, rule.says.get(language, NONE)):
        if any(at in hidden for at in (first, last)) or (
            not said.name and _denied(said.text, words, first, last, market, language)
        ):
            continue
        start, end = words[first].start, words[last].end
        yield Claim(rule, said.text[start:end], start, end)
        return


def _permitted(said: Said, market: Market, language: str) -> Iterator[Patterns]:
    for each in market.permitted:
        contains = said.contains
        if contains is not None and not each.contains.isdisjoint(contains) and each.without.isdisjoint(contains):
            yield each.says.get(language, NONE)


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
        turned = _found(between, market.turns.get(language, NONE)) is not None
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
    for each in market.needed:
        concerned = form in each.forms
        if each.contains:
            concerned = concerned or contains is None or not each.contains.isdisjoint(contains)
        if concerned and language in each.says and _found(words, each.says[language]) is None:
            yield each


# Words and patterns ----------------------------------------------------------------------------------


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for cut in _SENTENCE.finditer(text):
        if cut.start() > start:
            yield start, cut.start()
        start = cut.end()
    if start < len(text):
        yield start, len(text)


def plain(text: str) -> str:
    """As compared: no case, accents or invisible characters; Arabic letters in one form each."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold())
    bare = "".join(each for each in folded if not unicodedata.combining(each))
    return unicodedata.normalize("NFKC", bare).translate(_ARABIC).replace("’", "'")


def words_of(text: str, start: int, end: int) -> list[Word]:
    """The words of a part of a text; letters that stand one by one (p a i n) are one word."""
    clean, at = _without_invisible(text, start, end)
    found = [
        (clean[one:other], at[one], at[other - 1] + 1) for each in _WORD.finditer(clean) for one, other in _humps(each)
    ]
    words: list[Word] = []
    letters: list[tuple[str, int, int]] = []
    for piece in [*found, ("", end, end)]:
        letter = len(piece[0]) == 1 and piece[0].isalpha()
        if letter and (not letters or piece[1] - letters[-1][2] <= 1):
            letters.append(piece)
            continue
        if len(letters) > 2:
            spelled = "".join(each[0] for each in letters)
            words.append(Word(_forms(spelled), letters[0][1], letters[-1][2]))
        else:
            words += [Word(_forms(each[0]), each[1], each[2]) for each in letters]
        letters = [piece] if letter else []
        if piece[0] and not letter:
            words.append(Word(_forms(piece[0]), piece[1], piece[2]))
    return words


def _humps(found: re.Match[str]) -> Iterator[tuple[int, int]]:
    """The parts of a word such as PainRelief."""
    cuts = [0, *(each.start() for each in _CAMEL.finditer(found[0])), len(found[0])]
    for one, other in pairwise(cuts):
        yield found.start() + one, found.start() + other


def _without_invisible(text: str, start: int, end: int) -> tuple[str, list[int]]:
    """The part without invisible characters, and where each character stood."""
    kept = [at for at in range(start, end) if not _unseen(text[at])]
    return "".join(text[at] for at in kept), kept


def _unseen(character: str) -> bool:
    """Invisible, an accent of its own, or a mark of Markdown."""
    return character in "*_~`" or bool(_INVISIBLE.match(character)) or bool(unicodedata.combining(character))


def mixes_scripts(text: str) -> bool:
    """Whether a word is made of letters of different scripts, as look-alikes are ("Pаin" with a Cyrillic a)."""
    for piece in _WORD.findall(text):
        scripts = {unicodedata.name(each, "").split(" ")[0] for each in piece if each.isalpha()}
        if len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1:
            return True
    return False


def _forms(piece: str) -> frozenset[str]:
    if piece.startswith("{"):
        return frozenset({piece.strip("{} %")})
    word = plain(piece)
    forms = {word, word.removesuffix("'s")}
    if any(each.isalpha() for each in word) and any(not each.isalpha() for each in word):
        forms.add(word.translate(_LEET))
    if "\u0600" <= word[:1] <= "\u06ff":
        prefixes = [prefix for prefix in _PREFIXES if word.startswith(prefix) and len(word) > len(prefix) + 2]
        forms |= {word.removeprefix(prefix) for prefix in prefixes}
        forms |= {form.removeprefix("ال") for form in list(forms)}
    return frozenset(forms)


def _found(words: list[Word], patterns: Patterns) -> tuple[int, int] | None:
    return next(iter(matches(words, patterns)), None)


def matches(words: Sequence[Word], patterns: Patterns) -> Iterator[tuple[int, int]]:
    """(first, last word) of each place where one of the patterns stands."""
    for at, word in enumerate(words):
        for pattern in patterns.starting(word):
            last = _match(words, at, pattern)
            if last is not None:
                yield at, last


def _match(words: Sequence[Word], at: int, pattern: Pattern) -> int | None:
    """Where the pattern ends if it starts here."""
    for place, element in enumerate(pattern):
        if element == GAP:
            rest = pattern[place + 1 :]
            for skipped in range(MOST_BETWEEN + 1):
                last = _match(words, at + skipped, rest)
                if last is not None:
                    return last
            return None
        if at >= len(words) or not _fits(words[at], element):
            return None
        at += 1
    return at - 1


def _fits(word: Word, element: str) -> bool:
    exact, starts = _choices(element)
    if not exact.isdisjoint(word.forms):
        return True
    return bool(starts) and any(form.startswith(starts) for form in word.forms)


@lru_cache(maxsize=8192)
def _choices(element: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """(whole words, starts of words) that fit an element."""
    choices = element.split("|")
    return frozenset(choices), tuple(each[:-1] for each in choices if each.endswith("*"))
