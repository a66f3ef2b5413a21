"""Orders from stores, reports from carriers. Verified on the raw bytes, stored, acknowledged; the work comes later."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, abort, request

from widget.actions.receive_hook import receive_hook, receive_report
from widget.email.reports.carriers import CARRIERS, MESSAGE
from widget.stores.platforms import ORDERS, PLATFORMS, WOOCOMMERCE
from widget.stores.woocommerce import is_ping
from widget.web.requests import current_services

MOST_HOOK = 1024 * 1024
STORED = b'{"status":"stored"}'
blueprint = Blueprint("webhooks", __name__, url_prefix="/hooks")


def hang(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.post("/<shop>/orders", defaults={"platform": ORDERS})
@blueprint.post("/<shop>/<platform>")
def store(shop: str, platform: str) -> Response:
    """A delivery of a store. 200 for a good one, also when it is a repeat."""
    if platform not in PLATFORMS:
        abort(404)
    headers, body = _taken()
    if platform == WOOCOMMERCE and is_ping(headers, body):
        return Response(b'{"status":"heard"}', mimetype="application/json")
    receive_hook(current_services(), shop=shop, headers=headers, body=body, door=platform)
    return Response(STORED, mimetype="application/json")


@blueprint.post("/<shop>/mail/<carrier>")
def mail(shop: str, carrier: str) -> Response:
    """A report of a mail carrier, likewise."""
    if carrier not in CARRIERS or carrier == MESSAGE:
        abort(404)
    headers, body = _taken()
    receive_report(current_services(), shop=shop, headers=headers, body=body, carrier=carrier)
    return Response(STORED, mimetype="application/json")


def _taken() -> tuple[dict[str, str], bytes]:
    """(headers by lower-case name, the raw body)"""
    request.max_content_length = MOST_HOOK
    return {name.lower(): value for name, value in request.headers.items()}, request.get_data(cache=False)
