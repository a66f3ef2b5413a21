"""What people decide about their letters: confirm, unsubscribe, choose, and be forgotten."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from widget.actions.errors import UnknownToken
from widget.actions.request_letter import note_consent
from widget.actions.send_letter import settle
from widget.domain.gatekeeper import UNSUBSCRIBED
from widget.domain.letter import PLANNED, SKIPPED
from widget.parts import Parts
from widget.seals import Forged
from widget.storage.contacts import (
    GRANTED,
    HEALTH_DATA,
    KINDS,
    MARKETING,
    PENDING,
    WITHDRAWN,
    Consent,
    Contact,
    Suppression,
    consent_state,
    suppress,
)
from widget.storage.hooks import Hook
from widget.storage.letters import Letter
from widget.storage.orders import Order
from widget.storage.shops import Shop


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a contact gets, for the page behind a link. ``email`` is masked."""

    shop: str
    email: str
    consents: dict[str, str]


def preferences(parts: Parts, purpose: str, token: str) -> Preferences:
    """Look only. Raises UnknownToken."""
    with parts.reads() as session:
        contact = contact_of(parts, session, purpose, token)
        shop = session.get_one(Shop, contact.shop_id)
        states = {kind: consent_state(session, contact.id, kind) or "" for kind in KINDS}
        return Preferences(shop.name, _masked(contact.email), states)


def confirm_consent(parts: Parts, purpose: str, token: str) -> Preferences:
    """What was pending is granted now; an earlier "no more letters" of the same person is lifted by it."""
    with parts.sessions.begin() as session:
        contact = contact_of(parts, session, purpose, token)
        contact.confirmed_at = contact.confirmed_at or parts.now()
        for kind in KINDS:
            if consent_state(session, contact.id, kind) == PENDING:
                note_consent(parts, session, contact.shop_id, contact.id, kind, GRANTED, "", "confirmed by link")
                if kind == MARKETING:
                    _lift(session, contact)
    return preferences(parts, purpose, token)


def unsubscribe(parts: Parts, purpose: str, token: str) -> Preferences:
    """No more letters that promote anything; at once, and as often as you like."""
    with parts.sessions.begin() as session:
        contact = contact_of(parts, session, purpose, token)
        _withdraw(parts, session, contact, MARKETING, "unsubscribe link")
    return preferences(parts, purpose, token)


def choose(parts: Parts, purpose: str, token: str, wanted: set[str]) -> Preferences:
    """Set the consents to what was ticked on the preference page."""
    with parts.sessions.begin() as session:
        contact = contact_of(parts, session, purpose, token)
        for kind in (MARKETING, HEALTH_DATA):
            state = consent_state(session, contact.id, kind)
            if kind in wanted and state != GRANTED:
                note_consent(parts, session, contact.shop_id, contact.id, kind, GRANTED, "", "preference page")
                if kind == MARKETING:
                    _lift(session, contact)
            elif kind not in wanted and state in (GRANTED, PENDING):
                _withdraw(parts, session, contact, kind, "preference page")
    return preferences(parts, purpose, token)


def erase(parts: Parts, purpose: str, token: str) -> None:
    """Forget a person: only the keyed hash stays, so that nobody writes to them again."""
    with parts.sessions.begin() as session:
        contact = contact_of(parts, session, purpose, token)
        address = contact.email
        now = parts.now()
        suppress(session, shop_id=contact.shop_id, address_hash=contact.address_hash, reason="erased", at=now)
        for letter in session.scalars(select(Letter).where(Letter.contact_id == contact.id)):
            letter.result_code, letter.answer, letter.locale = "", "", ""
            if letter.state == PLANNED:
                settle(parts, letter, SKIPPED, "erased")
        session.execute(delete(Consent).where(Consent.contact_id == contact.id))
        session.execute(
            update(Order).where(Order.contact_id == contact.id).values(contact_id=None, lines=[], number="")
        )
        contact.email, contact.locale, contact.confirmed_at = "", "", None
        _redact_hooks(session, contact.shop_id, address)


def _redact_hooks(session: Session, shop_id: int, address: str) -> None:
    """Hook bodies that name the address are emptied; that they came stays known."""
    if not address:
        return
    wanted = address.casefold().encode()
    rows = select(Hook.id, Hook.body).where(Hook.shop_id == shop_id).execution_options(yield_per=200)
    named = [hook_id for hook_id, body in session.execute(rows) if wanted in body.lower()]
    for hook_id in named:
        session.execute(update(Hook).where(Hook.id == hook_id).values(body=b""))


def contact_of(parts: Parts, session: Session, purpose: str, token: str) -> Contact:
    """The contact a link token stands for. Raises UnknownToken."""
    try:
        contact = session.get(Contact, parts.seals.open_token(purpose, token))
    except Forged as error:
        raise UnknownToken("this link is not one of ours") from error
    if contact is None:
        raise UnknownToken("this link leads nowhere any more")
    return contact


def _withdraw(parts: Parts, session: Session, contact: Contact, kind: str, source: str) -> None:
    if consent_state(session, contact.id, kind) != WITHDRAWN:
        note_consent(parts, session, contact.shop_id, contact.id, kind, WITHDRAWN, "", source)
    if kind == MARKETING:
        suppress(
            session,
            shop_id=contact.shop_id,
            address_hash=contact.address_hash,
            reason=UNSUBSCRIBED,
            at=parts.now(),
        )
    else:
        codes = update(Letter).where(Letter.contact_id == contact.id, Letter.order_id.is_not(None))
        session.execute(codes.values(result_code=""))


def _lift(session: Session, contact: Contact) -> None:
    session.execute(
        delete(Suppression).where(
            Suppression.shop_id == contact.shop_id,
            Suppression.address_hash == contact.address_hash,
            Suppression.reason.in_([UNSUBSCRIBED, "erased"]),
        )
    )


def _masked(email: str) -> str:
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}" if domain else ""
