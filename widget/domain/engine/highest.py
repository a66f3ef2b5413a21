"""The highest score a product can reach on any answer path, for the match in percent.

Scores are sums over rows, and each row looks at a few questions, so the maximum is found by variable
elimination: take one question at a time, keep for each combination of the questions it shares rows with the best
that it can add, and forget it. Exact as long as the tables stay small; beyond TABLE_LIMIT a search from several
starts gives a lower bound (content check says so).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, combinations, product
from math import prod

from widget.domain.condition import WAS_SKIPPED, Chosen, Condition, Term
from widget.domain.engine.rules import Rules
from widget.domain.quiz import MULTI, Question

TABLE_LIMIT = 200_000
KINDS_LIMIT = 14
_IMPOSSIBLE = -(10**9)

Table = tuple[tuple[str, ...], dict[tuple[int, ...], int]]


class Highest:
    """Highest scores by product, worked out when first asked for, or given from when it was published."""

    def __init__(self, rules: Rules, known: dict[str, int] | None = None) -> None:
        self._rules = rules
        self._known = dict(known or {})

    def __getitem__(self, sku: str) -> int:
        if sku not in self._known:
            self._known[sku] = highest_score(self._rules, sku)[0]
        return self._known[sku]

    def all(self) -> dict[str, int]:
        return {product.sku: self[product.sku] for product in self._rules.products}


def highest_score(rules: Rules, sku: str) -> tuple[int, bool]:
    """(the highest score of this product on any path without early ends, whether that is exact)."""
    place = rules.place[sku]
    rows = [(row.when, row.weight) for pos, (_, row) in enumerate(rules.boost_rows) if rules.names(pos) >> place & 1]
    constant = sum(weight for when, weight in rows if when.always)
    rows = [(when, weight) for when, weight in rows if not when.always]
    questions = _involved(rules, [when for when, _ in rows])
    terms = [term for when, _ in rows for term in when.terms()]
    terms += [term for question in questions for term in question.show_if.terms()]
    ways = {q.id: representatives(q, [term for term in terms if term.field == q.id]) for q in questions}
    rules_of_showing = [_showing(question, ways) for question in questions]
    scores = [_scoring(when, weight, ways) for when, weight in rows]
    best = _eliminate([*rules_of_showing, *scores], {name: len(each) for name, each in ways.items()})
    if best is not None:
        return constant + best, True
    return constant + _search(questions, rows, ways), False


def representatives(question: Question, terms: Iterable[Term]) -> list[Chosen]:
    """One way of answering for each combination of truths of the terms; None (not asked) comes first."""
    asked = list(dict.fromkeys(term for term in terms))
    found: dict[tuple[bool, ...], Chosen] = {}
    for chosen in _ways(question, asked):
        found.setdefault(tuple(term.holds(chosen) for term in asked), chosen)
    return [None, *found.values()]


def _ways(question: Question, terms: list[Term]) -> Iterable[Chosen]:
    if question.optional:
        yield WAS_SKIPPED
    if question.kind != MULTI:
        yield from (frozenset({each}) for each in question.option_ids)
        return
    yield from (frozenset({each}) for each in question.option_ids if each in question.only_ids)
    kinds: dict[tuple[bool, ...], list[str]] = {}
    for option in question.option_ids:
        if option not in question.only_ids:
            kinds.setdefault(tuple(option in term.values for term in terms), []).append(option)
    yield from _mixtures(question, list(kinds.values())[:KINDS_LIMIT])


def _mixtures(question: Question, kinds: list[list[str]]) -> Iterable[Chosen]:
    """For each set of kinds of options, one choice that has exactly these kinds and keeps to min and max."""
    for some in chain.from_iterable(combinations(kinds, size) for size in range(1, len(kinds) + 1)):
        chosen = [kind[0] for kind in some]
        spare = [option for kind in some for option in kind[1:]]
        chosen += spare[: max(0, question.least - len(chosen))]
        if question.least <= len(chosen) <= question.most:
            yield frozenset(chosen)


def _involved(rules: Rules, conditions: list[Condition]) -> list[Question]:
    """The questions that the conditions look at, and those that decide whether these are asked."""
    by_id = rules.pack.quiz.by_id
    wanted: set[str] = set()
    fresh = {field for when in conditions for field in when.fields()}
    while fresh:
        wanted |= fresh
        fresh = {field for name in fresh for field in by_id[name].show_if.fields()} - wanted
    return [question for question in rules.pack.quiz.questions if question.id in wanted]


def _table(scope: Iterable[str], ways: dict[str, list[Chosen]], value: Callable[[dict[str, Chosen]], int]) -> Table:
    names = tuple(sorted(scope))
    cells = {}
    for places in product(*(range(len(ways[name])) for name in names)):
        cells[places] = value({name: ways[name][place] for name, place in zip(names, places, strict=True)})
    return names, cells


def _showing(question: Question, ways: dict[str, list[Chosen]]) -> Table:
    def allowed(answers: dict[str, Chosen]) -> int:
        asked = question.show_if.holds(answers)
        return 0 if asked == (answers[question.id] is not None) else _IMPOSSIBLE

    return _table({question.id} | question.show_if.fields(), ways, allowed)


def _scoring(when: Condition, weight: int, ways: dict[str, list[Chosen]]) -> Table:
    return _table(when.fields(), ways, lambda answers: weight if when.holds(answers) else 0)


def _eliminate(tables: list[Table], sizes: dict[str, int]) -> int | None:
    """The maximum of the sum of all tables, or None when a table would grow over the limit."""
    left = set(sizes)
    while left:
        scopes = {name: {n for names, _ in tables if name in names for n in names} | {name} for name in left}
        name = min(sorted(left), key=lambda each: prod(sizes[n] for n in scopes[each]))
        if prod(sizes[n] for n in scopes[name]) > TABLE_LIMIT:
            return None
        mine = [table for table in tables if name in table[0]]
        tables = [table for table in tables if name not in table[0]]
        tables.append(_without(name, tuple(sorted(scopes[name])), mine, sizes))
        left.remove(name)
    return sum(cells[()] for _, cells in tables)


def _without(name: str, scope: tuple[str, ...], tables: list[Table], sizes: dict[str, int]) -> Table:
    rest = tuple(each for each in scope if each != name)
    picked = [(tuple(scope.index(each) for each in names), cells) for names, cells in tables]
    kept = [scope.index(each) for each in rest]
    best: dict[tuple[int, ...], int] = {}
    for places in product(*(range(sizes[each]) for each in scope)):
        value = sum(cells[tuple(places[i] for i in indexes)] for indexes, cells in picked)
        key = tuple(places[i] for i in kept)
        if value > best.get(key, 10 * _IMPOSSIBLE):
            best[key] = value
    return rest, best


def _search(questions: list[Question], rows: list[tuple[Condition, int]], ways: dict[str, list[Chosen]]) -> int:
    """Climb from each answer to the first question, changing one answer at a time while that helps."""

    def score(answers: dict[str, Chosen]) -> int:
        shown: dict[str, Chosen] = {}
        for question in questions:
            shown[question.id] = answers[question.id] if question.show_if.holds(shown) else None
        return sum(weight for when, weight in rows if when.holds(shown))

    best = _IMPOSSIBLE
    for start in ways[questions[0].id][1:]:
        answers = {question.id: ways[question.id][1] for question in questions} | {questions[0].id: start}
        reached, improved = score(answers), True
        while improved:
            improved = False
            for question in questions:
                for way in ways[question.id][1:]:
                    tried = score(answers | {question.id: way})
                    if tried > reached:
                        answers[question.id], reached, improved = way, tried, True
        best = max(best, reached)
    return best
