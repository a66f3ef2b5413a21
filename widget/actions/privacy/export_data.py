"""Queue an email with a copy of a contact's data to the contact's own address."""

from __future__ import annotations

from sqlalchemy import select

from widget.actions.emails.queue_message import EXPORT, queue_message
from widget.actions.privacy.change_consent import contact_of
from widget.crypto import PREFERENCES
from widget.email.blocks import Heading, Paragraph, Points, Span
from widget.email.compose import compose
from widget.email.content import EmailFrame
from widget.i18n.strings import FALLBACK, strings_for
from widget.services import Services
from widget.storage.contacts import Consent
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.shops import Shop


def request_export(services: Services, purpose: str, token: str) -> None:
    """Queue the copy, requested by someone with access to the contact's mailbox. Raises UnknownToken."""
    with services.reads() as session:
        contact = contact_of(services, session, purpose, token)
        shop = session.get_one(Shop, contact.shop_id)
        consents = list(session.scalars(select(Consent).where(Consent.contact_id == contact.id).order_by(Consent.id)))
        orders = list(session.scalars(select(Order).where(Order.contact_id == contact.id).order_by(Order.id)))
        emails = list(session.scalars(select(Email).where(Email.contact_id == contact.id).order_by(Email.id)))
    said = [
        f"{consent.at:%Y-%m-%d %H:%M} UTC: {consent.kind} {consent.state} ({consent.source})" for consent in consents
    ]
    bought = [
        f"Order {order.number}: {', '.join(line['title'] or line['sku'] for line in order.lines)}" for order in orders
    ]
    sent = [f"{item.template}: {item.state}, due {item.due_at:%Y-%m-%d}" for item in emails]
    sent += [f"{item.template}: {item.answer}" for item in emails if item.answer]
    strings = strings_for(contact.locale or FALLBACK)
    blocks = [Paragraph((Span(strings.text("export_text", shop=shop.name, email=contact.email)),))]
    for name, lines in (("export_consents", said), ("export_orders", bought), ("export_emails", sent)):
        points = tuple((Span(line),) for line in lines or [strings["export_nothing"]])
        blocks += [Heading(strings[name]), Points(points)]  # type: ignore[list-item]
    frame = EmailFrame(
        shop=shop.name,
        subject=strings["export_subject"],
        preview=strings["export_preview"],
        locale=strings.locale,
        because=strings["because_export"],
        postal_address=shop.postal_address,
        preferences_url=f"{services.settings.public_url}/p/{services.crypto.token(PREFERENCES, contact.id)}",
        strings=strings,
    )
    written = compose(frame, blocks)
    with services.sessions.begin() as session:
        queue_message(services, session, shop, written, recipient=contact.email, kind=EXPORT, about=contact.id)
