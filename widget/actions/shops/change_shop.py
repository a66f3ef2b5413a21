"""Change the settings of a shop, all or none, with one audit log entry."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.domain.catalog.cart import EVENT, FORM, SHOPIFY, WOOCOMMERCE
from widget.services import Services
from widget.storage import audit
from widget.storage.catalog import bump_revision
from widget.storage.shops import Shop
from widget.storage.users import User

CARTS = (FORM, EVENT, SHOPIFY, WOOCOMMERCE)
"""How products are added to the cart: by a form, by an event on the store's page, or the platform's own way."""
MAX_PER_DAY = 1_000_000
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
COLUMNS = (
    "name",
    "url",
    "timezone",
    "postal_address",
    "cart",
    "paused",
    "quiet_from",
    "quiet_to",
    "emails_per_day",
    "soft_opt_in",
    "approval",
)
_SHOWN = ("name", "url", "cart")
"""Columns that affect results: changing one invalidates cached results."""


class BadSettings(ActionError):
    """Invalid settings. ``fields``: error message by field name."""

    code = "bad_settings"

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("Nothing was saved. Correct the marked fields and try again.")
        self.fields = fields


class ChangedMeanwhile(ActionError):
    """The settings were changed by another user after the form was displayed."""

    code = "changed_meanwhile"

    def __init__(self) -> None:
        super().__init__(
            "Another user changed the settings in the meantime. Your changes are not saved yet: review them below."
        )


def settings_mark(shop: Shop) -> str:
    """Return a hash of the settings, which changes whenever one of them does."""
    values = {name: getattr(shop, name) for name in COLUMNS}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:20]


def change_shop(
    services: Services, *, shop: str, values: Mapping[str, Any], by: User, seen: str | None = None
) -> list[str]:
    """Set these columns; return the names of those that changed.

    ``seen``: ``settings_mark`` of the settings shown in the form. Raises UnknownShop, BadSettings, ChangedMeanwhile.
    """
    wrong = {name: outcome for name, outcome in _problems(values).items() if outcome}
    if wrong:
        raise BadSettings(wrong)
    with services.sessions.begin() as session:
        row = require_shop(session, shop, lock=True)
        changed = [name for name, value in values.items() if getattr(row, name) != value]
        if changed and seen not in (None, settings_mark(row)):
            raise ChangedMeanwhile
        for name in changed:
            setattr(row, name, values[name])
        if changed:
            about = "; ".join(f"{name.replace('_', ' ')}: {_told(values[name])}" for name in changed)
            at = services.now()
            audit.record(
                session,
                shop_id=row.id,
                at=at,
                user_id=by.id,
                actor=by.display_name,
                action="settings_changed",
                detail=about,
            )
        if any(name in _SHOWN for name in changed):
            bump_revision(session, row.id)
    if changed:
        services.invalidate(f"{shop}/settings")
    return changed


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return " ".join(str(item) for item in value.values())
    return " ".join(str(value).split())[:80] or "none"


def _problems(values: Mapping[str, Any]) -> dict[str, str]:
    """Return an error message for each field; "" for valid fields."""
    found = {}
    if "name" in values:
        found["name"] = "" if 0 < len(values["name"]) <= 80 else "Enter a name of at most 80 characters."
    if "url" in values:
        found["url"] = (
            ""
            if not values["url"] or is_web_address(values["url"])
            else "Enter a URL that starts with https:// and a host name."
        )
    if "timezone" in values:
        known = values["timezone"] in available_timezones()
        found["timezone"] = "" if known else "Choose a time zone from the list, such as America/New_York."
    if "postal_address" in values:
        found["postal_address"] = "" if len(values["postal_address"]) <= 300 else "Use at most 300 characters."
    if "cart" in values:
        found |= _cart_problems(values["cart"])
    if "emails_per_day" in values:
        most = values["emails_per_day"]
        good = isinstance(most, int) and 0 <= most <= MAX_PER_DAY
        found["emails_per_day"] = "" if good else f"Enter a whole number from 0 (no limit) to {MAX_PER_DAY:,}."
    return found | _quiet_problems(values)


def _quiet_problems(values: Mapping[str, Any]) -> dict[str, str]:
    if not {"quiet_from", "quiet_to"} & values.keys():
        return {}
    start, end = values.get("quiet_from", ""), values.get("quiet_to", "")
    found = {
        name: "" if not text or _CLOCK.fullmatch(text) else "Enter a time such as 21:00."
        for name, text in (("quiet_from", start), ("quiet_to", end))
    }
    if bool(start) != bool(end):
        found["quiet_to" if start else "quiet_from"] = "Enter both times or neither."
    elif start and start == end:
        found["quiet_to"] = "The two times are the same, so no email could ever be sent."
    return found


def _cart_problems(cart: Mapping[str, Any]) -> dict[str, str]:
    if cart.get("kind") not in CARTS:
        return {"cart_kind": f"Choose one of {', '.join(CARTS)}."}
    if cart["kind"] == FORM:
        action = cart.get("action", "")
        good = is_web_address(action) or (action.startswith("/") and not action.startswith("//") and " " not in action)
        return {"cart_action": "" if good else "Enter a path such as /cart/add, or an https:// address."}
    return {}


def is_web_address(text: str) -> bool:
    """Return whether the text is an http or https URL without a user name or password."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username and " " not in text
    except ValueError:
        return False
