"""The trace: why each row matched, and why each product and tip is or is not shown.

The console, the CLI, and tests use the same trace.
"""

from __future__ import annotations

from itertools import compress
from typing import Any

from widget.domain.content.pack import ENDS_EARLY, EXCLUDE, HIDE, PRODUCTS, REQUIRE
from widget.domain.engine.evaluation import Evaluation


def kept_out(found: Evaluation, place: int) -> dict[str, Any] | None:
    """Return the reason a product is not shown, the first in the order of the steps; None if it is shown.

    ``{"by": code, "row"?: id}`` with code one of ended_early, tips_only, inactive, blocked, certificate, safety,
    live_safety, exclude, require, out_of_stock, score, variant, slot.
    """
    if any(shown.place == place for shown in found.shown):
        return None
    if found.outcome in ENDS_EARLY and found.triage:
        return {"by": "ended_early", "row": found.triage.id}
    barred = _barred(found, place)
    if barred:
        return barred
    if found.triage:
        return {"by": "tips_only", "row": found.triage.id}
    in_stock = found.catalog.in_stock >> place & 1
    if not in_stock and found.rules.pack.result.stock == HIDE:
        return {"by": "out_of_stock"}
    if place not in found.ranked:
        return {"by": "score"}
    group = found.catalog.groups[place]
    if group is not None and any(found.catalog.groups[shown.place] == group for shown in found.shown):
        return {"by": "variant"}
    return {"by": "slot"}


def _barred(found: Evaluation, place: int) -> dict[str, Any] | None:
    catalog, bit = found.catalog, 1 << place
    for code, allowed in (
        ("inactive", catalog.active),
        ("blocked", catalog.free),
        ("certificate", catalog.certified),
    ):
        if not allowed & bit:
            return {"by": code}
    for row, entities in found.exclusions:
        if entities & bit:
            return {"by": "safety", "row": row.id}
    if found.screened_out & bit:
        return {"by": "live_safety"}
    for pick in sorted(found.picks, key=lambda pick: pick.index):
        if pick.row.effect == EXCLUDE and pick.entities & bit:
            return {"by": "exclude", "row": pick.row.id}
        if pick.row.effect == REQUIRE and not pick.entities & bit:
            return {"by": "require", "row": pick.row.id}
    return None


def trace(found: Evaluation) -> dict[str, Any]:
    """Return every decision as plain data.

    The data contains the answers, rows, scores, products, and tips, with the reason why a product or tip is not shown.
    """
    rules = found.rules
    matched = sorted(
        [index for index, _ in compress(rules.boosts.rows, found.boosted)] + [p.index for p in found.picks]
    )
    chosen = {
        asking.id: sorted(way.chosen)
        for asking, way in zip(rules.askings, found.walk.ways, strict=True)
        if way.chosen is not None
    }
    return {
        "outcome": found.outcome,
        "triage": found.triage.id if found.triage else None,
        "asked": chosen,
        "exclusions": [row.id for row, _ in found.exclusions],
        "rows": [rules.pack.mappings[index].id for index in matched],
        "products": [_product(found, place) for place in range(len(rules.products))],
        "tips": [_tip(found, place) for place in rules.tip_place.values()],
    }


def _product(found: Evaluation, place: int) -> dict[str, Any]:
    at = [index for index, shown in enumerate(found.shown) if shown.place == place]
    return {
        "sku": found.rules.products[place].sku,
        "score": found.scores[place] if found.scores else None,
        "rows": _rows(found, place),
        "pinned": place in found.pinned,
        "shown": at[0] + 1 if at else None,
        "slot": found.shown[at[0]].slot if at else None,
        "kept_out": kept_out(found, place),
    }


def _tip(found: Evaluation, place: int) -> dict[str, Any]:
    return {
        "id": found.rules.tips[place - len(found.rules.products)].id,
        "score": found.scores[place] if found.scores else None,
        "rows": _rows(found, place),
        "shown": found.tips.index(place) + 1 if place in found.tips else None,
        "kept_out": _barred_tip(found, place),
    }


def _barred_tip(found: Evaluation, place: int) -> dict[str, Any] | None:
    if place in found.tips:
        return None
    if found.outcome in ENDS_EARLY and found.triage:
        return {"by": "ended_early", "row": found.triage.id}
    for row, entities in found.exclusions:
        if entities >> place & 1:
            return {"by": "safety", "row": row.id}
    if found.screened_out >> place & 1:
        return {"by": "live_safety"}
    for pick in found.picks:
        if pick.row.effect == EXCLUDE and pick.entities >> place & 1:
            return {"by": "exclude", "row": pick.row.id}
    return {"by": "score" if found.scores[place] <= 0 else "slot"}


def _rows(found: Evaluation, place: int) -> list[dict[str, Any]]:
    """Return the matched boost rows that name an entity, in file order, with what each adds."""
    rows = sorted(
        (index, row.id, row.weight)
        for position, (index, row) in enumerate(found.rules.boosts.rows)
        if found.boosted and found.boosted[position] and found.rules.names(position) >> place & 1
    )
    return [{"id": row_id, "adds": weight} for _, row_id, weight in rows]


def why_not(found: Evaluation, sku: str) -> dict[str, Any] | None:
    """Return the trace of one product, and what would have to change to show it; None for an unknown SKU.

    ``{"sku", "score", "rows", "pinned", "shown", "slot", "kept_out", "ahead": [{"sku", "score", "slot", "pinned"}],
    "needed"}``: ``ahead`` are the products shown in its place, best first; ``needed`` is the score it lacks to be shown
    at all (null: none).
    """
    place = found.rules.place.get(sku)
    if place is None:
        return None
    line = _product(found, place)
    out = line["kept_out"]
    shown = [
        {
            "sku": found.rules.products[item.place].sku,
            "score": found.scores[item.place],
            "slot": item.slot,
            "pinned": item.place in found.pinned,
        }
        for item in found.shown
    ]
    least = found.rules.pack.result.min_score
    lacks = least - found.scores[place] if found.scores and found.scores[place] < least else None
    beaten = out is not None and out["by"] in ("slot", "variant", "score")
    return {**line, "ahead": shown if beaten else [], "needed": lacks if beaten else None}


def better(found: Evaluation) -> int | None:
    """Return the product that is shown first, or None if none is shown."""
    return found.shown[0].place if found.outcome == PRODUCTS and found.shown else None
