"""Change email consent: confirm, unsubscribe, set preferences, erase."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from widget.actions.emails.plan_emails import plan_confirmed_emails
from widget.actions.emails.request_email import note_consent
from widget.actions.emails.store_outcome import transition
from widget.actions.errors import UnknownToken
from widget.crypto import UNSUBSCRIBE, InvalidToken
from widget.domain.email.send_policy import ASKED_AGAIN, ERASED, UNSUBSCRIBED
from widget.domain.email.sequence import PLANNED, SKIPPED
from widget.services import Services
from widget.storage.contacts import (
    CONSENT_KINDS,
    GRANTED,
    HEALTH_DATA,
    MARKETING,
    PENDING,
    RESULT_EMAIL,
    WITHDRAWN,
    Consent,
    Contact,
    Suppression,
    consent_state,
    promised_emails,
    suppress,
)
from widget.storage.content import live_quizzes
from widget.storage.database import scrub
from widget.storage.email_events import EmailEvent
from widget.storage.emails import Email
from widget.storage.orders import Order, without_buyer
from widget.storage.outbox import drop_exports
from widget.storage.privacy import drop_copies
from widget.storage.shops import Shop
from widget.storage.webhook_deliveries import DELIVERY_FAILED, WebhookDelivery

DEFAULT_CAP = 2


@dataclass(frozen=True, slots=True)
class Preferences:
    """The email preferences of a contact, for the preference page. ``email`` is masked; ``consents``: state by kind."""

    shop: str
    email: str
    consents: dict[str, str]
    locale: str = ""
    emails_per_month: int = 2


def preferences(services: Services, purpose: str, token: str) -> Preferences:
    """Return the contact's preferences without changing anything. Raises UnknownToken."""
    with services.reads() as session:
        contact = contact_of(services, session, purpose, token)
        shop = session.get_one(Shop, contact.shop_id)
        states = {kind: consent_state(session, contact.id, kind) or "" for kind in CONSENT_KINDS}
        if not states[MARKETING] and _said_yes_with_an_order(session, contact):
            states[MARKETING] = GRANTED
        promised = promised_emails(session, contact.id) or shop_cap(services, session, shop)
        return Preferences(shop.name, _masked(contact.email), states, contact.locale, promised)


def shop_cap(services: Services, session: Session, shop: Shop) -> int:
    """Return the lowest monthly cap of the shop's live quizzes: without a particular quiz, the strictest applies."""
    loaded = [services.quizzes.live(shop.slug, quiz) for quiz in live_quizzes(session, shop.id)]
    return min((found.engine.rules.pack.emails_per_month for found in loaded if found), default=DEFAULT_CAP)


def confirm_consent(services: Services, purpose: str, token: str, only: set[str] | None = None) -> Preferences:
    """Grant the pending consents (all of them, or ``only`` these kinds and the result); return the preferences.

    The click shows that the address works and is theirs: it lifts suppressions after bounces and complaints.
    Confirming marketing consent lifts an earlier unsubscribe, too. Raises UnknownToken.
    """
    with services.sessions.begin() as session:
        contact = contact_of(services, session, purpose, token)
        contact.confirmed_at = contact.confirmed_at or services.now()
        _lift(session, contact, ASKED_AGAIN)
        for kind in CONSENT_KINDS:
            if consent_state(session, contact.id, kind) == PENDING and (only is None or kind in only | {RESULT_EMAIL}):
                note_consent(services, session, contact.shop_id, contact.id, kind, GRANTED, "", "confirmed by link")
                if kind == MARKETING:
                    _lift(session, contact, {UNSUBSCRIBED})
                    shop = session.get_one(Shop, contact.shop_id)
                    plan_confirmed_emails(services, session, shop, contact_id=contact.id, locale=contact.locale)
    return preferences(services, purpose, token)


def unsubscribe(services: Services, purpose: str, token: str) -> Preferences:
    """Unsubscribe from marketing emails, effective at once; repeating has no effect. Raises UnknownToken."""
    with services.sessions.begin() as session:
        contact = contact_of(services, session, purpose, token)
        _withdraw(services, session, contact, MARKETING, "unsubscribe link")
    return preferences(services, purpose, token)


def choose(services: Services, purpose: str, token: str, wanted: set[str]) -> Preferences:
    """Set the consents to those selected on the preference page; return the preferences. Raises UnknownToken."""
    with services.sessions.begin() as session:
        contact = contact_of(services, session, purpose, token)
        for kind in (MARKETING, HEALTH_DATA):
            state = consent_state(session, contact.id, kind)
            if kind in wanted and state != GRANTED:
                promised = None
                if kind == MARKETING:
                    shop = session.get_one(Shop, contact.shop_id)
                    promised = promised_emails(session, contact.id) or shop_cap(services, session, shop)
                source = "preference page"
                note_consent(
                    services, session, contact.shop_id, contact.id, kind, GRANTED, "", source, promised=promised
                )
                if kind == MARKETING:
                    _lift(session, contact, {UNSUBSCRIBED, ERASED})
            elif kind not in wanted and state != WITHDRAWN:
                _withdraw(services, session, contact, kind, "preference page")
    return preferences(services, purpose, token)


