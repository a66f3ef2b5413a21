"""Record a change of marketing consent reported by a store."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.domain.email.send_policy import UNSUBSCRIBED
from widget.domain.orders.order import ConsentEvent
from widget.email.message import BadAddress, checked_address
from widget.services import Services
from widget.storage.contacts import (
    GRANTED,
    MARKETING,
    WITHDRAWN,
    Consent,
    Contact,
    consent_state,
    contact_for,
    suppress,
    suppressed,
)
from widget.storage.orders import Order
from widget.storage.shops import Shop

SOURCE = "store"


def record_consent(services: Services, session: Session, shop: Shop, event: ConsentEvent) -> None:
    """Record a consent event in the caller's transaction.

    A withdrawal takes effect at once, also for pending emails, and for all known addresses of the person. A consent
    applies to the reported address, unless the person has opted out with us. For late or repeated events, the newest by
    the store's clock counts.
    """
    address_hash = _address_hash(services, shop, event)
    if event.granted:
        _granted(services, session, shop, event, address_hash)
        return
    contacts = _contacts(session, shop, event, address_hash)
    for contact in contacts:
        if not _told_later(session, contact, event):
            _note(session, shop, contact, event, WITHDRAWN)
            _stop(services, session, shop, contact.address_hash)
    if address_hash and address_hash not in {item.address_hash for item in contacts}:
        _stop(services, session, shop, address_hash)  # A withdrawal creates no contact: only the hash is stored.


def _granted(services: Services, session: Session, shop: Shop, event: ConsentEvent, address_hash: str) -> None:
    if not address_hash or suppressed(session, shop.id, address_hash, services.now()):
        return  # Contradictory consent counts as a no; to get emails again, the person uses our own preference page.
    email, at = checked_address(event.email), services.now()
    contact = contact_for(session, shop_id=shop.id, address_hash=address_hash, email=email, locale="", at=at)
    if consent_state(session, contact.id, MARKETING) != WITHDRAWN and not _told_later(session, contact, event):
        _note(session, shop, contact, event, GRANTED)


def _note(session: Session, shop: Shop, contact: Contact, event: ConsentEvent, state: str) -> None:
    entry = {"kind": MARKETING, "state": state, "source": SOURCE, "at": event.at}
    session.add(Consent(shop_id=shop.id, contact_id=contact.id, **entry))


def _stop(services: Services, session: Session, shop: Shop, address_hash: str) -> None:
    suppress(session, shop_id=shop.id, address_hash=address_hash, reason=UNSUBSCRIBED, at=services.now())


def _told_later(session: Session, contact: Contact, event: ConsentEvent) -> bool:
    query = select(Consent.id).where(Consent.contact_id == contact.id, Consent.kind == MARKETING)
    return session.scalar(query.where(Consent.source == SOURCE, Consent.at >= event.at).limit(1)) is not None


def _address_hash(services: Services, shop: Shop, event: ConsentEvent) -> str:
    try:
        return services.crypto.address_hash(shop.slug, checked_address(event.email)) if event.email else ""
    except BadAddress:
        return ""


def _contacts(session: Session, shop: Shop, event: ConsentEvent, address_hash: str) -> list[Contact]:
    """Return the contacts of the address and of all orders with the store's id of the customer."""
    mine = select(Contact).where(Contact.shop_id == shop.id)
    found = list(session.scalars(mine.where(Contact.address_hash == address_hash))) if address_hash else []
    if event.customer_id:
        orders = select(Order.contact_id).where(Order.shop_id == shop.id, Order.customer_id == event.customer_id)
        found += session.scalars(mine.where(Contact.id.in_(orders)))
    return list({item.id: item for item in found}.values())
