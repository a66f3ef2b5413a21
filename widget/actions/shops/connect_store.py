"""Connect a shop to its store platform or email provider: webhook signing secret and API key."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.crypto import API_KEY, WEBHOOK_SECRET, InvalidToken
from widget.email.events.providers import MESSAGE, POSTMARK, SENDGRID, SES
from widget.nudges import CATALOG, nudge
from widget.services import Services
from widget.storage import audit
from widget.storage.connections import Connection, connection_of
from widget.storage.users import User
from widget.stores.fetching import Limits, NotFetched, checked_form
from widget.stores.platforms import SHOPIFY, WOOCOMMERCE

PLATFORMS = (SHOPIFY, WOOCOMMERCE)
MAIL = (SES, SENDGRID, POSTMARK)
MAX_SECRET = 4000
MIN_SECRET = {SHOPIFY: 16, WOOCOMMERCE: 8, SES: 20, SENDGRID: 60, POSTMARK: 9}
FIRST_LOOK_BACK = timedelta(days=1)


class BadConnection(ActionError):
    """Invalid connection settings. ``fields``: error message by field name."""

    code = "bad_connection"

    def __init__(self, wrong: dict[str, str]) -> None:
        super().__init__(" ".join(wrong.values()))
        self.fields = wrong


def connect_store(
    services: Services,
    *,
    shop: str,
    platform: str,
    by: User | None = None,
    address: str = "",
    secret: str = "",
    key: str = "",
    limits: Limits | None = None,
) -> None:
    """Set the given values and keep the others. Raises UnknownShop, BadConnection.

    The previous secret stays valid for a day beside a new ``secret``, so that no delivery is lost while the store
    switches over. With ``address`` and ``key``, orders are reconciled with the store's API.
    """
    address, secret, key = address.strip().rstrip("/"), secret.strip(), key.strip()
    _refuse(platform, address, secret, key, limits or Limits())
    with services.sessions.begin() as session:
        owner = require_shop(session, shop, lock=True)
        row, now = connection_of(session, owner.id, platform, lock=True), services.now()
        if row is None:
            row = Connection(shop_id=owner.id, platform=platform, address="", encrypted_secrets=[], encrypted_key="")
            session.add(row)
        changed = _take_secret(services, row, secret)
        if address and address != row.address:
            if row.address and row.encrypted_key and not key:
                # The key belongs to the old address: changing the address must not send the key to another host.
                row.encrypted_key, row.due_at = "", None
                changed.append("key removed")
            row.address = address
            changed.append("address")
        if key:
            row.encrypted_key = services.crypto.encrypt(key, API_KEY)
            changed.append("key")
        row.changed_at = now
        if changed and row.uninstalled_at is not None:
            row.uninstalled_at = None
        if row.address and row.encrypted_key and platform in PLATFORMS:
            row.due_at, row.error = now, ""
            nudge(session, CATALOG)
            row.synced_until = row.synced_until or now - FIRST_LOOK_BACK
        about = f"{platform}: {', '.join(changed) or 'no changes'}"
        who, user = (by.display_name, by.id) if by else ("command line", None)
        audit.record(session, shop_id=owner.id, at=now, user_id=user, actor=who, action="store_connected", detail=about)


def request_reconcile(services: Services, *, shop: str, platform: str) -> None:
    """Have a worker reconcile orders at once. Raises UnknownShop, BadConnection."""
    with services.sessions.begin() as session:
        row = _connection(session, shop, platform)
        if row.due_at is None:
            raise BadConnection({"key": "Enter the store's address and an API key first."})
        row.due_at = services.now()
        nudge(session, CATALOG)


def disconnect_store(services: Services, *, shop: str, platform: str, by: User) -> None:
    """Delete the connection with its secrets and key: its deliveries are no longer accepted.

    Raises UnknownShop, BadConnection.
    """
    with services.sessions.begin() as session:
        row, now = _connection(session, shop, platform), services.now()
        session.delete(row)
        what, about = "store_disconnected", platform
        audit.record(
            session, shop_id=row.shop_id, at=now, user_id=by.id, actor=by.display_name, action=what, detail=about
        )


def _connection(session: Session, shop: str, platform: str) -> Connection:
    owner = require_shop(session, shop)
    row = connection_of(session, owner.id, platform, lock=True)
    if row is None:
        raise BadConnection({"secret": "This platform is not connected."})
    return row


def _take_secret(services: Services, row: Connection, secret: str) -> list[str]:
    if not secret or (row.encrypted_secrets and _current_secret(services, row) == secret):
        return []
    row.rotated_at = services.now() if row.encrypted_secrets else None
    row.encrypted_secrets = [services.crypto.encrypt(secret, WEBHOOK_SECRET), *row.encrypted_secrets[:1]]
    return ["secret"]


def _current_secret(services: Services, row: Connection) -> str | None:
    """Return the newest secret; None if its key is gone, so that a new secret can be set."""
    try:
        return services.crypto.decrypt(row.encrypted_secrets[0], WEBHOOK_SECRET)
    except InvalidToken:
        return None


def _refuse(platform: str, address: str, secret: str, key: str, limits: Limits) -> None:
    wrong: dict[str, str] = {}
    if platform not in (*PLATFORMS, *MAIL, MESSAGE):
        wrong["platform"] = f"Choose one of {', '.join((*PLATFORMS, *MAIL))}."
    if address:
        try:
            checked_form(address, limits)
        except NotFetched as error:
            wrong["address"] = f"{str(error)[:1].upper()}{str(error)[1:]}."
    for name, value in (("secret", secret), ("key", key)):
        if len(value) > MAX_SECRET or "\x00" in value or "\n" in value:
            wrong[name] = f"Use at most {MAX_SECRET:,} characters, on one line."
    least = MIN_SECRET.get(platform, 0)
    if secret and len(secret) < least and "secret" not in wrong:
        wrong["secret"] = f"This is too short. Copy the complete value (at least {least} characters)."
    if platform == SES and secret and not secret.startswith("arn:aws"):
        wrong["secret"] = "Enter the topic's ARN, which begins with arn:aws."  # noqa: S105  # An error message, not a secret.
    if platform == POSTMARK and secret and ":" not in secret:
        wrong["secret"] = "Enter the user name and password as name:password."  # noqa: S105  # An error message, not a secret.
    if platform == WOOCOMMERCE and key and ":" not in key:
        wrong["key"] = "Enter the consumer key and secret as ck_…:cs_…."
    if wrong:
        raise BadConnection(wrong)
