"""Requests to see or lose what is kept of a person, as the store passed them on: the receipts."""

from __future__ import annotations

from flask import Blueprint, Response, abort

from widget.actions.answer_privacy import copy_of
from widget.domain.order import CUSTOMER_REDACT, DATA_REQUEST, SHOP_REDACT
from widget.domain.roles import MANAGE
from widget.storage.privacy import privacy_requests_of
from widget.web.console.guard import me, permitted
from widget.web.console.place import page, shop_place
from widget.web.requests import current_parts

blueprint = Blueprint("privacy_page", __name__, url_prefix="/shops/<shop>/settings/privacy")
KINDS = {
    DATA_REQUEST: ("Somebody asked what is kept of them", "search"),
    CUSTOMER_REDACT: ("Somebody was forgotten", "shield"),
    SHOP_REDACT: ("The whole shop was forgotten", "shield"),
}


@blueprint.get("")
@permitted(MANAGE)
def listing(shop: str) -> str:
    """The newest first."""
    place, parts = shop_place(shop), current_parts()
    with parts.reads() as session:
        rows = privacy_requests_of(session, place.shop.id)
    return page(
        "console/settings_privacy.html",
        place,
        title="Settings",
        lead="What people asked through the store, and what was done.",
        page="settings",
        rows=rows,
        kinds=KINDS,
        now=parts.now(),
    )


@blueprint.get("/<int:number>.json")
@permitted(MANAGE)
def copy(shop: str, number: int) -> Response:
    """The copy of a data request, for the shop to hand over."""
    place = shop_place(shop)
    found = copy_of(current_parts(), place.shop.id, number, by=me())
    if found is None:
        abort(404)
    headers = {"Content-Disposition": f"attachment; filename=data-request-{number}.json"}
    return Response(found, mimetype="application/json", headers=headers)
