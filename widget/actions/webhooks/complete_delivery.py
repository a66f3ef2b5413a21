"""Complete a delivery from the store's API: a platform may leave out of a webhook what only its API tells."""

from __future__ import annotations

from functools import partial

from widget.crypto import API_KEY, InvalidToken
from widget.services import Services
from widget.storage.connections import connection_of
from widget.storage.webhook_deliveries import DELIVERY_WAITING, WebhookDelivery
from widget.stores.addresses import Resolver, resolve
from widget.stores.api_call import NotAllowed, Throttled, call
from widget.stores.fetching import Limits, NotFetched
from widget.stores.platforms import PLATFORMS
from widget.telemetry import log

LIMITS = Limits(size=5 * 1024 * 1024, seconds=10.0)
MAX_ATTEMPTS = 5
"""After that, the delivery is processed as it is: an order must not wait for an API that never answers."""


class StoreUnavailable(Exception):
    """The store's API does not answer now: try the delivery again later."""


def complete_delivery(
    services: Services,
    delivery_id: int,
    unavailable: set[tuple[int, str]],
    *,
    limits: Limits | None = None,
    resolver: Resolver = resolve,
) -> None:
    """Store the completed body of a waiting delivery, if it lacks anything. Raises StoreUnavailable.

    ``unavailable``: stores (shop, platform) that have failed in this run, which are not asked again. No database
    connection is held while the store answers. The last two parameters are for tests.
    """
    with services.reads() as session:
        delivery = session.get(WebhookDelivery, delivery_id)
        platform = PLATFORMS.get(delivery.source) if delivery else None
        if delivery is None or delivery.state != DELIVERY_WAITING or platform is None or platform.api is None:
            return
        if delivery.attempts >= MAX_ATTEMPTS or not platform.api.lacks(delivery.body):
            return
        row = connection_of(session, delivery.shop_id, delivery.source)
    key = _key(services, row.encrypted_key) if row else ""
    if row is None or not row.address or not key:
        return
    store = (delivery.shop_id, delivery.source)
    if store in unavailable:
        raise StoreUnavailable
    ask = partial(call, limits=limits or LIMITS, resolver=resolver)
    try:
        body = platform.api.complete(delivery.body, row.address, key, ask)
    except NotAllowed:
        return  # Another attempt would not help; the connection's page shows what the key lacks.
    except (NotFetched, Throttled) as error:
        log("webhooks").warning("store_unavailable", delivery_id=delivery_id, error=type(error).__name__)
        unavailable.add(store)
        raise StoreUnavailable from error
    with services.sessions.begin() as session:
        fresh = session.get(WebhookDelivery, delivery_id, with_for_update=True)
        if fresh is not None and fresh.state == DELIVERY_WAITING:
            fresh.body = body


def _key(services: Services, encrypted: str) -> str:
    try:
        return services.crypto.decrypt(encrypted, API_KEY) if encrypted else ""
    except InvalidToken:
        return ""
