"""View model of a shop's product feed."""

from __future__ import annotations

from dataclasses import dataclass

from widget.actions.catalog.change_feed import shown_address
from widget.actions.catalog.fetch_catalog import WITH_API
from widget.actions.catalog.import_feed import EVERY, FEED_FAILED, FEED_IMPORTED, FEED_STOPPED, FEED_UNCHANGED
from widget.services import Services
from widget.storage.connections import connections_of
from widget.storage.feeds import GIVEN_UP_AFTER, RUNNING, WAITING, Feed, feed_of
from widget.storage.shops import Shop
from widget.stores.feeds import FEED_KINDS

LOOKS = {
    FEED_IMPORTED: ("ok", "good", "Imported"),
    FEED_UNCHANGED: ("ok", "good", "No changes"),
    FEED_STOPPED: ("warning", "warn", "Stopped: too many products are missing or changed"),
    FEED_FAILED: ("error", "bad", "Import failed"),
}
"""(icon, color class, label) by outcome."""
MAX_SHOWN = 12


@dataclass
class FeedView:
    """The product feed as shown in the console.

    ``row`` is None before anything was set or uploaded. ``wrong``, ``wrong_file``: messages about a rejected form.
    """

    row: Feed | None
    address: str
    busy: bool
    wrong: str = ""
    wrong_file: str = ""
    apis: tuple[str, ...] = ()
    """Platforms whose API can be read instead of a file."""
    minutes: int = int(EVERY.total_seconds()) // 60
    most_shown: int = MAX_SHOWN

    @property
    def look(self) -> tuple[str, str, str]:
        return LOOKS.get(self.row.outcome if self.row else "", ("clock", "", "Not imported yet"))

    @property
    def kind(self) -> str:
        return FEED_KINDS.get(self.row.kind, "") if self.row else ""

    @property
    def stopped(self) -> bool:
        return self.row is not None and self.row.outcome == FEED_STOPPED


def feed_view(services: Services, shop: Shop, *, wrong: str = "", wrong_file: str = "") -> FeedView:
    with services.reads() as session:
        row = feed_of(session, shop.id)
        known = connections_of(session, shop.id)
    started = row.started_at if row else None
    running = row is not None and row.state == RUNNING and started is not None
    if running and started is not None and started < services.now() - GIVEN_UP_AFTER:
        running = False  # Its worker died; another one will take over.
    busy = running or (row is not None and row.state == WAITING)
    apis = tuple(name for name in WITH_API if name in known and known[name].address and known[name].encrypted_key)
    return FeedView(row, shown_address(services, row), busy, wrong, wrong_file, apis)
