"""Record a shopper's request to get a result by email."""

from __future__ import annotations

from sqlalchemy.orm import Session

from widget.actions.emails.plan_emails import plan_result_emails
from widget.actions.errors import ConsentNeeded
from widget.domain.email.schedule import known_zone
from widget.email.message import checked_address
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.storage.contacts import (
    CONSENT_KINDS,
    GRANTED,
    HEALTH_DATA,
    MARKETING,
    PENDING,
    RESULT_EMAIL,
    Consent,
    consent_state,
    contact_for,
)


def request_email(
    services: Services,
    *,
    loaded: LoadedQuiz,
    code: str,
    email: str,
    consents: dict[str, bool],
    text_version: str,
    locale: str | None = None,
    timezone: str = "",
    ended: bool = False,
) -> None:
    """Record the consents (pending until confirmed by a link in the email) and plan the requested emails.

    ``timezone``: of the requesting browser, such as ``Europe/Madrid``. ``ended``: the result is a red flag, after
    which nothing is promoted, so no marketing consent is recorded. Nothing here reveals whether the address is known.
    Raises BadAddress, ConsentNeeded.
    """
    address = checked_address(email)
    if not consents.get(RESULT_EMAIL):
        raise ConsentNeeded("Check the first box to have your result emailed.")
    locale = locale or loaded.engine.rules.pack.default_locale
    consents = {**consents, MARKETING: bool(consents.get(MARKETING)) and not ended}
    address_hash = services.crypto.address_hash(loaded.shop.slug, address)
    with services.sessions.begin() as session:
        contact = contact_for(
            session,
            shop_id=loaded.shop.id,
            address_hash=address_hash,
            email=address,
            locale=locale,
            at=services.now(),
        )
        if timezone and known_zone(timezone) == timezone:
            contact.timezone = timezone
        for kind in CONSENT_KINDS:
            if consents.get(kind) and consent_state(session, contact.id, kind) != GRANTED:
                promised = loaded.engine.rules.pack.emails_per_month if kind == MARKETING else None
                shop_id, source = loaded.shop.id, "result page"
                note_consent(
                    services, session, shop_id, contact.id, kind, PENDING, text_version, source, promised=promised
                )
        wanted = frozenset(kind for kind in (MARKETING, HEALTH_DATA) if consents.get(kind))
        plan_result_emails(services, session, loaded, contact_id=contact.id, code=code, locale=locale, consents=wanted)


def note_consent(
    services: Services,
    session: Session,
    shop_id: int,
    contact_id: int,
    kind: str,
    state: str,
    text_version: str,
    source: str,
    *,
    promised: int | None = None,
) -> None:
    """Add an entry to the consent ledger. ``promised``: marketing emails per 30 days stated in the consent text."""
    session.add(
        Consent(
            shop_id=shop_id,
            contact_id=contact_id,
            kind=kind,
            state=state,
            text_version=text_version[:40],
            source=source,
            emails_per_month=promised,
            at=services.now(),
        )
    )
