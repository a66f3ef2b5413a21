"""Matching of a whole feed with the products that quizzes need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from widget.stores.feed_item import BadItem, FeedItem
from widget.stores.feeds import Item

MAX_NOTES = 100
PROGRESS_EVERY = 1000


@dataclass
class Survey:
    """The result of matching a feed. "Our" SKUs are those that quizzes need.

    ``found``: feed items by our SKU; ``unread``: our SKUs whose items could not be read. ``notes``: the first MAX_NOTES
    problems, with reasons; ``more``: the number of problems beyond those.
    """

    items: int = 0
    found: dict[str, FeedItem] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    more: int = 0
    _ranks: dict[str, int] = field(default_factory=dict)

    def add_problem(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)
        else:
            self.more += 1


def survey(
    items: Iterable[Item],
    skus: Iterable[str],
    variants: Mapping[str, str],
    *,
    into: Survey | None = None,
    progress: Callable[[int], None] | None = None,
) -> Survey:
    """Read a feed once and keep only the items of our SKUs. ``variants``: our SKU by the store's variant id.

    An item matches by its SKU, else by its part number (MPN), or, without a SKU, by its variant id. Raises BadFeed.
    """
    outcome, ours = into or Survey(), frozenset(skus)
    for item in items:
        outcome.items += 1
        if progress and outcome.items % PROGRESS_EVERY == 0:
            progress(outcome.items)
        sku, rank = _ours(item, ours, variants)
        if isinstance(item, BadItem):
            outcome.add_problem(f"{item.place}{_named(item.sku)} was skipped: {item.reason}")
            outcome.unread |= {sku} if sku else set()
            continue
        if sku and rank < outcome._ranks.get(sku, 9):
            outcome.found[sku], outcome._ranks[sku] = item, rank
            for note in item.notes:
                outcome.add_problem(f"{item.place}{_named(sku)}: {note}")
    outcome.unread -= set(outcome.found)
    if progress:
        progress(outcome.items)
    return outcome


def _ours(item: Item, ours: frozenset[str], variants: Mapping[str, str]) -> tuple[str, int]:
    if item.sku in ours:
        return item.sku, 0
    if item.mpn in ours:
        return item.mpn, 1
    # Stores choose the ids in Google feeds: some use the variant id itself, or Shopify's shopify_US_1_2.
    if item.sku in variants:
        return variants[item.sku], 2
    without = not item.sku or item.sku.startswith("shopify_")
    return (variants[item.variant_id], 2) if without and item.variant_id in variants else ("", 9)


def _named(sku: str) -> str:
    return f" ({sku})" if sku else ""
