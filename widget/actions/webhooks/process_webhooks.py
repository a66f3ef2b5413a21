"""Process stored webhook deliveries: orders, consents, privacy requests, email events."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy.exc import DataError, SQLAlchemyError
from sqlalchemy.orm import Session

from widget.actions.email_events.record_email_event import record_email_events
from widget.actions.orders.record_order import record_order
from widget.actions.privacy.answer_privacy import answer_privacy
from widget.actions.privacy.record_consent import record_consent
from widget.actions.webhooks.complete_delivery import StoreUnavailable, complete_delivery
from widget.actions.webhooks.fetch_certificate import fetch_confirmation
from widget.actions.webhooks.receive_webhook import MAIL
from widget.deadline import is_time_limit
from widget.domain.orders.order import (
    UNINSTALL,
    CatalogEvent,
    ConsentEvent,
    OrderEvent,
    PrivacyEvent,
    StoreEvent,
    UninstalledEvent,
)
from widget.domain.orders.webhook import Ignored, Unreadable
from widget.email.events.providers import PROVIDERS, SES
from widget.email.events.reading import ReportUnreadable
from widget.email.events.ses import subscribe_address
from widget.services import Services
from widget.storage import audit
from widget.storage.connections import connection_of
from widget.storage.feeds import IDLE, WAITING, feed_of
from widget.storage.shops import Shop
from widget.storage.webhook_deliveries import (
    DELIVERY_DONE,
    DELIVERY_FAILED,
    DELIVERY_IGNORED,
    DELIVERY_WAITING,
    WebhookDelivery,
    waiting_webhooks,
)
from widget.stores.fetching import Limits, NotFetched
from widget.stores.platforms import PLATFORMS
from widget.telemetry import WEBHOOKS_RECEIVED, log

BATCH = 100
PLATFORM_HOST = ".myshopify.com"
MAX_ATTEMPTS = 12
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(hours=1)
CATALOG_SOON = timedelta(seconds=20)
"""Catalog changes arrive in bursts: the feed is read once for all of them."""


def process_webhooks(services: Services, *, limits: Limits | None = None) -> int:
    """Process waiting deliveries, each in its own transaction; return how many were attempted.

    ``limits`` of calls to store APIs are for tests.
    """
    with services.reads() as session:
        waiting = waiting_webhooks(session, services.now(), BATCH)
    unavailable: set[tuple[int, str]] = set()
    for delivery_id in waiting:
        try:
            complete_delivery(services, delivery_id, unavailable, limits=limits)
            process_webhook(services, delivery_id)
        except StoreUnavailable:
            _try_later(services, delivery_id)
        except SQLAlchemyError:
            # The other deliveries are processed meanwhile.
            log("webhooks").warning("webhook_deferred", delivery_id=delivery_id, exc_info=True)
            with suppress(SQLAlchemyError):
                _try_later(services, delivery_id)
    return len(waiting)


def process_webhook(services: Services, delivery_id: int) -> None:
    """Process one delivery, completely or not at all. Processing is idempotent.

    A signed body that cannot be read is kept as failed, with the reason, for users to see. One that has nothing for us
    is marked as ignored.
    """
    try:
        _confirm_subscription(services, delivery_id)
        with services.sessions.begin() as session:
            delivery = session.get(WebhookDelivery, delivery_id, with_for_update=True)
            if delivery is None or delivery.state != DELIVERY_WAITING:
                return
            _do(services, session, delivery)
            # The data is now in tables. The body must go: with both an address and a visit token, it would link
            # answers to a person.
            delivery.state, delivery.done_at, delivery.body = DELIVERY_DONE, services.now(), b""
    except Ignored as nothing:
        _settle(services, delivery_id, DELIVERY_IGNORED, str(nothing), drop_body=True)
    except DataError as error:
        # The database rejects these values: retrying would not help.
        _give_up(services, delivery_id, type(error).__name__)
    except SQLAlchemyError:
        raise  # A database error, not the webhook's fault: it stays waiting and is retried.
    except Unreadable as error:
        _give_up(services, delivery_id, str(error))
    except Exception as error:  # One bad body must not stop the others; it is kept and displayed.
        if is_time_limit(error):
            raise  # Not the webhook's fault: it stays waiting.
        log("webhooks").error("webhook_failed", delivery_id=delivery_id, exc_info=True)
        _give_up(services, delivery_id, type(error).__name__)


def _confirm_subscription(services: Services, delivery_id: int) -> None:
    """Confirm an Amazon SNS subscription by requesting its URL, if this delivery asks for it. Raises Unreadable.

    No database connection is held meanwhile.
    """
    with services.reads() as session:
        delivery = session.get(WebhookDelivery, delivery_id)
    if delivery is None or delivery.state != DELIVERY_WAITING or delivery.source != f"{MAIL}{SES}":
        return
    try:
        address = subscribe_address(delivery.body)
        if address:
            fetch_confirmation(address)
    except (ReportUnreadable, NotFetched) as error:
        raise Unreadable(f"the subscription could not be confirmed: {error}") from error


def _try_later(services: Services, delivery_id: int) -> None:
    """Schedule a retry with exponential backoff; after MAX_ATTEMPTS, mark as failed, for a user to replay."""
    with services.sessions.begin() as session:
        delivery = session.get_one(WebhookDelivery, delivery_id, with_for_update=True)
        delivery.attempts += 1
        if delivery.attempts >= MAX_ATTEMPTS:
            delivery.state, delivery.done_at = DELIVERY_FAILED, services.now()
            delivery.error = f"gave up after {delivery.attempts} attempts: the database rejected the data each time"
            WEBHOOKS_RECEIVED.labels(delivery.source, DELIVERY_FAILED).inc()
        else:
            delivery.retry_at = services.now() + min(FIRST_RETRY * 2 ** (delivery.attempts - 1), LONGEST_RETRY)


def _give_up(services: Services, delivery_id: int, reason: str) -> None:
    _settle(services, delivery_id, DELIVERY_FAILED, reason)


def _settle(services: Services, delivery_id: int, state: str, reason: str, *, drop_body: bool = False) -> None:
    with services.sessions.begin() as session:
        delivery = session.get_one(WebhookDelivery, delivery_id, with_for_update=True)
        WEBHOOKS_RECEIVED.labels(delivery.source, state).inc()
        delivery.state, delivery.error, delivery.done_at = state, reason[:500], services.now()
        if drop_body:
            delivery.body = b""


def _do(services: Services, session: Session, delivery: WebhookDelivery) -> None:
    shop = session.get_one(Shop, delivery.shop_id)
    if delivery.source.startswith(MAIL):
        reports = PROVIDERS[delivery.source.removeprefix(MAIL)].parse(delivery.body)
        if not reports and not (delivery.source == MAIL + SES and subscribe_address(delivery.body)):
            raise Ignored("no bounce, complaint, delivery, or unsubscribe in this report")
        record_email_events(services, session, shop, reports)
        return
    for event in PLATFORMS[delivery.source].parse(delivery.topic, delivery.body, received_at=delivery.received_at):
        _apply(services, session, shop, delivery, event)


def _apply(services: Services, session: Session, shop: Shop, delivery: WebhookDelivery, event: StoreEvent) -> None:
    match event:
        case OrderEvent():
            record_order(services, session, shop, event)
        case ConsentEvent():
            record_consent(services, session, shop, event)
        case PrivacyEvent():
            _refuse_other_store(session, shop, delivery, event.store)
            answer_privacy(services, session, shop, event, event_id=delivery.event_id, received_at=delivery.received_at)
        case CatalogEvent():
            _read_feed_soon(services, session, shop)
        case UninstalledEvent():
            _refuse_other_store(session, shop, delivery, event.store)
            _uninstalled(services, session, shop, delivery)


def _refuse_other_store(session: Session, shop: Shop, delivery: WebhookDelivery, store: str) -> None:
    """Raise Unreadable if a request to stop or delete something concerns a store other than the connected one.

    If the connection uses the merchant's own domain, it cannot be compared with the platform's host name of the store:
    then the owner, who is notified and can cancel, decides.
    """
    connection = connection_of(session, shop.id, delivery.source)
    ours = (urlsplit(connection.address).hostname or "") if connection else ""
    if ours.endswith(PLATFORM_HOST) and store != ours:
        raise Unreadable("this delivery is about a store other than the connected one")


def _read_feed_soon(services: Services, session: Session, shop: Shop) -> None:
    feed = feed_of(session, shop.id, lock=True)
    if feed is None or not feed.encrypted_address or feed.state != IDLE:
        return
    soon = services.now() + CATALOG_SOON
    if feed.due_at is None or feed.due_at > soon:
        feed.state, feed.due_at = WAITING, soon


def _uninstalled(services: Services, session: Session, shop: Shop, delivery: WebhookDelivery) -> None:
    """Pause the shop's emails at once; delete its API key after the period in which an owner can cancel.

    A late copy of an earlier uninstall event must not do this again.
    """
    session.refresh(shop, with_for_update=True)  # Lock order: the shop first, then its connection.
    connection = connection_of(session, shop.id, delivery.source, lock=True)
    if connection is None or connection.uninstalled_at is not None:
        return
    connection.uninstalled_at, connection.due_at = services.now(), None
    connection.paused_shop = not shop.paused  # Canceling undoes this pause, not one that the shop had chosen before.
    shop.paused = True
    event = PrivacyEvent(UNINSTALL, store=delivery.source)
    answer_privacy(services, session, shop, event, event_id=delivery.event_id, received_at=delivery.received_at)
    audit.record(
        session, shop_id=shop.id, at=services.now(), user_id=None, actor=delivery.source, action="store_uninstalled"
    )