def erase(services: Services, purpose: str, token: str) -> None:
    """Erase a person: only the keyed hash of the address stays, for suppression. Raises UnknownToken."""
    with services.sessions.begin() as session:
        contact = contact_of(services, session, purpose, token)
        erase_contact(services, session, contact)
    scrub(services.database)


def erase_contact(services: Services, session: Session, contact: Contact) -> None:
    """Erase a person in the caller's transaction."""
    address = contact.email
    now = services.now()
    suppress(session, shop_id=contact.shop_id, address_hash=contact.address_hash, reason=ERASED, at=now)
    for email in session.scalars(select(Email).where(Email.contact_id == contact.id)):
        email.result_code, email.answer, email.locale = "", "", ""
        if email.state == PLANNED:
            transition(services, email, SKIPPED, "erased")
    session.execute(delete(Consent).where(Consent.contact_id == contact.id))
    drop_exports(session, contact.shop_id, contact.id)
    reports = delete(EmailEvent).where(EmailEvent.shop_id == contact.shop_id)
    session.execute(reports.where(EmailEvent.address_hash == contact.address_hash))
    erase_orders(session, session.scalars(select(Order.id).where(Order.contact_id == contact.id)))
    drop_copies(session, contact.shop_id, contacts=[contact.id])
    contact.email, contact.locale, contact.timezone, contact.confirmed_at = "", "", "", None
    redact_webhooks(session, contact.shop_id, address)


def erase_orders(session: Session, order_ids: Iterable[int]) -> None:
    """Erase the buyer's data from these orders; their timestamps and totals stay, for statistics."""
    listed = list(order_ids)
    for at in range(0, len(listed), 500):
        session.execute(update(Order).where(Order.id.in_(listed[at : at + 500])).values(**without_buyer()))


def redact_webhooks(session: Session, shop_id: int, address: str) -> None:
    """Empty the bodies of failed deliveries that contain the address (those of processed ones are already empty)."""
    if not address:
        return
    wanted = address.casefold()
    rows = select(WebhookDelivery.id, WebhookDelivery.body).where(
        WebhookDelivery.shop_id == shop_id, WebhookDelivery.state == DELIVERY_FAILED
    )
    named = [delivery_id for delivery_id, body in session.execute(rows) if wanted in _plain(body)]
    for delivery_id in named:
        session.execute(update(WebhookDelivery).where(WebhookDelivery.id == delivery_id).values(body=b""))


def _plain(body: bytes) -> str:
    """Return the body as text with JSON escapes decoded, so that an address can be found in it."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False).casefold()
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").casefold()


def _said_yes_with_an_order(session: Session, contact: Contact) -> bool:
    query = select(Order.id).where(Order.contact_id == contact.id, Order.accepts_marketing.is_(True)).limit(1)
    return session.scalar(query) is not None


def contact_of(services: Services, session: Session, purpose: str, token: str) -> Contact:
    """Return the contact of a link token. Raises UnknownToken."""
    try:
        contact = session.get(Contact, services.crypto.open_token(purpose, token))
    except InvalidToken as error:
        raise UnknownToken("This link is invalid.") from error
    if contact is None or (not contact.email and purpose != UNSUBSCRIBE):
        raise UnknownToken(
            "The data behind this link was deleted. No emails are sent, and there is nothing left to choose."
        )
    return contact


def _withdraw(services: Services, session: Session, contact: Contact, kind: str, source: str) -> None:
    if consent_state(session, contact.id, kind) != WITHDRAWN:
        note_consent(services, session, contact.shop_id, contact.id, kind, WITHDRAWN, "", source)
    if kind == MARKETING:
        suppress(
            session,
            shop_id=contact.shop_id,
            address_hash=contact.address_hash,
            reason=UNSUBSCRIBED,
            at=services.now(),
        )
    else:
        codes = update(Email).where(Email.contact_id == contact.id, Email.order_id.is_not(None))
        session.execute(codes.values(result_code=""))


def _lift(session: Session, contact: Contact, reasons: Collection[str]) -> None:
    """Lift a suppression with one of these reasons: what the person has just done themselves is more recent."""
    session.execute(
        delete(Suppression).where(
            Suppression.shop_id == contact.shop_id,
            Suppression.address_hash == contact.address_hash,
            Suppression.reason.in_(reasons),
        )
    )


def _masked(email: str) -> str:
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}" if domain else ""
