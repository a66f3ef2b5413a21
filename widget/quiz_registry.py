"""The live quizzes, compiled and cached, at most a few seconds behind the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from widget.cache.local import LocalCache
from widget.cache.refreshing import RefreshingCache
from widget.content.claim_check import name_is_allowed
from widget.content.languages import localized
from widget.content.stored import load_pack
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.highest import Highest
from widget.domain.engine.live import Engine
from widget.domain.engine.rules import Rules
from widget.storage.catalog import stored_catalog
from widget.storage.content import Publication, live_publication, superseded_at, version_by_number
from widget.storage.database import Sessions
from widget.storage.shops import Shop, shop_by_slug

MAX_VERSIONS = 256
MAX_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class LoadedQuiz:
    """A content version of a shop's quiz with the current catalog, compiled and ready to answer."""

    shop: Shop
    quiz: str
    version: int
    engine: Engine
    is_live: bool
    live_version: int
    superseded_at: datetime | None = None
    _localized: dict[str, Engine] = field(default_factory=dict, repr=False, compare=False)
    samples: dict[str, dict[str, list[str]]] = field(default_factory=dict, repr=False, compare=False)
    """Answers by outcome, kept by ``sample_answers``: finding them takes a third of a second."""

    def localized(self, locale: str | None) -> Engine:
        """Return the engine with texts in this language. Its rules are the same, and so are its results."""
        pack = self.engine.rules.pack
        if not locale or locale == pack.default_locale or locale not in pack.locales:
            return self.engine
        engine = self._localized.get(locale)
        if engine is None:
            catalog = self.engine.catalog
            rules = Rules(localized(pack, locale))
            catalog_in_locale = Catalog(rules, feed=catalog.feed, blocked=catalog.blocked, revision=catalog.revision)
            engine = self._localized[locale] = Engine(rules, catalog_in_locale, self.engine.highest)
        return engine

    @property
    def state(self) -> str:
        """The state that a cached result depends on: versions, catalog, and the shop's settings."""
        shop, catalog = self.shop, self.engine.catalog
        return state_of(shop.created_at, shop.revision, self.version, self.live_version, catalog.revision)


def state_of(created_at: datetime, shop: int, version: int, live: int, catalog: int) -> str:
    """Join the revisions into one key.

    The shop's creation time is part of it, since a shop of the same name in another database is a different shop.
    """
    return f"{int(created_at.timestamp())}.{shop}.{version}.{live}.{catalog}"


class QuizRegistry:
    """The live quizzes, refreshed in the background: no request waits for the database while a value is recent."""

    def __init__(self, reads: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._reads = reads
        self._rules: LocalCache[tuple[Rules, Highest]] = LocalCache(size=MAX_VERSIONS, seconds=3600)
        failures: tuple[type[Exception], ...] = (SQLAlchemyError,)
        self._live = RefreshingCache(self._look, size=MAX_NAMES, failures=failures, clock=clock)
        self._older = RefreshingCache(self._look_older, size=MAX_VERSIONS, failures=failures, clock=clock)

    def invalidate(self, what: str = "") -> None:
        """Reload each quiz at its next request, after a publish or a catalog change."""
        self._live.invalidate()
        self._older.invalidate()

    def live(self, shop: str, quiz: str) -> LoadedQuiz | None:
        """Return the live version, or None if there is no such shop or quiz."""
        return self._live.get((shop, quiz))

    def peek(self, shop: str, quiz: str) -> LoadedQuiz | None:
        """Return the live version if it is available without waiting, else None."""
        return self._live.peek((shop, quiz))

    def version(self, shop: str, quiz: str, number: int) -> LoadedQuiz | None:
        """Return a version, live or older, by its number; None if there is no such version."""
        live = self.live(shop, quiz)
        if live is None or live.version == number:
            return live
        return self._older.get((shop, quiz, number, live.state))

    def close(self) -> None:
        self._live.close()
        self._older.close()

    def _look(self, key: tuple[str, str], before: LoadedQuiz | None) -> LoadedQuiz | None:
        # Keep the same object as long as nothing changed: caches compare it by identity.
        if before is not None and self._state_now(*key) == before.state:
            return before
        return self._load(*key, None)

    def _state_now(self, shop: str, quiz: str) -> str:
        """Return the current ``LoadedQuiz.state`` with one small query; empty if there is no such quiz."""
        number = (
            select(Publication.number)
            .where(Publication.shop_id == Shop.id, Publication.quiz == quiz)
            .order_by(Publication.sequence.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = select(Shop.created_at, Shop.revision, number, Shop.catalog_revision).where(Shop.slug == shop)
        with self._reads() as session:
            row = session.execute(query).one_or_none()
        if row is None or row[2] is None:
            return ""
        created_at, revision, live, catalog_revision = row
        return state_of(created_at, revision, live, live, catalog_revision)

    def _look_older(self, key: tuple[str, str, int, str], before: LoadedQuiz | None) -> LoadedQuiz | None:
        shop, quiz, number, _ = key
        return self._load(shop, quiz, number)

    def _load(self, shop_slug: str, quiz: str, number: int | None) -> LoadedQuiz | None:
        with self._reads() as session:
            shop = shop_by_slug(session, shop_slug)
            publication = live_publication(session, shop.id, quiz) if shop else None
            if shop is None or publication is None:
                return None
            wanted = publication.number if number is None else number
            compiled = self._compiled(session, shop.id, quiz, wanted)
            if compiled is None:
                return None
            feed, blocked = stored_catalog(session, shop.id)
            since = superseded_at(session, shop.id, quiz, wanted) if wanted != publication.number else None
        rules, highest = compiled
        blocked |= offending(rules, feed)
        catalog = Catalog(rules, feed=feed, blocked=blocked, revision=shop.catalog_revision)
        engine = Engine(rules, catalog, highest)
        return LoadedQuiz(shop, quiz, wanted, engine, wanted == publication.number, publication.number, since)

    def _compiled(self, session: Any, shop_id: int, quiz: str, number: int) -> tuple[Rules, Highest] | None:
        """Return the compiled rules of a version, cached: compiling is slow, and a version never changes."""
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
    """Return the SKUs whose name in the store violates the claims lint; they are blocked until the name changes."""
    pack = rules.pack
    return {
        product.sku
        for product in pack.products
        if (name := feed.get(product.sku, {}).get("name"))
        and not name_is_allowed(str(name), product.contains_set, pack.market, pack.default_locale)
    }
