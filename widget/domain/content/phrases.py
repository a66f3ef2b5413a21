"""Word patterns, matched in normalized text so that spelling tricks cannot hide a word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

GAP = "…"
MAX_BETWEEN = 6
INDEXED = 3
MAX_WORDS, LONG = 16_384, 64
"""Maximum number of cached words, and the longest word that is cached, in characters."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|\{\{[^}]*\}\}|\{%[^%]*%\}")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069\u0640]")
_MARKS = re.compile(r"[*_~`]")
_LEET = str.maketrans({"1": "i", "3": "e", "0": "o", "@": "a", "$": "s", "4": "a", "5": "s"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ARABIC = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي"})
_PREFIXES = ("وال", "فال", "بال", "كال", "لل", "ال", "و", "ف", "ب", "ك", "ل", "س")

Pattern = tuple[str, ...]
"""The elements of a pattern: words, with alternatives joined by ``|`` and ``*`` for any ending, or GAP."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its position in the text; ``forms`` are the normalized spellings it may stand for."""

    forms: frozenset[str]
    start: int
    end: int


class Patterns(tuple[Pattern, ...]):
    """Patterns, indexed by their first word."""

    @cached_property
    def by_first(self) -> tuple[dict[str, list[Pattern]], dict[str, list[tuple[str, Pattern]]]]:
        """The patterns by complete first word, and by the first characters of a first word with an open ending."""
        exact: dict[str, list[Pattern]] = {}
        starts: dict[str, list[tuple[str, Pattern]]] = {}
        for pattern in self:
            whole, opened = _choices(pattern[0])
            for word in whole:
                exact.setdefault(word, []).append(pattern)
            for start in opened:
                starts.setdefault(start[:INDEXED], []).append((start, pattern))
        return exact, starts

    @cached_property
    def _known(self) -> dict[frozenset[str], list[Pattern]]:
        return {}

    def starting(self, word: Word) -> list[Pattern]:
        """Return the patterns that may start with a word; the same few thousand words are asked for again and again."""
        known = self._known.get(word.forms)
        if known is None:
            known = self._starting(word.forms)
            if len(self._known) >= MAX_WORDS:
                self._known.clear()
            if word.end - word.start <= LONG:
                self._known[word.forms] = known
        return known

    def _starting(self, forms: frozenset[str]) -> list[Pattern]:
        exact, starts = self.by_first
        found: list[Pattern] = []
        for form in forms:
            found += exact.get(form, ())
            for size in range(1, INDEXED + 1):
                found += [pattern for start, pattern in starts.get(form[:size], ()) if form.startswith(start)]
        return found


NONE = Patterns()


class Starts:
    """An index over several lists of patterns: which lists have a pattern that starts with a given word."""

    def __init__(self, lists: Sequence[Patterns]) -> None:
        self._exact: dict[str, set[int]] = {}
        self._opened: dict[str, list[tuple[str, int]]] = {}
        for number, patterns in enumerate(lists):
            exact, starts = patterns.by_first
            for word in exact:
                self._exact.setdefault(word, set()).add(number)
            for first, opened in starts.items():
                self._opened.setdefault(first, []).extend((start, number) for start, _ in opened)
        self._met: dict[frozenset[str], frozenset[int]] = {}

    def of(self, words: Iterable[Word]) -> set[int]:
        """Return the numbers of the lists with a pattern that starts with one of the words."""
        return set().union(*map(self._of, words))

    def _of(self, word: Word) -> frozenset[int]:
        known = self._met.get(word.forms)
        if known is None:
            known = self._lists_of(word.forms)
            if len(self._met) >= MAX_WORDS:
                self._met.clear()
            if word.end - word.start <= LONG:
                self._met[word.forms] = known
        return known

    def _lists_of(self, forms: frozenset[str]) -> frozenset[int]:
        found: set[int] = set()
        for form in forms:
            found |= self._exact.get(form, set())
            for size in range(1, INDEXED + 1):
                found.update(number for start, number in self._opened.get(form[:size], ()) if form.startswith(start))
        return frozenset(found)


NOTHING = Starts([])


def plain(text: str) -> str:
    """Normalize text for comparison: no case, accents, or invisible characters; one form of each Arabic letter."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold())
    bare = "".join(item for item in folded if not unicodedata.combining(item))
    return unicodedata.normalize("NFKC", bare).translate(_ARABIC).replace("’", "'")


def words_of(text: str, start: int, end: int) -> list[Word]:
    """Return the words of ``text[start:end]``; a run of single letters (p a i n) counts as one word."""
    clean, at = _without_invisible(text, start, end)
    found = [
        (clean[one:other], at[one], at[other - 1] + 1)
        for match in _WORD.finditer(clean)
        for one, other in _humps(match)
    ]
    words: list[Word] = []
    letters: list[tuple[str, int, int]] = []
    for piece in [*found, ("", end, end)]:
        single = len(piece[0]) == 1 and piece[0].isalpha()
        if single and (not letters or piece[1] - letters[-1][2] <= 1):
            letters.append(piece)
            continue
        if len(letters) > 2:
            spelled = "".join(item[0] for item in letters)
            words.append(Word(_forms(spelled), letters[0][1], letters[-1][2]))
        else:
            words += [Word(_forms(item[0]), item[1], item[2]) for item in letters]
        letters = [piece] if single else []
        if piece[0] and not single:
            words.append(Word(_forms(piece[0]), piece[1], piece[2]))
    return words


def _humps(found: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each part of a camel-case word such as PainRelief."""
    if found[0].islower():  # Most words are, and the search takes longer than this look.
        yield found.start(), found.end()
        return
    cuts = [0, *(match.start() for match in _CAMEL.finditer(found[0])), len(found[0])]
    for one, other in pairwise(cuts):
        yield found.start() + one, found.start() + other


def _without_invisible(text: str, start: int, end: int) -> tuple[str, Sequence[int]]:
    """Return ``text[start:end]`` without invisible characters, and the original position of each character."""
    part = text[start:end]
    if part.isascii() and not _MARKS.search(part):
        return part, range(start, end)
    kept = [at for at in range(start, end) if not _unseen(text[at])]
    return "".join(text[at] for at in kept), kept


@lru_cache(maxsize=4096)
def _unseen(character: str) -> bool:
    """Return whether a character is invisible, a combining accent, or Markdown markup."""
    return bool(_MARKS.match(character)) or bool(_INVISIBLE.match(character)) or bool(unicodedata.combining(character))


def mixes_scripts(text: str) -> bool:
    """Return whether a word mixes scripts, as look-alike spellings do ("Pаin" with a Cyrillic a)."""
    for piece in _WORD.findall(text):
        scripts = {unicodedata.name(item, "").split(" ")[0] for item in piece if item.isalpha()}
        if len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1:
            return True
    return False


def _forms(piece: str) -> frozenset[str]:
    return _known_forms(piece) if len(piece) <= LONG else _made_forms(piece)


def _made_forms(piece: str) -> frozenset[str]:
    if piece.startswith("{"):
        return frozenset({piece.strip("{} %")})
    word = plain(piece)
    forms = {word, word.removesuffix("'s")}
    if any(item.isalpha() for item in word) and any(not item.isalpha() for item in word):
        forms.add(word.translate(_LEET))
    if "\u0600" <= word[:1] <= "\u06ff":
        prefixes = [prefix for prefix in _PREFIXES if word.startswith(prefix) and len(word) > len(prefix) + 2]
        forms |= {word.removeprefix(prefix) for prefix in prefixes}
        forms |= {form.removeprefix("ال") for form in list(forms)}
    return frozenset(forms)


_known_forms = lru_cache(maxsize=MAX_WORDS)(_made_forms)


def found(words: Sequence[Word], patterns: Patterns) -> tuple[int, int] | None:
    return next(iter(matches(words, patterns)), None)


def matches(words: Sequence[Word], patterns: Patterns) -> Iterator[tuple[int, int]]:
    """Yield the indexes of the first and last word of each match of a pattern."""
    for at, word in enumerate(words):
        for pattern in patterns.starting(word):
            last = _match(words, at, pattern)
            if last is not None:
                yield at, last


def _match(words: Sequence[Word], at: int, pattern: Pattern) -> int | None:
    """Return the index of the last word if the pattern matches at ``at``, else None."""
    for place, element in enumerate(pattern):
        if element == GAP:
            rest = pattern[place + 1 :]
            for skipped in range(MAX_BETWEEN + 1):
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
    """Return the whole words and the word prefixes that match a pattern element."""
    choices = element.split("|")
    return frozenset(choices), tuple(choice[:-1] for choice in choices if choice.endswith("*"))
