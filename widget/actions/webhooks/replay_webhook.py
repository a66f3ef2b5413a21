"""Replay a failed webhook delivery at a user's request."""

from __future__ import annotations

from widget.actions.errors import ActionError
from widget.nudges import WEBHOOKS, nudge
from widget.services import Services
from widget.storage import audit
from widget.storage.users import User
from widget.storage.webhook_deliveries import DELIVERY_DONE, DELIVERY_FAILED, DELIVERY_WAITING, WebhookDelivery


class NoReplay(ActionError):
    code = "no_replay"


def replay_webhook(services: Services, delivery_id: int, *, shop_id: int, by: User) -> bool:
    """Set a failed delivery back to waiting; return False if it is already waiting. Raises NoReplay."""
    with services.sessions.begin() as session:
        delivery = session.get(WebhookDelivery, delivery_id, with_for_update=True)
        if delivery is None or delivery.shop_id != shop_id:
            raise NoReplay("this delivery does not exist")
        if delivery.state == DELIVERY_WAITING:
            return False
        if delivery.state == DELIVERY_DONE or not delivery.body:
            raise NoReplay("this delivery has already been processed")
        assert delivery.state == DELIVERY_FAILED
        delivery.state, delivery.error, delivery.done_at, delivery.attempts, delivery.retry_at = (
            DELIVERY_WAITING,
            "",
            None,
            0,
            None,
        )
        nudge(session, WEBHOOKS)
        about, at = f"delivery {delivery_id}", services.now()
        audit.record(
            session,
            shop_id=shop_id,
            at=at,
            user_id=by.id,
            actor=by.display_name,
            action="webhook_replayed",
            detail=about,
        )
        return True
