"""Erase all customers of a shop. Totals, timestamps, and keyed hashes remain."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from widget.domain.email.send_policy import ERASED
from widget.domain.email.sequence import PLANNED, SKIPPED
from widget.services import Services
from widget.storage.contacts import Consent, Contact, Suppression
from widget.storage.email_events import EmailEvent
from widget.storage.emails import Email
from widget.storage.orders import Order, without_buyer
from widget.storage.outbox import drop_exports
from widget.storage.privacy import drop_copies
from widget.storage.shops import Shop
from widget.storage.webhook_deliveries import WebhookDelivery


def erase_shop(services: Services, session: Session, shop: Shop) -> dict[str, int]:
    """Erase the shop's customers; return the number of rows found by kind.

    Takes a few bulk statements in the caller's transaction.
    """
    found = {
        "contacts": _count(session, Contact, shop),
        "orders": _count(session, Order, shop),
        "emails": _count(session, Email, shop),
        "consents": _count(session, Consent, shop),
    }
    now, mine = services.now(), Email.shop_id == shop.id
    session.execute(update(Email).where(mine).values(result_code="", answer="", locale=""))
    lines = [{"at": now.isoformat(), "state": SKIPPED, "reason": ERASED}]
    stopped = {"state": SKIPPED, "reason": ERASED, "changed_at": now, "history": lines}
    session.execute(update(Email).where(mine, Email.state == PLANNED).values(**stopped))
    session.execute(delete(Consent).where(Consent.shop_id == shop.id))
    session.execute(delete(EmailEvent).where(EmailEvent.shop_id == shop.id))
    session.execute(update(Order).where(Order.shop_id == shop.id).values(**without_buyer()))
    _suppress_all(services, session, shop)
    nobody = {"email": "", "locale": "", "timezone": "", "confirmed_at": None}
    session.execute(update(Contact).where(Contact.shop_id == shop.id).values(**nobody))
    session.execute(update(WebhookDelivery).where(WebhookDelivery.shop_id == shop.id).values(body=b""))
    drop_copies(session, shop.id, everybody=True)
    drop_exports(session, shop.id)
    return found


def _count(session: Session, table: type[Contact | Order | Email | Consent], shop: Shop) -> int:
    return session.scalar(select(func.count()).select_from(table).where(table.shop_id == shop.id)) or 0


def _suppress_all(services: Services, session: Session, shop: Shop) -> None:
    """Suppress all known addresses by keyed hash, so that a late delivery does not store these people again."""
    session.execute(update(Suppression).where(Suppression.shop_id == shop.id).values(reason=ERASED))
    known = select(Suppression.address_hash).where(Suppression.shop_id == shop.id)
    rest = select(Contact.shop_id, Contact.address_hash, literal(ERASED), literal(services.now(), Suppression.at.type))
    rest = rest.where(Contact.shop_id == shop.id, Contact.address_hash.not_in(known))
    session.execute(insert(Suppression).from_select(["shop_id", "address_hash", "reason", "at"], rest))
