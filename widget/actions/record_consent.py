"""Note what a store says of somebody's consent to marketing."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.domain.gatekeeper import UNSUBSCRIBED
from widget.domain.order import ConsentEvent
from widget.mail.message import BadAddress, checked_address
from widget.parts import Parts
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


def record_consent(parts: Parts, session: Session, shop: Shop, event: ConsentEvent) -> None:
    """A no counts at once, for letters that wait as well. A yes counts unless the person said no to us.

    Told late or twice: the newest by the store's own clock counts.
    """
    contact = _contact(parts, session, shop, event)
    if contact is None or _told_later(session, contact, event):
        return
    known = consent_state(session, contact.id, MARKETING)
    if event.granted and (known == WITHDRAWN or suppressed(session, shop.id, contact.address_hash)):
        return  # Contradictory consent is a no; who wants letters again says so on our own page.
    state = GRANTED if event.granted else WITHDRAWN
    row = Consent(shop_id=shop.id, contact_id=contact.id, kind=MARKETING, state=state, source=SOURCE, at=event.at)
    session.add(row)
    if not event.granted:
        at, address_hash = parts.now(), contact.address_hash
        suppress(session, shop_id=shop.id, address_hash=address_hash, reason=UNSUBSCRIBED, at=at)


def _told_later(session: Session, contact: Contact, event: ConsentEvent) -> bool:
    query = select(Consent.id).where(Consent.contact_id == contact.id, Consent.kind == MARKETING)
    return session.scalar(query.where(Consent.source == SOURCE, Consent.at >= event.at).limit(1)) is not None


def _contact(parts: Parts, session: Session, shop: Shop, event: ConsentEvent) -> Contact | None:
    """By address; else by the store's id of the buyer. Nobody is made known to us by a no alone but by its hash."""
    if event.email:
        try:
            email = checked_address(event.email)
        except BadAddress:
            return None
        address_hash = parts.seals.address_hash(shop.slug, email)
        barred = suppressed(session, shop.id, address_hash)
        known = session.scalar(select(Contact).where(Contact.shop_id == shop.id, Contact.address_hash == address_hash))
        if known is not None or barred is not None:
            return known
        if not event.granted:
            at = parts.now()
            suppress(session, shop_id=shop.id, address_hash=address_hash, reason=UNSUBSCRIBED, at=at)
            return None
        return contact_for(session, shop_id=shop.id, address_hash=address_hash, email=email, locale="", at=parts.now())
    query = select(Contact).join(Order, Order.contact_id == Contact.id)
    query = query.where(Order.shop_id == shop.id, Order.customer_id == event.customer_id)
    return session.scalar(query.limit(1))
