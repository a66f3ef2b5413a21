"""Handle a privacy request from a store: export or erase a customer's data. A row in the database is the receipt.

Source: shopify.dev, "Privacy law compliance": customers/data_request, customers/redact (by id, by address, or by
orders, possibly only one of these), shop/redact; to be completed within 30 days. Requests to export data are answered
at once. Requests that destroy data wait for two days, as Shopify itself does after an uninstall: the owners are
notified and can cancel, since a signature does not distinguish a genuine request from a captured one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.privacy.announce_privacy import announce
from widget.actions.privacy.change_consent import erase_contact, erase_orders, redact_webhooks
from widget.actions.privacy.erase_shop import erase_shop
from widget.crypto import DATA_COPY, PRIVACY_EVENT, InvalidToken
from widget.domain.email.send_policy import ERASED, ERASURE_PENDING
from widget.domain.orders.order import CUSTOMER_REDACT, DATA_REQUEST, DESTRUCTIVE, SHOP_REDACT, UNINSTALL, PrivacyEvent
from widget.email.message import BadAddress, checked_address
from widget.i18n.times import moment_and_zone
from widget.services import Services
from widget.storage import audit
from widget.storage.connections import connection_of
from widget.storage.contacts import Consent, Contact, lift, suppress, suppress_unless_known
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.privacy import REQUEST_DONE, REQUEST_WAITING, PrivacyRequest, drop_copies
from widget.storage.shops import Shop
from widget.storage.users import User

COPY_FOR = timedelta(days=30)
GRACE = timedelta(hours=48)
"""The time that Shopify itself waits between an uninstall and shop/redact."""
MAX_IN = 500
"""Maximum number of ids in one statement, since databases limit the number of parameters."""


def answer_privacy(
    services: Services, session: Session, shop: Shop, event: PrivacyEvent, *, event_id: str, received_at: datetime
) -> PrivacyRequest:
    """Answer or postpone one request in the caller's transaction; return its receipt.

    A repeated request returns the existing receipt.
    """
    again = select(PrivacyRequest).where(PrivacyRequest.shop_id == shop.id, PrivacyRequest.event_id == event_id)
    if known := session.scalar(again):
        return known
    if event.kind in DESTRUCTIVE:
        return postpone(services, session, shop, event, event_id=event_id, received_at=received_at)
    row = _receipt(services, shop, event, event_id, received_at)
    session.add(row)
    carry_out(services, session, shop, event, row)
    return row


def carry_out(services: Services, session: Session, shop: Shop, event: PrivacyEvent, row: PrivacyRequest) -> None:
    """Carry out a request in the caller's transaction; its row records how many rows were found."""
    row.state, row.done_at, row.encrypted_event = REQUEST_DONE, services.now(), ""
    if event.kind == SHOP_REDACT:
        row.found = erase_shop(services, session, shop)
        return
    if event.kind == UNINSTALL:
        drop_key(session, shop, event.store)
        return
    address_hash = _address_hash(services, shop, event)
    orders = _orders(session, shop, event)
    contacts = _contacts(session, shop, address_hash, orders)
    theirs = {contact.id for contact in contacts}
    orders += [order for order in _orders_of(session, theirs) if order.id not in {one.id for one in orders}]
    emails = _emails(session, theirs, {order.id for order in orders})
    consents = _consents(session, theirs)
    row.found = {"contacts": len(contacts), "orders": len(orders), "emails": len(emails), "consents": len(consents)}
    if event.kind == DATA_REQUEST:
        row.encrypted_copy = services.crypto.encrypt(
            json.dumps(_copy(contacts, orders, emails, consents), ensure_ascii=False), DATA_COPY
        )
        row.copy_until, row.contact_ids = services.now() + COPY_FOR, sorted(theirs)
        row.order_ids = sorted(order.id for order in orders)
    else:
        _erase(services, session, shop, contacts, orders, address_hash)
        redact_webhooks(session, shop.id, event.email)


