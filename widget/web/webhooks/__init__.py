"""Orders from stores. Verified on the raw bytes, stored, acknowledged; the work comes later."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request

from widget.actions.receive_hook import receive_hook
from widget.web.requests import current_parts

MOST_HOOK = 1024 * 1024
blueprint = Blueprint("webhooks", __name__, url_prefix="/hooks")


def hang(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.post("/<shop>/orders")
def orders(shop: str) -> Response:
    """A Standard Webhooks delivery. 200 for a good one, also when it is a repeat."""
    request.max_content_length = MOST_HOOK
    headers = {name.lower(): value for name, value in request.headers.items()}
    receive_hook(current_parts(), shop=shop, headers=headers, body=request.get_data(cache=False))
    return Response(b'{"status":"stored"}', mimetype="application/json")
