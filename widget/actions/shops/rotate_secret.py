"""Rotate the webhook signing secret of a shop. The previous secret stays valid during the transition."""

from __future__ import annotations

from datetime import timedelta

from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.crypto import WEBHOOK_SECRET
from widget.services import Services
from widget.storage import audit
from widget.storage.shops import Shop
from widget.storage.users import User
from widget.stores.standard import new_secret

REPEAT_FOR = timedelta(minutes=1)


class Rotated(ActionError):
    """The secret was already rotated by another user or request."""

    code = "rotated_meanwhile"


def secret_mark(shop: Shop) -> str:
    """Return a mark that identifies the newest secret without revealing it: the end of its encrypted form."""
    return shop.encrypted_secrets[0][-16:] if shop.encrypted_secrets else ""


def rotate_secret(services: Services, *, shop: str, seen: str, by: User) -> str:
    """Create and return a new webhook secret; the previous one stays valid for a day.

    ``seen``: ``secret_mark`` of the newest secret when the page was displayed. A request repeated within a minute
    returns the same secret. Raises UnknownShop, Rotated.
    """
    with services.sessions.begin() as session:
        row = require_shop(session, shop, lock=True)
        now, known = services.now(), list(row.encrypted_secrets)
        if seen != secret_mark(row):
            twice = len(known) > 1 and known[1][-16:] == seen and row.secrets_rotated_at is not None
            if twice and row.secrets_rotated_at and now - row.secrets_rotated_at < REPEAT_FOR:
                return services.crypto.decrypt(known[0], WEBHOOK_SECRET)
            raise Rotated("The secret was already rotated. Check the current secret before you rotate it again.")
        secret = new_secret()
        row.encrypted_secrets = [services.crypto.encrypt(secret, WEBHOOK_SECRET), *known[:1]]
        row.secrets_rotated_at = now
        audit.record(session, shop_id=row.id, at=now, user_id=by.id, actor=by.display_name, action="secret_rotated")
        return secret
