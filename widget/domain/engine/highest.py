"""The highest score a product can reach on any answer path, for the match percentage.

Scores are sums over rows. Rows on a single question are handled question by question; rows on several questions are
maximized by variable elimination: for one question at a time, keep the best score it can add for each combination of
answers to the questions it shares rows with, and drop the question. The result is exact as long as the tables stay
small; beyond that, bounded hill climbing from several starting points gives a lower bound, which ``content check``
reports as a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from operator import itemgetter
from typing import Any

from widget.domain.engine.rules import Rules
from widget.domain.quiz.condition import Chosen, Condition
from widget.domain.quiz.paths import TooMany, representatives
from widget.domain.quiz.questions import Question

TABLE_LIMIT = 200_000
MAX_TRIES = 20_000
_IMPOSSIBLE = -(10**9)

Row = tuple[Condition, int]
Ways = dict[str, list[tuple[Chosen, int]]]
Table = tuple[tuple[str, ...], dict[tuple[int, ...], int]]


class Highest:
    """Highest scores by SKU, computed on first use or passed in as computed when the version was published."""

    def __init__(self, rules: Rules, known: Mapping[str, int] | None = None) -> None:
        self._rules = rules
        self._known = dict(known or {})

    def __getitem__(self, sku: str) -> int:
        if sku not in self._known:
            self._known[sku] = highest_score(self._rules, sku)[0]
        return self._known[sku]

    def all(self) -> dict[str, int]:
        return {product.sku: self[product.sku] for product in self._rules.products}


def highest_score(rules: Rules, sku: str) -> tuple[int, bool]:
    """Return the highest score of this product on any path, ignoring early ends, and whether it is exact."""
    place = rules.place[sku]
    rows = [(row.when, row.weight) for at, (_, row) in enumerate(rules.boosts.rows) if rules.names(at) >> place & 1]
    constant = sum(weight for when, weight in rows if when.always)
    rows = [(when, weight) for when, weight in rows if not when.always]
    questions = _involved(rules, [when for when, _ in rows])
    best, exact = _highest(tuple(questions), tuple(rows))
    return constant + best, exact


@lru_cache(maxsize=512)
def _highest(questions: tuple[Question, ...], rows: tuple[Row, ...]) -> tuple[int, bool]:
    """Return the highest sum of the rows on any path, and whether it is exact.

    Cached, so that two versions share the results that an edit did not affect.
    """
    try:
        best = _eliminate(*_tables(questions, rows))
    except TooMany:
        best = None
    return (_climb(questions, rows), False) if best is None else (best, True)


def _tables(questions: Sequence[Question], rows: Sequence[Row]) -> tuple[list[Table], dict[str, int]]:
    """Return the tables to add up, and the number of ways of answering each question. Raises TooMany."""
    joint = [(when, weight) for when, weight in rows if len(when.fields()) > 1]
    conditions = [when for when, _ in joint] + [question.show_if for question in questions]
    terms = [term for condition in conditions for term in condition.terms()]
    ways: Ways = {}
    for question in questions:
        own = [(when, weight) for when, weight in rows if when.fields() == {question.id}]
        mine = [term for term in terms if term.field == question.id]
        own_terms = [term for when, _ in own for term in when.terms()]
        ways[question.id] = representatives(question, mine, _worth(question.id, own), own_terms)
    tables: list[Table] = [((name,), {(at,): worth for at, (_, worth) in enumerate(way)}) for name, way in ways.items()]
    tables += [_showing(question, ways) for question in questions]
    tables += [_scoring(when, weight, ways) for when, weight in joint]
    return tables, {name: len(way) for name, way in ways.items()}


def _worth(name: str, rows: list[Row]) -> Callable[[Chosen], int]:
    """Return a function from an answer to this question to the sum of the matching rows on this question alone."""
    return lambda chosen: sum(weight for when, weight in rows if when.holds({name: chosen}))


def _involved(rules: Rules, conditions: list[Condition]) -> list[Question]:
    """Return the questions that the conditions refer to, and those that decide whether these are asked."""
    by_id = rules.pack.quiz.by_id
    wanted: set[str] = set()
    fresh = {field for when in conditions for field in when.fields()}
    while fresh:
        wanted |= fresh
        fresh = {field for name in fresh for field in by_id[name].show_if.fields()} - wanted
    return [question for question in rules.pack.quiz.questions if question.id in wanted]


def _table(scope: Iterable[str], ways: Ways, value: Callable[[dict[str, Chosen]], int]) -> Table:
    names = tuple(sorted(scope))
    if prod(len(ways[name]) for name in names) > TABLE_LIMIT:
        raise TooMany(" & ".join(names))
    cells = {}
    for places in product(*(range(len(ways[name])) for name in names)):
        cells[places] = value({name: ways[name][at][0] for name, at in zip(names, places, strict=True)})
    return names, cells


def _showing(question: Question, ways: Ways) -> Table:
    def allowed(answers: dict[str, Chosen]) -> int:
        asked = question.show_if.holds(answers)
        return 0 if asked == (answers[question.id] is not None) else _IMPOSSIBLE

    return _table({question.id} | question.show_if.fields(), ways, allowed)


def _scoring(when: Condition, weight: int, ways: Ways) -> Table:
    return _table(when.fields(), ways, lambda answers: weight if when.holds(answers) else 0)


def _eliminate(tables: list[Table], sizes: dict[str, int]) -> int | None:
    """Return the maximum of the sum of all tables, or None if a table would exceed the limit."""
    left = set(sizes)
    while left:
        scopes = {name: {n for names, _ in tables if name in names for n in names} | {name} for name in left}
        name = min(sorted(left), key=lambda item: prod(sizes[n] for n in scopes[item]))
        if prod(sizes[n] for n in scopes[name]) > TABLE_LIMIT:
            return None
        mine = [table for table in tables if name in table[0]]
        tables = [table for table in tables if name not in table[0]]
        tables.append(_without(name, tuple(sorted(scopes[name])), mine, sizes))
        left.remove(name)
    return sum(cells[()] for _, cells in tables)


def _without(name: str, scope: tuple[str, ...], tables: list[Table], sizes: dict[str, int]) -> Table:
    """Eliminate a question: return a table over the rest of the scope with the maximum sum of the given tables."""
    rest = tuple(item for item in scope if item != name)
    rows = [_by_rest(name, rest, table, sizes[name]) for table in tables]
    every = list(product(*(range(sizes[item]) for item in rest)))
    columns = [map(row.__getitem__, map(pick, every)) for pick, row in rows]
    cells = zip(*columns, strict=True)
    return rest, {at: max(map(sum, zip(*item, strict=True))) for at, item in zip(every, cells, strict=True)}


def _by_rest(name: str, rest: tuple[str, ...], table: Table, size: int) -> tuple[Callable[[Any], Any], Any]:
    """Return a getter that picks a table's key from places on ``rest``, and, by key, a list of cells.

    The list is indexed by the way of answering the question ``name``.
    """
    names, cells = table
    at = names.index(name)
    indexes = tuple(rest.index(item) for item in names if item != name)
    rows: dict[Any, list[int]] = {}
    for key, value in cells.items():
        others = key[:at] + key[at + 1 :]
        rows.setdefault(others[0] if len(others) == 1 else others, [0] * size)[key[at]] = value
    return (itemgetter(*indexes) if indexes else lambda _: ()), rows


def _climb(questions: Sequence[Question], rows: Sequence[Row]) -> int:
    """Change one answer at a time while the score improves, from several starting points, up to MAX_TRIES trials."""
    choices = {question.id: _simple_ways(question) for question in questions}
    tries = 0
    best = _IMPOSSIBLE
    for start in range(max(map(len, choices.values()))):
        answers = {name: choice[start % len(choice)] for name, choice in choices.items()}
        reached, improved = _score(questions, rows, answers), True
        while improved and tries < MAX_TRIES:
            improved = False
            for name, way in ((name, way) for name, choice in choices.items() for way in choice):
                tries += 1
                tried = _score(questions, rows, answers | {name: way})
                if tried > reached:
                    answers[name], reached, improved = way, tried, True
        best = max(best, reached)
    return best


def _simple_ways(question: Question) -> list[Chosen]:
    """Return a few ways of answering: each option with as few others as min requires, and as many as max allows."""
    free = [option for option in question.option_ids if option not in question.only_ids]
    ways: list[Chosen] = [frozenset([o, *[item for item in free if item != o]][: question.least]) for o in free]
    ways += [frozenset({only_id}) for only_id in question.only_ids] + [frozenset(free[: question.most])]
    return list(dict.fromkeys(ways))


def _score(questions: Sequence[Question], rows: Sequence[Row], answers: Mapping[str, Chosen]) -> int:
    shown: dict[str, Chosen] = {}
    for question in questions:
        shown[question.id] = answers[question.id] if question.show_if.holds(shown) else None
    return sum(weight for when, weight in rows if when.holds(shown))
