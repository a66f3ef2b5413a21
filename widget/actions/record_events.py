"""Count what happens on store pages. Anonymous: question ids, never options."""

from __future__ import annotations

from typing import Any

from widget.actions.errors import UnknownShop
from widget.content.languages import met_locale
from widget.live import Served
from widget.services import Services

EVENTS = ("seen", "started", "answered", "completed", "product_clicked", "added_to_cart", "closed")


def record_events(services: Services, *, shop: str, events: list[dict[str, Any]], bot: bool = False) -> None:
    """Add a batch to the day's counts; what names an unknown quiz, question or product is left out,
    and so is all that a bot tells.

    Raises UnknownShop when no event of the batch belongs to a live quiz of this shop.
    """
    day = services.now().date()
    known = False
    for event in events:
        served = services.live.live(shop, event["quiz"])
        if served is None:
            continue
        known = True
        rules = served.engine.rules
        question = event.get("question") or ""
        sku = event.get("sku") or ""
        if (question and question not in rules.pack.quiz.by_id) or (sku and sku not in rules.place):
            continue
        if not bot:
            where = (served.shop.id, served.quiz, day, event["event"], question, sku)
            services.recorder.add_count((*where, *_split(served, event)))
    if events and not known:
        raise UnknownShop("there is no such shop or quiz")


def _split(served: Served, event: dict[str, Any]) -> tuple[int, str]:
    """Version and language, as far as there can be such: what nobody has published makes no row."""
    version = event.get("version") or 0
    return (
        version if version <= served.live_version else 0,
        met_locale(served.engine.rules.pack, event.get("locale")) or "",
    )