def drop_key(session: Session, shop: Shop, platform: str) -> None:
    """Delete the API key of a store that is still uninstalled."""
    connection = connection_of(session, shop.id, platform, lock=True)
    if connection is not None and connection.uninstalled_at is not None:
        connection.encrypted_key = ""


def _receipt(
    services: Services, shop: Shop, event: PrivacyEvent, event_id: str, received_at: datetime
) -> PrivacyRequest:
    return PrivacyRequest(
        shop_id=shop.id,
        event_id=event_id,
        kind=event.kind,
        received_at=received_at,
        found={},
        contact_ids=[],
        order_ids=[],
    )


def postpone(
    services: Services, session: Session, shop: Shop, event: PrivacyEvent, *, event_id: str, received_at: datetime
) -> PrivacyRequest:
    """Store a request that destroys data until it is due, notify the owners, and suppress emails to those concerned."""
    row = _receipt(services, shop, event, event_id, received_at)
    row.state, row.due_at = REQUEST_WAITING, received_at + GRACE
    row.encrypted_event = services.crypto.encrypt(json.dumps(asdict(event)), PRIVACY_EVENT)
    session.add(row)
    session.flush()  # The notification needs the id.
    for address_hash in _hashes(services, session, shop, event):
        suppress_unless_known(
            session, shop_id=shop.id, address_hash=address_hash, reason=ERASURE_PENDING, at=services.now()
        )
    announce(services, session, shop, row)
    about = f"request {row.id}: {event.kind.replace('_', ' ')}, due {moment_and_zone(row.due_at, shop.timezone)}"
    audit.record(
        session, shop_id=shop.id, at=services.now(), actor="store", action="privacy_request_waits", detail=about
    )
    return row


def event_of(services: Services, row: PrivacyRequest) -> PrivacyEvent:
    """Return the event of a waiting request. Raises InvalidToken if the key it was encrypted with is gone."""
    data = json.loads(services.crypto.decrypt(row.encrypted_event, PRIVACY_EVENT))
    return PrivacyEvent(**{**data, "order_ids": tuple(data["order_ids"])})


def release_hold(services: Services, session: Session, shop: Shop, event: PrivacyEvent, number: int) -> None:
    """Lift the suppressions of the canceled request ``number``, except those that other waiting requests still need."""
    try:
        others = [event_of(services, row) for row in _waiting(session, shop, number)]
    except InvalidToken:
        return  # Whom the unreadable request concerns is unknown: keep every suppression.
    still = set().union(*(_hashes(services, session, shop, other) for other in others))
    for address_hash in _hashes(services, session, shop, event) - still:
        lift(session, shop_id=shop.id, address_hash=address_hash, reason=ERASURE_PENDING)


def _waiting(session: Session, shop: Shop, but: int) -> list[PrivacyRequest]:
    mine = (PrivacyRequest.shop_id == shop.id, PrivacyRequest.state == REQUEST_WAITING, PrivacyRequest.id != but)
    return list(session.scalars(select(PrivacyRequest).where(*mine, PrivacyRequest.kind == CUSTOMER_REDACT)))


def _hashes(services: Services, session: Session, shop: Shop, event: PrivacyEvent) -> set[str]:
    """Return the address hashes of the people that a customer's request concerns; empty for other requests."""
    if event.kind != CUSTOMER_REDACT:
        return set()
    address_hash = _address_hash(services, shop, event)
    contacts = _contacts(session, shop, address_hash, _orders(session, shop, event))
    return {contact.address_hash for contact in contacts} | ({address_hash} if address_hash else set())


def copy_of(services: Services, shop_id: int, number: int, *, by: User) -> str | None:
    """Return the data copy of a request as JSON text and record the access in the audit log.

    Returns None if the request has no copy or the copy has expired.
    """
    with services.sessions.begin() as session:
        row = session.get(PrivacyRequest, number)
        now = services.now()
        if row is None or row.shop_id != shop_id or not row.encrypted_copy or (row.copy_until or now) <= now:
            return None
        about = f"request {number}"
        audit.record(
            session,
            shop_id=shop_id,
            at=now,
            user_id=by.id,
            actor=by.display_name,
            action="privacy_copy_taken",
            detail=about,
        )
        return services.crypto.decrypt(row.encrypted_copy, DATA_COPY)


