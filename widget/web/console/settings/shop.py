"""Shop settings: name, addresses, sending rules, approval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, flash, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.shops.change_shop import (
    COLUMNS,
    BadSettings,
    ChangedMeanwhile,
    change_shop,
    settings_mark,
)
from widget.domain.catalog.cart import EVENT, FORM
from widget.domain.roles import MANAGE
from widget.storage.audit import AuditEntry, last_entry
from widget.storage.shops import Shop
from widget.web.console.guard import me, permitted
from widget.web.console.labels import ACTION_GROUPS
from widget.web.console.page_context import PageContext, render_page, shop_page
from widget.web.requests import current_services

blueprint = Blueprint("settings_page", __name__, url_prefix="/shops/<shop>/settings")
MAX_TEXT = 2000
LABELS = {
    "name": "Name",
    "url": "Storefront URL",
    "timezone": "Time zone",
    "postal_address": "Postal address",
    "cart": "Cart",
    "paused": "Pause all emails",
    "quiet_from": "Quiet hours from",
    "quiet_to": "Quiet hours until",
    "emails_per_day": "Daily sending limit",
    "soft_opt_in": "Soft opt-in",
    "approval": "Require approval to publish",
}


@blueprint.get("")
@permitted(MANAGE)
def form(shop: str) -> str:
    """Show all settings in one form."""
    page = shop_page(shop)
    return _form(page, _fields(page.shop), settings_mark(page.shop))


@blueprint.post("")
@permitted(MANAGE)
def save(shop: str) -> AnyResponse:
    """Save all settings, or none of them."""
    page, typed = shop_page(shop), _typed(request.form)
    try:
        changed = change_shop(
            current_services(), shop=shop, values=_values(typed), by=me(), seen=request.form.get("seen", "")[:40]
        )
    except BadSettings as error:
        wrong = {name: message for name, message in error.fields.items() if message}
        return make_response(
            _form(page, typed, request.form.get("seen", "")[:40], wrong=wrong, message=str(error)), 422
        )
    except ChangedMeanwhile as error:
        now = shop_page(shop).shop
        shown = _fields(now)
        others = [(name, shown[name]) for name in COLUMNS if name != "cart" and str(shown[name]) != str(typed[name])]
        return make_response(_form(page, typed, settings_mark(now), message=str(error), others=others), 409)
    words = ", ".join(LABELS[name].lower() for name in changed)
    flash(f"Saved: {words}." if changed else "No changes to save.", "good")
    return redirect(f"{page.shop_root}/settings", 303)


def _form(page: PageContext, fields: dict[str, Any], seen: str, **more: Any) -> str:
    return render_page(
        "console/settings/shop.html",
        page,
        title="Settings",
        lead=f"Settings of {page.shop.name}. Shoppers see changes within seconds.",
        section="settings",
        f=fields,
        seen=seen,
        last=last_change(page),
        labels=LABELS,
        zones=sorted(available_timezones()),
        sender=current_services().settings.mail_from,
        **{"wrong": {}, "message": "", "others": [], **more},
    )


def last_change(page: PageContext) -> AuditEntry | None:
    """Return the audit entry of the latest change on the settings pages."""
    with current_services().reads() as session:
        return last_entry(session, page.shop.id, (*ACTION_GROUPS["Settings"], *ACTION_GROUPS["Store and provider"]))


def _fields(shop: Shop) -> dict[str, Any]:
    """Return the form fields for the current settings of a shop."""
    fields = {name: getattr(shop, name) for name in COLUMNS if name != "cart"}
    return {**fields, "cart_kind": shop.cart.get("kind", EVENT), "cart_action": shop.cart.get("action", "")}


def _typed(form: Mapping[str, str]) -> dict[str, Any]:
    """Return what was typed, without validation."""
    names = ("name", "url", "timezone", "quiet_from", "quiet_to", "emails_per_day", "cart_kind", "cart_action")
    fields: dict[str, Any] = {name: " ".join(form.get(name, "")[:MAX_TEXT].split()) for name in names}
    lines = form.get("postal_address", "")[:MAX_TEXT].splitlines()
    fields["postal_address"] = ", ".join(line.strip().rstrip(",") for line in lines if line.strip())
    fields["url"] = fields["url"].rstrip("/")
    return fields | {name: form.get(name) == "yes" for name in ("paused", "soft_opt_in", "approval")}


def _values(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as the columns store them. An invalid number stays text and is then rejected."""
    values = {name: typed[name] for name in COLUMNS if name != "cart"}
    most = str(typed["emails_per_day"]) or "0"
    values["emails_per_day"] = int(most) if most.isascii() and most.isdigit() and len(most) < 10 else most
    action = {"action": typed["cart_action"]} if typed["cart_kind"] == FORM else {}
    return {**values, "cart": {"kind": typed["cart_kind"], **action}}
