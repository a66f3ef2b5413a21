"""Inbound webhooks from stores and email providers: verified on the raw body, stored, acknowledged."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, abort, request

from widget.actions.webhooks.receive_webhook import receive_email_event, receive_webhook
from widget.email.events.providers import MESSAGE, PROVIDERS
from widget.stores.platforms import ORDERS, PLATFORMS, WOOCOMMERCE
from widget.stores.woocommerce import is_ping
from widget.web.requests import current_services

MAX_WEBHOOK_BYTES = 1024 * 1024
STORED = b'{"status":"stored"}'
blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.post("/<shop>/orders", defaults={"platform": ORDERS})
@blueprint.post("/<shop>/<platform>")
def store(shop: str, platform: str) -> Response:
    """Verify and store a webhook delivery from a store. Responds with 200 if it is valid, even if it is a repeat."""
    if platform not in PLATFORMS:
        abort(404)
    headers, body = _taken()
    if platform == WOOCOMMERCE and is_ping(headers, body):
        return Response(b'{"status":"heard"}', mimetype="application/json")
    receive_webhook(current_services(), shop=shop, headers=headers, body=body, source=platform)
    return Response(STORED, mimetype="application/json")


@blueprint.post("/<shop>/mail/<provider>")
def mail(shop: str, provider: str) -> Response:
    """Verify and store an email event from an email provider, likewise."""
    if provider not in PROVIDERS or provider == MESSAGE:
        abort(404)
    headers, body = _taken()
    receive_email_event(current_services(), shop=shop, headers=headers, body=body, provider=provider)
    return Response(STORED, mimetype="application/json")


def _taken() -> tuple[dict[str, str], bytes]:
    """Return (headers by lowercase name, raw body)."""
    request.max_content_length = MAX_WEBHOOK_BYTES
    return {name.lower(): value for name, value in request.headers.items()}, request.get_data(cache=False)
