"""Count anonymous storefront events: question ids, never options."""

from __future__ import annotations

from typing import Any

from widget.actions.errors import UnknownShop
from widget.content.languages import matching_locale
from widget.quiz_registry import LoadedQuiz
from widget.services import Services

EVENTS = ("seen", "started", "answered", "completed", "product_clicked", "added_to_cart", "closed")


def record_events(services: Services, *, shop: str, events: list[dict[str, Any]], bot: bool = False) -> None:
    """Add a batch of events to the day's counts.

    Events with an unknown quiz, question, or product and all events from bots are ignored. Raises UnknownShop if no
    event of the batch belongs to a live quiz of this shop.
    """
    day = services.now().date()
    known = False
    for event in events:
        loaded = services.quizzes.live(shop, event["quiz"])
        if loaded is None:
            continue
        known = True
        rules = loaded.engine.rules
        question = event.get("question") or ""
        sku = event.get("sku") or ""
        if (question and question not in rules.pack.quiz.by_id) or (sku and sku not in rules.place):
            continue
        if not bot:
            where = (loaded.shop.id, loaded.quiz, day, event["event"], question, sku)
            services.recorder.add_daily_event((*where, *_split(loaded, event)))
    if events and not known:
        raise UnknownShop("This shop or quiz does not exist.")


def _split(loaded: LoadedQuiz, event: dict[str, Any]) -> tuple[int, str]:
    """Return (version, locale) of an event, with 0 or "" for values never published, so that these add no rows."""
    version = event.get("version") or 0
    return (
        version if version <= loaded.live_version else 0,
        matching_locale(loaded.engine.rules.pack, event.get("locale")) or "",
    )
