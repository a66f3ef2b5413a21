"""Reconcile orders with each store's API: store the orders that no webhook delivered.

These orders take the same path as webhook deliveries: they are stored raw, processed later, and merged into their rows.
Merging an order that is already known changes nothing, so overlapping runs and concurrent webhooks do no harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from widget.crypto import API_KEY, InvalidToken
from widget.domain.orders.webhook import Unreadable
from widget.services import Services
from widget.storage.connections import GIVEN_UP_AFTER, Connection, due_connections
from widget.storage.orders import order_by_external_id
from widget.storage.webhook_deliveries import add_webhook_delivery
from widget.stores.addresses import Resolver, resolve
from widget.stores.api_call import Throttled, call, patient
from widget.stores.fetching import Limits, NotFetched
from widget.stores.platforms import api_of
from widget.stores.reading import reading
from widget.telemetry import log

EVERY = timedelta(minutes=10)
"""Interval between runs. A missed order is found within this time plus that of the run: 15 minutes at most."""
OVERLAP = timedelta(minutes=10)
"""Each run starts this much before the end of the last: clocks differ, and APIs show changes late."""
AFTER_TROUBLE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class _Look:
    connection_id: int
    shop_id: int
    platform: str
    address: str
    key: str
    since: datetime
    started_at: datetime


def reconcile_orders(
    services: Services,
    *,
    limits: Limits | None = None,
    resolver: Resolver = resolve,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Reconcile all stores that are due; return how many orders were stored.

    The last three parameters are for tests.
    """
    with services.reads() as session:
        due = due_connections(session, services.now())
    return sum(_look(services, item, limits, resolver, sleep) for item in due)


def _look(
    services: Services, connection_id: int, limits: Limits | None, resolver: Resolver, sleep: Callable[[float], None]
) -> int:
    look = _claimed(services, connection_id)
    if look is None:
        return 0
    found, error, again, seen = 0, "", AFTER_TROUBLE, look.since
    ask = patient(partial(call, limits=limits, resolver=resolver), sleep)
    try:
        if not look.key:
            raise NotFetched("the API key was encrypted with another key: enter it again")
        for orders in api_of(look.platform).reconcile(look.address, look.key, look.since, ask):
            fresh, newest = _hand_in(services, look, orders)
            found, seen = found + fresh, max(seen, newest)
    except Throttled as wait:
        error, again = (
            "The store limits our requests. Orders will be reconciled later.",
            max(AFTER_TROUBLE, timedelta(seconds=wait.seconds)),
        )
    except NotFetched as trouble:
        error = f"{str(trouble)[:1].upper()}{str(trouble)[1:]}."
    except Exception as trouble:
        log("orders").error("look_failed", connection_id=connection_id, exc_info=True)
        error = f"Something went wrong on our side ({type(trouble).__name__}). It will be retried."
    _done(services, look, found, error, again, seen)
    return found


def _claimed(services: Services, connection_id: int) -> _Look | None:
    """Claim a store; return None when another worker was first."""
    with services.sessions.begin() as session:
        row = session.get(Connection, connection_id, with_for_update=True)
        now = services.now()
        if row is None or row.due_at is None or row.due_at > now:
            return None
        if row.started_at is not None and row.started_at > now - GIVEN_UP_AFTER:
            return None
        row.started_at = now
        try:
            key = services.crypto.decrypt(row.encrypted_key, API_KEY) if row.encrypted_key else ""
        except InvalidToken:
            key = ""
        since = (row.synced_until or now) - OVERLAP
        return _Look(row.id, row.shop_id, row.platform, row.address, key, since, now)


def _hand_in(services: Services, look: _Look, orders: list[dict[str, Any]]) -> tuple[int, datetime]:
    """Store a page of orders as deliveries; return (number of new or changed orders, time of the latest change)."""
    found, newest, api = 0, look.since, api_of(look.platform)
    with services.sessions.begin() as session:
        for order in orders:
            try:
                with reading("order"):
                    event = api.order(order)
                    event_id, changed = event.external_id, event.at
                newest = max(newest, changed)
            except Unreadable:
                event_id, changed = str(order.get("id", ""))[:200], look.started_at
            known = order_by_external_id(session, look.shop_id, event_id)
            if known is not None and known.updated_at >= changed:
                continue
            found += add_webhook_delivery(
                session,
                shop_id=look.shop_id,
                source=look.platform,
                event_id=f"look:{event_id}:{changed.isoformat()}",
                topic=api.topic,
                body=orjson.dumps(order),
                at=services.now(),
            )
    return found, newest


def _done(services: Services, look: _Look, found: int, error: str, again: timedelta, seen: datetime) -> None:
    """Record the outcome and schedule the next run.

    After an error, the next run starts at the latest change seen. Pages are ordered by time of change, so no earlier
    change is missed, and a store that allows only a few pages per run is still read to its end.
    """
    with services.sessions.begin() as session:
        row = session.get_one(Connection, look.connection_id, with_for_update=True)
        if row.started_at != look.started_at:
            return
        now = services.now()
        row.started_at, row.last_synced_at, row.found, row.error = None, now, found, error[:300]
        reached = look.started_at if not error else min(seen, look.started_at)
        row.synced_until = max(row.synced_until or reached, reached)
        if row.due_at is not None:
            row.due_at = now + (again if error else EVERY)
