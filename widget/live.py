"""The quizzes that are live, compiled and at hand; never more than a few seconds behind the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from widget.cache.local import LocalCache
from widget.content.claim_check import name_is_allowed
from widget.content.languages import localised
from widget.content.stored import load_pack
from widget.domain.engine.highest import Highest
from widget.domain.engine.live import Engine
from widget.domain.engine.rules import Rules
from widget.domain.engine.shelf import Shelf
from widget.storage.catalogue import catalogue
from widget.storage.content import live_publication, superseded_at, version_by_number
from widget.storage.database import Sessions
from widget.storage.shops import Shop, shop_by_slug

FRESH_SECONDS = 2.0
WITHOUT_DATABASE_SECONDS = 60.0
MOST_VERSIONS = 256


@dataclass(frozen=True, slots=True)
class Served:
    """A content version of a shop's quiz with the catalogue of the moment, ready to answer."""

    shop: Shop
    quiz: str
    version: int
    engine: Engine
    is_live: bool
    live_version: int
    superseded_at: datetime | None = None
    _spoken: dict[str, Engine] = field(default_factory=dict, repr=False, compare=False)

    def speaking(self, locale: str | None) -> Engine:
        """The engine whose texts are in this language; the same rules, and so the same results."""
        pack = self.engine.rules.pack
        if not locale or locale == pack.default_locale or locale not in pack.locales:
            return self.engine
        engine = self._spoken.get(locale)
        if engine is None:
            shelf = self.engine.shelf
            rules = Rules(localised(pack, locale))
            spoken = Shelf(rules, feed=shelf.feed, blocked=shelf.blocked, revision=shelf.revision)
            engine = self._spoken[locale] = Engine(rules, spoken, self.engine.highest)
        return engine

    @property
    def state(self) -> str:
        """What a cached result depends on: versions and stock."""
        made = int(self.shop.created_at.timestamp())  # Another database's shop of this name is another shop.
        return f"{made}.{self.version}.{self.live_version}.{self.engine.shelf.revision}"


class LiveQuizzes:
    """Looks at most every FRESH_SECONDS whether something moved; a word on the bus makes it look at once."""

    def __init__(self, reads: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._reads = reads
        self._clock = clock
        self._lock = threading.Lock()
        self._rules: LocalCache[tuple[Rules, Highest]] = LocalCache(size=MOST_VERSIONS, seconds=3600)
        self._live: dict[tuple[str, str], tuple[float, Served | None]] = {}
        self._older: LocalCache[Served] = LocalCache(size=MOST_VERSIONS, seconds=FRESH_SECONDS)
        self.generation = 0

    def moved(self, what: str = "") -> None:
        """Something was published or the catalogue moved: look again at the next request."""
        self.generation += 1
        self._live = {}
        self._older.clear()

    def live(self, shop: str, quiz: str) -> Served | None:
        """The live version, or None when there is no such shop or quiz."""
        entry = self._live.get((shop, quiz))
        if entry and self._clock() - entry[0] < FRESH_SECONDS:
            return entry[1]
        with self._lock:
            entry = self._live.get((shop, quiz))
            if entry and self._clock() - entry[0] < FRESH_SECONDS:
                return entry[1]
            try:
                return self._look(shop, quiz, entry[1] if entry else None)
            except SQLAlchemyError:
                # Nothing can be published while the database is gone, so the last look still tells the truth.
                if entry is None or self._clock() - entry[0] > WITHOUT_DATABASE_SECONDS:
                    raise
                return entry[1]

    def _look(self, shop: str, quiz: str, before: Served | None) -> Served | None:
        looked_at, generation = self._clock(), self.generation
        served = self._load(shop, quiz, None)
        if before and served and before.state == served.state and _same_shop(before.shop, served.shop):
            served = before
        if len(self._live) > 10_000:
            self._live = {}  # Unknown names are remembered too; strangers must not fill the memory.
        if generation == self.generation:
            self._live[(shop, quiz)] = (looked_at, served)
        return served

    def version(self, shop: str, quiz: str, number: int) -> Served | None:
        """An older (or the live) version by its number; None when there is none of that number."""
        live = self.live(shop, quiz)
        if live is None or live.version == number:
            return live
        key = (shop, quiz, number, live.state)
        served = self._older.get(key)
        if served is None:
            with self._lock:
                served = self._load(shop, quiz, number)
            if served:
                self._older.put(key, served)
        return served

    def _load(self, shop_slug: str, quiz: str, number: int | None) -> Served | None:
        with self._reads() as session:
            shop = shop_by_slug(session, shop_slug)
            publication = live_publication(session, shop.id, quiz) if shop else None
            if shop is None or publication is None:
                return None
            wanted = publication.number if number is None else number
            compiled = self._compiled(session, shop.id, quiz, wanted)
            if compiled is None:
                return None
            feed, blocked = catalogue(session, shop.id)
            since = superseded_at(session, shop.id, quiz, wanted) if wanted != publication.number else None
        rules, highest = compiled
        blocked |= offending(rules, feed)
        shelf = Shelf(rules, feed=feed, blocked=blocked, revision=shop.catalogue_revision)
        engine = Engine(rules, shelf, highest)
        return Served(shop, quiz, wanted, engine, wanted == publication.number, publication.number, since)

    def _compiled(self, session: Any, shop_id: int, quiz: str, number: int) -> tuple[Rules, Highest] | None:
        """Compiling is the slow part, and a version never changes: kept for as long as there is room."""
        key = (shop_id, quiz, number)
        compiled = self._rules.get(key)
        if compiled is None:
            row = version_by_number(session, shop_id, quiz, number)
            if row is None:
                return None
            rules = Rules(load_pack(row.files))
            compiled = (rules, Highest(rules, row.highest))
            self._rules.put(key, compiled)
        return compiled


def offending(rules: Rules, feed: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Products that the store gives a name which the claims lint forbids: they are withheld until it changes."""
    pack = rules.pack
    return {
        product.sku
        for product in pack.products
        if (name := feed.get(product.sku, {}).get("name"))
        and not name_is_allowed(str(name), product.contains_set, pack.market, pack.default_locale)
    }


def _same_shop(one: Shop, other: Shop) -> bool:
    names = ("name", "url", "cart", "paused", "catalogue_revision", "postal_address", "currency")
    return all(getattr(one, name) == getattr(other, name) for name in names)