def _address_hash(services: Services, shop: Shop, event: PrivacyEvent) -> str:
    try:
        return services.crypto.address_hash(shop.slug, checked_address(event.email)) if event.email else ""
    except BadAddress:
        return ""


def _orders(session: Session, shop: Shop, event: PrivacyEvent) -> list[Order]:
    """Return the orders named by the event and those with the store's id of the customer."""
    query = select(Order).where(Order.shop_id == shop.id)
    found: dict[int, Order] = {}
    for some in _chunks(event.order_ids):
        found |= {order.id: order for order in session.scalars(query.where(Order.external_id.in_(some)))}
    if event.customer_id:
        found |= {order.id: order for order in session.scalars(query.where(Order.customer_id == event.customer_id))}
    return list(found.values())


def _contacts(session: Session, shop: Shop, address_hash: str, orders: list[Order]) -> list[Contact]:
    query = select(Contact).where(Contact.shop_id == shop.id)
    found: dict[int, Contact] = {}
    for some in _chunks({order.contact_id for order in orders if order.contact_id}):
        found |= {contact.id: contact for contact in session.scalars(query.where(Contact.id.in_(some)))}
    if address_hash:
        found |= {contact.id: contact for contact in session.scalars(query.where(Contact.address_hash == address_hash))}
    return list(found.values())


def _orders_of(session: Session, contacts: set[int]) -> list[Order]:
    found: list[Order] = []
    for some in _chunks(contacts):
        found += session.scalars(select(Order).where(Order.contact_id.in_(some)))
    return found


def _emails(session: Session, contacts: set[int], orders: set[int]) -> list[Email]:
    found: dict[int, Email] = {}
    for column, ids in ((Email.contact_id, contacts), (Email.order_id, orders)):
        for some in _chunks(ids):
            found |= {email.id: email for email in session.scalars(select(Email).where(column.in_(some)))}
    return list(found.values())


def _consents(session: Session, contacts: set[int]) -> list[Consent]:
    found: list[Consent] = []
    for some in _chunks(contacts):
        found += session.scalars(select(Consent).where(Consent.contact_id.in_(some)).order_by(Consent.id))
    return found


def _chunks(ids: Iterable[Any]) -> list[list[Any]]:
    listed = list(ids)
    return [listed[at : at + MAX_IN] for at in range(0, len(listed), MAX_IN)]


def _erase(
    services: Services, session: Session, shop: Shop, contacts: list[Contact], orders: list[Order], address_hash: str
) -> None:
    for contact in contacts:
        erase_contact(services, session, contact)
    erase_orders(session, [order.id for order in orders])
    drop_copies(session, shop.id, orders=[order.id for order in orders])
    if address_hash:  # Even for an unknown address: a late delivery must not create a contact.
        suppress(session, shop_id=shop.id, address_hash=address_hash, reason=ERASED, at=services.now())


def _copy(contacts: list[Contact], orders: list[Order], emails: list[Email], consents: list[Consent]) -> dict[str, Any]:
    """Return the stored data of a person, for the shop to pass on. No answers, since none are stored with a person."""
    return {
        "contacts": [
            {"email": contact.email, "language": contact.locale, "known_since": contact.created_at.isoformat()}
            for contact in contacts
        ],
        "consents": [
            {"at": consent.at.isoformat(), "kind": consent.kind, "state": consent.state, "source": consent.source}
            for consent in consents
        ],
        "orders": [
            {
                "id": order.external_id,
                "number": order.number,
                "placed_at": order.placed_at.isoformat() if order.placed_at else None,
                "lines": [{"title": line["title"], "sku": line["sku"]} for line in order.lines],
            }
            for order in orders
        ],
        "emails": [
            {
                "template": email.template,
                "state": email.state,
                "due_at": email.due_at.isoformat(),
                "answer": email.answer,
            }
            for email in emails
        ],
    }
