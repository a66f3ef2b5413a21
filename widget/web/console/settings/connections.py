"""The connections page: store platform and email provider with address, state, and keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.shops.connect_store import (
    MAIL,
    PLATFORMS,
    BadConnection,
    connect_store,
    disconnect_store,
    request_reconcile,
)
from widget.domain.roles import MANAGE
from widget.storage.connections import Connection, connections_of
from widget.stores.platforms import SHOPIFY
from widget.stores.shopify_api import version_notice
from widget.web.console.guard import me, permitted
from widget.web.console.page_context import PageContext, render_page, shop_page
from widget.web.console.settings.shop import last_change
from widget.web.requests import current_services

blueprint = Blueprint("connections_page", __name__, url_prefix="/shops/<shop>/settings/connections")


@dataclass(frozen=True, slots=True)
class Kind:
    """A store platform or email provider and its own terms. ``address`` and ``key`` are empty if it has none."""

    id: str
    name: str
    what: str
    secret: str
    secret_help: str
    address: str = ""
    key: str = ""
    key_help: str = ""


CONNECTION_KINDS = (
    Kind(
        "shopify",
        "Shopify",
        "Orders, refunds, consents, and privacy requests.",
        "App client secret",
        "Signs each delivery. After a change, the previous secret stays valid for one day.",
        "Storefront URL, such as https://name.myshopify.com",
        "Admin API credentials, as client ID:client secret",
        "Of an app in the Dev Dashboard with read_orders (and read_products for the catalog); tokens are renewed "
        "automatically. The access token of a legacy custom app (shpat_…) works, too.",
    ),
    Kind(
        "woocommerce",
        "WooCommerce",
        "Orders that are created, updated, or deleted.",
        "Webhook secret",
        "Use the same secret in all three webhooks.",
        "Storefront URL",
        "REST API key, as ck_…:cs_…",
        "Requires read permission. Used to reconcile orders, because WooCommerce never retries a failed delivery.",
    ),
    Kind(
        "ses",
        "Amazon SES",
        "Bounces and complaints, through an SNS topic.",
        "Topic ARN",
        "Subscribe the URL above to the topic over HTTPS. The subscription is confirmed automatically.",
    ),
    Kind(
        "sendgrid",
        "Twilio SendGrid",
        "Email events, through its signed event webhook.",
        "Event webhook verification key",
        "Paste it as SendGrid shows it, on one line.",
    ),
    Kind(
        "postmark",
        "Postmark",
        "Bounces and complaints.",
        "Credentials, as name:password",
        "Enter the same credentials in the webhook's basic authentication.",
    ),
)
BY_ID = {kind.id: kind for kind in CONNECTION_KINDS}


@blueprint.get("")
@permitted(MANAGE)
def show(shop: str) -> str:
    """Show all store platforms and email providers with their connections."""
    return _page(shop_page(shop))


@blueprint.post("/<platform>")
@permitted(MANAGE)
def change(shop: str, platform: str) -> AnyResponse:
    """Save the typed values, reconcile orders now, or disconnect."""
    if platform not in BY_ID:
        abort(404)
    page, services, form = shop_page(shop), current_services(), request.form
    do, name = form.get("do", ""), BY_ID[platform].name
    try:
        if do == "set":
            typed = {item: form.get(item, "")[:5000] for item in ("address", "secret", "key")}
            if not any(value.strip() for value in typed.values()):
                raise BadConnection({"secret": "Fill in at least one field."})
            address, secret, key = typed["address"], typed["secret"], typed["key"]
            connect_store(services, shop=shop, platform=platform, by=me(), address=address, secret=secret, key=key)
            flash(f"{name} is connected. Deliveries are processed from now on.", "good")
        elif do == "look":
            request_reconcile(services, shop=shop, platform=platform)
            flash("Order reconciliation starts within a minute.", "good")
        elif do == "disconnect":
            disconnect_store(services, shop=shop, platform=platform, by=me())
            flash(f"{name} is disconnected. Data already received is kept.", "good")
        else:
            abort(400)
    except BadConnection as error:
        return make_response(_page(page, wrong={platform: error.fields}, typed=form.get("address", "")[:500]), 422)
    return redirect(f"{page.shop_root}/settings/connections#{platform}", 303)


def _page(page: PageContext, *, wrong: dict[str, dict[str, str]] | None = None, typed: str = "") -> str:
    services = current_services()
    with services.reads() as session:
        rows = connections_of(session, page.shop.id)
    base = f"{services.settings.public_url}/webhooks/{page.shop.slug}"
    shown = [_shown(kind, rows.get(kind.id), base) for kind in CONNECTION_KINDS]
    return render_page(
        "console/settings/connections.html",
        page,
        title="Settings",
        lead="The store platform that sends orders, and the email provider that reports email events.",
        section="settings",
        stores=[item for item in shown if item["kind"].id in PLATFORMS],
        providers=[item for item in shown if item["kind"].id in MAIL],
        wrong=wrong or {},
        typed=typed,
        last=last_change(page),
    )


def _shown(kind: Kind, row: Connection | None, base: str) -> dict[str, Any]:
    path = kind.id if kind.id in PLATFORMS else f"mail/{kind.id}"
    notice = version_notice(current_services().now().date()) if kind.id == SHOPIFY and row and row.address else ""
    return {"kind": kind, "row": row, "webhook": f"{base}/{path}", "state": _state(row), "notice": notice}


def _state(row: Connection | None) -> tuple[str, str, str]:
    """Return (label, icon, class)."""
    if row is None or not row.encrypted_secrets:
        return "not connected", "minus", "soft"
    if row.uninstalled_at is not None:
        return "uninstalled in the store", "warning", "warn"
    if row.error:
        return "error", "error", "bad"
    return "connected", "ok", "good"
