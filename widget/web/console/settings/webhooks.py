"""The webhooks page: the webhook address and signing secrets."""

from __future__ import annotations

from flask import Blueprint, abort, make_response, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.shops.rotate_secret import Rotated, rotate_secret, secret_mark
from widget.domain.roles import MANAGE
from widget.storage.shops import BOTH_GOOD_FOR, good_secrets
from widget.storage.webhook_deliveries import webhook_deliveries_of
from widget.web.console.guard import me, permitted
from widget.web.console.page_context import render_page, shop_page
from widget.web.console.settings.shop import last_change
from widget.web.requests import current_services

blueprint = Blueprint("webhooks_page", __name__, url_prefix="/shops/<shop>/settings/webhooks")


@blueprint.get("")
@permitted(MANAGE)
def show(shop: str) -> str:
    """Show the webhook address, the number of valid secrets, and the form to rotate them."""
    return _show(shop)


def _show(shop: str, *, fresh: str = "", wrong: str = "") -> str:
    services, page = current_services(), shop_page(shop)
    rotated, good = page.shop.secrets_rotated_at, good_secrets(page.shop, services.now())
    with services.reads() as session:
        newest = next(iter(webhook_deliveries_of(session, page.shop.id, limit=1)), None)
    return render_page(
        "console/settings/webhooks.html",
        page,
        title="Settings",
        lead="Receive order webhooks from the store.",
        section="settings",
        address=f"{services.settings.public_url}/webhooks/{shop}/orders",
        fresh=fresh,
        wrong=wrong,
        many=len(good),
        rotated=rotated,
        older_until=rotated + BOTH_GOOD_FOR if rotated and len(good) > 1 else None,
        seen=secret_mark(page.shop),
        newest=newest,
        last=last_change(page),
    )


@blueprint.post("/rotate")
@permitted(MANAGE)
def rotate(shop: str) -> AnyResponse:
    """Rotate the secret. The new one is shown in this response and never again."""
    if request.form.get("sure") != "yes":
        return make_response(_show(shop, wrong="Select the checkbox to confirm."), 422)
    seen = request.form.get("seen", "")
    if not seen:
        abort(400)
    try:
        fresh = rotate_secret(current_services(), shop=shop, seen=seen[:64], by=me())
    except Rotated as error:
        return make_response(_show(shop, wrong=str(error)), 409)
    return make_response(_show(shop, fresh=fresh))
