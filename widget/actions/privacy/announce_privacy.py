"""Notify the owners of a shop before a privacy request deletes data, so that they can cancel it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.emails.queue_message import PRIVACY, queue_message, system_email
from widget.domain.orders.order import CUSTOMER_REDACT, SHOP_REDACT
from widget.domain.roles import OWNER
from widget.email.blocks import Block, Button, Paragraph, Span
from widget.email.content import Written
from widget.i18n.times import moment_and_zone
from widget.services import Services
from widget.storage.privacy import PrivacyRequest
from widget.storage.shops import Shop
from widget.storage.users import Membership, User

WHAT = {
    SHOP_REDACT: "Your store asked us to delete the data of all its customers.",
    CUSTOMER_REDACT: "Your store asked us to delete the data of one of its customers.",
}
UNINSTALLED = "Your store reported that our app was uninstalled. Emails are paused, and its API key will be deleted."


def announce(services: Services, session: Session, shop: Shop, row: PrivacyRequest) -> None:
    """Queue an email to each owner, in the caller's transaction."""
    written = _written(services, shop, row)
    for owner in _owners(session, shop.id):
        queue_message(services, session, shop, written, recipient=owner.email, kind=PRIVACY, about=row.id)


def _owners(session: Session, shop_id: int) -> list[User]:
    mine = (Membership.shop_id == shop_id, Membership.role == OWNER, Membership.active_at.is_not(None))
    query = select(User).join(Membership, Membership.user_id == User.id).where(*mine)
    return list(session.scalars(query.where(User.disabled_at.is_(None)).order_by(User.id)))


def _written(services: Services, shop: Shop, row: PrivacyRequest) -> Written:
    assert row.due_at is not None
    when = moment_and_zone(row.due_at, shop.timezone)
    page = f"{services.settings.public_url}/console/shops/{shop.slug}/settings/privacy"
    what = WHAT.get(row.kind, UNINSTALLED)
    because = "You received this email because you are an owner of this shop."
    blocks: list[Block] = [
        Paragraph((Span(what),)),
        Paragraph((Span(f"This will happen on {when}, and cannot be undone."),)),
        Paragraph((Span("If you did not expect this, cancel it before then. Otherwise, no action is needed."),)),
        Button("View request", page),
    ]
    return system_email(shop, f"Data of {shop.name} will be deleted in two days", because, blocks)
