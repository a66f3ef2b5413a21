"""Let a failed delivery be tried again, because a person said so."""

from __future__ import annotations

from widget.actions.errors import ActionError
from widget.nudges import WEBHOOKS, nudge
from widget.services import Services
from widget.storage.audit import note
from widget.storage.hooks import DONE, FAILED, WAITING, Hook
from widget.storage.people import Person


class NoReplay(ActionError):
    code = "no_replay"


def replay_hook(services: Services, hook_id: int, *, shop_id: int, by: Person) -> bool:
    """Put a failed delivery back to waiting; False when it waits already. Raises NoReplay."""
    with services.sessions.begin() as session:
        hook = session.get(Hook, hook_id, with_for_update=True)
        if hook is None or hook.shop_id != shop_id:
            raise NoReplay("there is no such delivery")
        if hook.state == WAITING:
            return False
        if hook.state == DONE or not hook.body:
            raise NoReplay("this delivery was worked through meanwhile: there is nothing to repeat")
        assert hook.state == FAILED
        hook.state, hook.error, hook.done_at, hook.attempts, hook.retry_at = WAITING, "", None, 0, None
        nudge(session, WEBHOOKS)
        about, at = f"delivery {hook_id}", services.now()
        note(session, shop_id=shop_id, at=at, person_id=by.id, who=by.told, what="hook_replayed", about=about)
        return True
