"""Lift a suppression that rests on bounces: a person says why the address works again."""

from __future__ import annotations

from sqlalchemy import delete

from widget.actions.errors import NotPermitted
from widget.domain.email.email_event import LIFTABLE
from widget.services import Services
from widget.storage import audit
from widget.storage.contacts import Suppression
from widget.storage.email_events import forget_bounces
from widget.storage.users import User

MAX_REASON = 200


def lift_suppression(services: Services, *, shop_id: int, suppression_id: int, why: str, by: User | None) -> None:
    """Lift a suppression and its bounces, so that the next soft bounce does not bring it back at once.

    ``why`` goes into the audit log; ``by``: None for the command line. Raises NotPermitted if there is no such
    suppression, if it rests on what the person said (an unsubscribe, a complaint, an erasure), or without a reason.
    """
    why = " ".join(why.split())[:MAX_REASON]
    if not why:
        raise NotPermitted("Enter why this address should get emails again.")
    with services.sessions.begin() as session:
        row = session.get(Suppression, suppression_id, with_for_update=True)
        if row is None or row.shop_id != shop_id:
            raise NotPermitted("This address is no longer suppressed.")
        if row.reason not in LIFTABLE:
            raise NotPermitted("Only the recipient can lift this, by asking for emails again on a result page.")
        forget_bounces(session, shop_id, row.address_hash)
        session.execute(delete(Suppression).where(Suppression.id == row.id))
        audit.record(
            session,
            shop_id=shop_id,
            at=services.now(),
            user_id=by.id if by else None,
            actor=by.display_name if by else "command line",
            action="suppression_lifted",
            detail=f"{row.reason}: {why}",
        )
