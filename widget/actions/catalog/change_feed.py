"""Set or remove the address of a shop's product feed, or request an import."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from widget.actions.catalog.fetch_catalog import API, NoKey, api_of
from widget.actions.catalog.import_feed import FEED_STOPPED
from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.crypto import FEED_ADDRESS, InvalidToken
from widget.nudges import CATALOG, nudge
from widget.services import Services
from widget.storage import audit
from widget.storage.feeds import GIVEN_UP_AFTER, IDLE, RUNNING, WAITING, Feed, feed_of
from widget.storage.shops import Shop
from widget.storage.users import User
from widget.stores.fetching import Limits, NotFetched, checked_form

MAX_ADDRESS = 2000


class BadFeedAddress(ActionError):
    code = "bad_address"


class NotNow(ActionError):
    """No feed to import from, an import in progress, or a feed that has been read again since the page was loaded."""

    code = "not_now"


def change_feed(services: Services, *, shop: str, address: str, by: User, limits: Limits | None = None) -> None:
    """Set the address of the feed and request an import; an empty address removes the feed.

    Products that were imported before stay as they are. The address is stored encrypted, since it may contain a token.
    Raises UnknownShop, BadAddress.
    """
    if len(address) > MAX_ADDRESS:
        raise BadFeedAddress(f"Use at most {MAX_ADDRESS:,} characters.")
    try:
        if address.startswith(API):
            with services.reads() as session:
                owner = require_shop(session, shop)
            api_of(services, owner.id, address.removeprefix(API))
        elif address:
            checked_form(address, limits or Limits())
    except (NotFetched, NoKey) as error:
        message = str(error)
        raise BadFeedAddress(f"{message[:1].upper()}{message[1:]}.") from error
    with services.sessions.begin() as session:
        owner, row = _locked(session, shop)
        if row is None:
            row = Feed(shop_id=owner.id)
            session.add(row)
        now = services.now()
        row.encrypted_address = services.crypto.encrypt(address, FEED_ADDRESS) if address else ""
        row.state, row.due_at = (WAITING, now) if address else (IDLE, None)
        row.allow_missing, row.allow_changed = 0, 0
        row.started_at, row.progress = None, 0  # The result of a run in progress is discarded.
        row.asked_by = by.id if address else None
        row.seen_digest = ""
        nudge(session, CATALOG)
        named = address.removeprefix(API) if address.startswith(API) else urlsplit(address).hostname
        about = f"at {named}" if address else "removed"
        audit.record(
            session, shop_id=owner.id, at=now, user_id=by.id, actor=by.display_name, action="feed_changed", detail=about
        )


def ask_for_import(services: Services, *, shop: str, by: User, missing: int | None = None, changed: int = 0) -> None:
    """Have a worker import the feed at once. Raises UnknownShop, NotNow.

    ``missing``: import although this many products are missing from the feed, and ``changed`` names and prices are
    different, as the last run reported; the import stops again if there are more.
    """
    with services.sessions.begin() as session:
        _, row = _locked(session, shop)
        if row is None or not row.encrypted_address:
            raise NotNow("Enter the address of the feed first.")
        now = services.now()
        at_it = row.state == RUNNING and row.started_at is not None and row.started_at >= now - GIVEN_UP_AFTER
        if at_it:
            raise NotNow("An import is in progress. Its results will appear here.")
        reported = (len(row.missing), len(row.suspicious))
        if missing is not None and (row.outcome != FEED_STOPPED or reported != (missing, changed)):
            raise NotNow("The feed was checked again in the meantime. Review the new results first.")
        row.state, row.due_at, row.asked_by = WAITING, now, by.id
        row.allow_missing, row.allow_changed, row.progress = missing or 0, changed, 0
        nudge(session, CATALOG)


def _locked(session: Session, slug: str) -> tuple[Shop, Feed | None]:
    owner = require_shop(session, slug)  # Not locked: an import locks the feed first, then the shop.
    return owner, feed_of(session, owner.id, lock=True)


def shown_address(services: Services, row: Feed | None) -> str:
    """Return the address for display: the host only, since path and query may contain a token; empty without a feed."""
    if row is None or not row.encrypted_address:
        return ""
    try:
        address = services.crypto.decrypt(row.encrypted_address, FEED_ADDRESS)
        if address.startswith(API):
            return f"the API of {address.removeprefix(API).title()}"
        return f"https://{urlsplit(address).hostname}/…"
    except (InvalidToken, ValueError):
        return "encrypted with another key: enter it again"
