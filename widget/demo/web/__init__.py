"""The demo store and the local mailbox, in local mode only. The store uses the public API."""

from __future__ import annotations

from flask import Flask, abort, request

from widget.demo.set_up_demo import SHOP
from widget.demo.web import mailbox, store
from widget.settings_checks import is_loopback_host
from widget.web.requests import same_origin


def refuse_strangers() -> None:
    """Allow only requests to a loopback host name: other sites must not read the mailbox or move the clock.

    A foreign host name that resolves to this machine (DNS rebinding) is refused by its Host header, a form posted from
    another site by its origin.
    """
    host = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
    if not is_loopback_host(host.strip("[]")):
        abort(421, "This page is available only on this machine.")
    if request.method not in ("GET", "HEAD") and not same_origin():
        abort(403)


store.blueprint.before_request(refuse_strangers)
mailbox.blueprint.before_request(refuse_strangers)


def register(app: Flask) -> None:
    """Add the demo store and the mailbox; ``app.extensions["demo_shop"]`` names the shop with sample traffic."""
    app.extensions["demo_shop"] = SHOP
    app.register_blueprint(store.blueprint)
    app.register_blueprint(mailbox.blueprint)
