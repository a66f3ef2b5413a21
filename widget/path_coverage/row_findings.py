"""Findings about mapping rows that never hold, change nothing, are shadowed by another row, or contradict one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations

import numpy as np

from widget.domain.catalog.target import names_tips
from widget.domain.content.pack import BOOST, EXCLUDE, PIN, REQUIRE
from widget.domain.engine.answers import Refused
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.evaluation import Evaluation, evaluate
from widget.domain.engine.removal import same_result, without_row
from widget.domain.engine.rules import Rules
from widget.domain.quiz.paths import TooMany
from widget.path_coverage.backward import Backward
from widget.path_coverage.findings import FindingCollector, Place, share
from widget.path_coverage.items import END, FIRST, ONLY_TIPS, PRODUCTS, SHOW, TIPS, Item, Side, side_of
from widget.path_coverage.layers import TooManyClasses, blocks
from widget.path_coverage.report import Coverage, Finding, SideRun
from widget.path_coverage.row_trials import adds, first_witnesses, where_it_matters
from widget.path_coverage.run import Answers, Run
from widget.path_coverage.sampling import Sampling
from widget.path_coverage.table import NO_ROW

FIRST_TRIES, MORE_TRIES = 12, 200
"""Number of answer sets through a row that are tried one by one, in the first and in a further attempt."""
MAX_EXACT, EXACT_CLASSES = 40, 4_000_000
"""Maximum number of rows, and of classes in total, that are explored again to prove that a row never matters."""
MAX_TRIES, MAX_WORK = 12_000, 6_000_000
MAX_PAIRS = 100


def row_findings(coverage: Coverage, rules: Rules, catalog: Catalog, gone: list[SideRun]) -> Iterator[Finding]:
    collect = FindingCollector(coverage.pack)
    groups = {item.side.group: item for item in gone}
    tries, unjudged = min(MAX_TRIES, MAX_WORK // max(1, len(coverage.pack.mappings))), 0
    exact_left = min(MAX_EXACT, EXACT_CLASSES // max(1, 2 * coverage.classes))
    _look_at_all(coverage, gone, tries)
    for index, row in enumerate(coverage.pack.mappings):
        where: Place = ("mappings.csv", index)
        group = groups[TIPS if names_tips(row.target) else PRODUCTS]
        if not coverage.rows[row.id] and (group.exact or not _alone(rules, catalog, index)):
            message = f"row '{row.id}' never matches where it could have an effect: no answers fit '{row.when}'"
            yield from collect("row_never_matches", where, message)
            continue
        if tries <= 0:
            unjudged += 1
            continue
        met, different = _tried(coverage, group.backward, rules, catalog, index)
        tries -= len(met) + different
        if different:
            continue
        certain = exact_left > 0 and group.exact
        if certain:
            exact_left -= 1
            try:
                witness = _witness(rules, catalog, group.side, index)
            except TooManyClasses:
                certain = False
            else:
                if witness:
                    coverage.witnesses[row.id] = witness
                    continue
        yield from _idle_row(collect, rules, index, met, coverage.rows[row.id], certain)
    if unjudged:
        message = f"{unjudged} rows were not tried: whether they change anything is unknown"
        yield from collect("rows_not_tried", ("mappings.csv",), message)
    yield from contradictions(coverage, rules, catalog)


def _look_at_all(coverage: Coverage, gone: list[SideRun], most: int) -> None:
    """Find witnesses for rows that have none yet by trying some paths through each; up to ``most`` rows per group."""
    rows = coverage.pack.mappings
    for entry in gone:
        if not isinstance(entry.backward, Backward):
            continue
        items = [(number, item.row) for number, (_, item) in enumerate(entry.backward.layout.items) if item.row >= 0]
        wanted = {number: rows[row].id for number, row in items if rows[row].id not in coverage.witnesses}
        for number, answers in first_witnesses(entry.backward, list(wanted)[:most]).items():
            coverage.witnesses[wanted[number]] = answers


def _alone(rules: Rules, catalog: Catalog, index: int) -> int:
    """Return the number of paths on which a row holds, counted exactly by exploring this row alone."""
    try:
        return together(rules, catalog, (index,))[0]
    except (TooMany, TooManyClasses):
        return 1  # Unknown: do not report that the row never holds.


def _tried(
    coverage: Coverage, backward: Backward | Sampling, rules: Rules, catalog: Catalog, index: int
) -> tuple[list[Evaluation], bool]:
    """Return the evaluations that removing the row did not change, and whether there is one that it does change."""
    row = rules.pack.mappings[index].id
    item = next(at for at, (_, item) in enumerate(backward.layout.items) if item.row == index)
    met: list[Evaluation] = []
    known = coverage.witnesses.pop(row, None)
    tries = [iter([known] if known else ())]
    adding = backward if isinstance(backward, Backward) and adds(backward, item) else None
    if adding:
        tries.append(where_it_matters(adding, item))
    tries.append(backward.answers_through(item, most=FIRST_TRIES))
    if not adding or rules.picks or rules.exclusion_bits:  # These may shadow the row.
        tries.append(backward.answers_through(item, most=MORE_TRIES, seed=1))
    for answers in chain.from_iterable(tries):
        try:
            found = evaluate(rules, catalog, answers)
        except Refused:
            continue  # A witness of an earlier version of the quiz.
        if not same_result(found, without_row(found, index)):
            coverage.witnesses[row] = answers
            return met, True
        met.append(found)
    return met, False


def _witness(rules: Rules, catalog: Catalog, side: Side, index: int) -> Answers | None:
    """Return answers for which the result differs without the row; None if it is the same on every path.

    Raises TooManyClasses where not every path can be explored.
    """
    pack = rules.pack
    less = Rules(replace(pack, mappings=pack.mappings[:index] + pack.mappings[index + 1 :]))
    other = side_of(less, Catalog(less, feed=catalog.feed, blocked=catalog.blocked), side.group)
    for terms in pack.mappings[index].when.clauses:
        run = Run([side, other], within=terms)  # The row does not hold on other paths.
        witness = run.first_difference()
        if witness is not None:
            return witness
    return None


def _idle_row(
    collect: FindingCollector, rules: Rules, index: int, met: list[Evaluation], paths: int, certain: bool
) -> Iterator[Finding]:
    row, where = rules.pack.mappings[index], ("mappings.csv", index)
    hedge = "" if certain else " (in a sample)"
    example = _answers(met[0]) if met else None
    shadow = _in_shadow_of(rules, index, met)
    if shadow:
        message = f"row '{row.id}' matches, but '{shadow}' takes precedence wherever it was tried{hedge}"
        yield from collect("row_shadowed", where, message, example, paths)
    elif row.reason and row.effect in (BOOST, PIN) and row.weight >= 0:
        message = f"row '{row.id}' provides a reason, but never changes what is shown{hedge}"
        yield from collect("row_gives_reasons_only", where, message, example, paths)
    else:
        message = f"row '{row.id}' matches, but never changes what is shown{hedge}"
        yield from collect("row_changes_nothing", where, message, example, paths)


def _answers(found: Evaluation) -> Answers:
    ways = zip(found.rules.askings, found.walk.ways, strict=True)
    given = {asking.id: way.chosen for asking, way in ways if way.chosen}
    order = {asking.id: asking.question.option_ids for asking in found.rules.askings}
    listed = {name: [option for option in order[name] if option in chosen] for name, chosen in given.items()}
    return {name: chosen for name, chosen in listed.items() if chosen}


def _in_shadow_of(rules: Rules, index: int, met: list[Evaluation]) -> str | None:
    """Return the id of a row that decided about this row's targets first, wherever this row matched; else None.

    Such a row (or safety exclusion) excludes all of the targets, pins them earlier, requires none of them, or, if this
    is a require row, requires only some or all of them.
    """
    row = rules.pack.mappings[index]
    entities = rules.entities(row.target)
    common: set[str] | None = None
    for found in met:
        here = {exclusion.id for exclusion, out in found.exclusions if entities & ~out == 0}
        for pick in found.picks:
            if pick.index == index:
                continue
            if names_tips(pick.row.target) != names_tips(row.target):
                continue
            takes_out = pick.row.effect == EXCLUDE and entities & ~pick.entities == 0
            leaves_out = pick.row.effect == REQUIRE and not entities & pick.entities
            ahead = pick.row.effect == PIN == row.effect and pick.index < index and entities & ~pick.entities == 0
            same_demand = pick.row.effect == REQUIRE == row.effect and pick.entities & ~entities == 0
            if takes_out or leaves_out or ahead or same_demand:
                here.add(pick.row.id)
        common = here if common is None else common & here
    return min(common) if common else None


# Contradictions --------------------------------------------------------------------------------------


def contradictions(coverage: Coverage, rules: Rules, catalog: Catalog) -> Iterator[Finding]:
    """Yield findings about two rows that hold on the same path and together leave nothing.

    Such a pair is a require row with an exclude row or with another require row.
    """
    collect = FindingCollector(coverage.pack)
    rows = coverage.pack.mappings
    named = {at: rules.entities(row.target) for at, row in enumerate(rows) if row.effect in (REQUIRE, EXCLUDE)}
    demands = [at for at in named if rows[at].effect == REQUIRE]
    pairs = chain(combinations(demands, 2), ((at, other) for at in demands for other in named if other not in demands))
    looked = 0
    for one, other in pairs:
        both = {rows[one].effect, rows[other].effect}
        demand, second = (one, other) if rows[one].effect == REQUIRE else (other, one)
        against = both == {REQUIRE, EXCLUDE}
        clash = not named[demand] & ~named[second] if against else not named[demand] & named[second]
        if not clash or not named[demand] or not named[second]:
            continue
        looked += 1
        if looked > MAX_PAIRS:
            message = f"more than {MAX_PAIRS} pairs of rows require and exclude the same: only the first were checked"
            yield from collect("rows_not_tried", ("mappings.csv", demand), message)
            return
        try:
            paths, example = together(rules, catalog, (demand, second))
        except (TooMany, TooManyClasses):
            continue
        if paths:
            what = (
                "excludes everything that the first requires" if against else "requires something else: nothing is left"
            )
            pair = f"row '{rows[demand].id}' and row '{rows[second].id}'"
            message = f"{pair} both match on {share(paths, coverage.paths)}, and the second {what}"
            code = "rows_contradict" if against else "requires_empty"
            yield from collect(code, ("mappings.csv", demand), message, example, paths)


def together(rules: Rules, catalog: Catalog, rows: tuple[int, ...]) -> tuple[int, Answers | None]:
    """Return the number of paths on which all these rows hold and can have an effect, and an example.

    Exact, since only these rows and the control conditions are tracked.
    """
    group = TIPS if names_tips(rules.pack.mappings[rows[0]].target) else PRODUCTS
    side = side_of(rules, catalog, group)
    steering = [item for item in side.items if item.kind in (SHOW, END, ONLY_TIPS)]
    gates = [Item(FIRST, rules.pack.mappings[row].when, at) for at, row in enumerate(rows)]
    run = Run([Side(rules, catalog, group, (), (*steering, *gates), ((),) * len(rows))])
    bits = [run.layout.pin_bits[0, at] for at in range(len(rows))]
    paths, example = 0, None
    for at, states in blocks(run.walked):
        held = np.ones(len(states.triage[0]), dtype=bool) if group == TIPS else states.triage[0] == NO_ROW
        for bit in bits:
            held &= (states.words[bit // 64] >> np.uint64(bit % 64) & np.uint64(1)).astype(bool)
        counts = run.walked.counts[at : at + len(held)][held]
        paths += int(counts.sum()) * run.walked.factor
        if example is None and held.any():
            example = run.example(at + int(np.flatnonzero(held)[0]))
    return paths, example
