"""Import the product feeds that are due. One worker at a time imports each feed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from widget.actions.catalog.fetch_catalog import API, NoKey, api_of, fetched_catalog
from widget.actions.catalog.fetch_feed import fetched_feed
from widget.actions.catalog.import_feed import FEED_FAILED, Asked, FeedReport, import_feed, keep_report
from widget.crypto import FEED_ADDRESS, InvalidToken
from widget.services import Services
from widget.storage.feeds import GIVEN_UP_AFTER, RUNNING, Feed, due_feeds
from widget.storage.shops import Shop
from widget.storage.users import User
from widget.stores.addresses import Resolver, resolve
from widget.stores.feed_item import BadFeed
from widget.stores.fetching import Limits, NotFetched

TELL_EVERY = 1.0
"""Seconds between two progress updates of a run."""


@dataclass(frozen=True, slots=True)
class _Claim:
    feed_id: int
    shop: Shop
    encrypted: str
    started_at: datetime
    asked: Asked


def import_due_feeds(services: Services, *, limits: Limits | None = None, resolver: Resolver = resolve) -> int:
    """Import the due feeds and return how many were run, with any outcome. ``limits``, ``resolver``: for tests."""
    with services.reads() as session:
        due = due_feeds(session, services.now())
    return sum(_run(services, feed_id, limits, resolver) for feed_id in due)


def _run(services: Services, feed_id: int, limits: Limits | None, resolver: Resolver) -> bool:
    claim = _claimed(services, feed_id)
    if claim is None:
        return False
    try:
        address = services.crypto.decrypt(claim.encrypted, FEED_ADDRESS)
        base, fetched = _source(services, claim, address, limits, resolver)
        with fetched as files:
            asked = _asked(claim, base=base)
            import_feed(services, shop=claim.shop.slug, files=files, asked=asked, progress=_collector(services, claim))
    except InvalidToken:
        _failed(services, claim, "The address was encrypted with another key. Enter it again.")
    except (NotFetched, BadFeed, NoKey) as error:
        _failed(services, claim, f"Nothing was changed: {error}.")
    except Exception:
        _failed(services, claim, "Nothing was changed: something went wrong on our side. The import will be retried.")
        raise
    return True


def _source(
    services: Services, claim: _Claim, address: str, limits: Limits | None, resolver: Resolver
) -> tuple[str, AbstractContextManager[list[BinaryIO]]]:
    """Return (base address of relative paths, files) of a feed's address or a connection's API. Raises NoKey."""
    if not address.startswith(API):
        return address, fetched_feed(address, limits=limits, resolver=resolver)
    platform = address.removeprefix(API)
    store, key = api_of(services, claim.shop.id, platform)
    return claim.shop.url or store, fetched_catalog(platform, store, key, limits=limits, resolver=resolver)


def _asked(claim: _Claim, *, base: str = "") -> Asked:
    asked = claim.asked
    return replace(asked, started_at=claim.started_at, base=base)


def _failed(services: Services, claim: _Claim, error: str) -> None:
    keep_report(services, claim.shop, _asked(claim), FeedReport(FEED_FAILED, error=error))


def _claimed(services: Services, feed_id: int) -> _Claim | None:
    """Claim a feed; return None when another worker was first or the feed is no longer due."""
    now = services.now()
    with services.sessions.begin() as session:
        row = session.get(Feed, feed_id, with_for_update=True)
        if row is None or not row.encrypted_address or row.due_at is None or row.due_at > now:
            return None
        if row.state == RUNNING and row.started_at is not None and row.started_at >= now - GIVEN_UP_AFTER:
            return None
        row.state, row.started_at, row.progress = RUNNING, now, 0
        by = session.get(User, row.asked_by) if row.asked_by is not None else None
        shop = session.get_one(Shop, row.shop_id)
        asked = Asked(by=by, allow_missing=row.allow_missing, allow_changed=row.allow_changed)
        return _Claim(feed_id, shop, row.encrypted_address, now, asked)


def _collector(services: Services, claim: _Claim) -> Callable[[int], None]:
    """Return a callback that stores the number of items read, at most every TELL_EVERY seconds, for the console."""
    last = time.monotonic()

    def tell(items: int) -> None:
        nonlocal last
        if time.monotonic() - last < TELL_EVERY:
            return
        last = time.monotonic()
        with services.sessions.begin() as session:
            row = session.get(Feed, claim.feed_id, with_for_update=True)
            if row is not None and row.started_at == claim.started_at:
                row.progress = items

    return tell
