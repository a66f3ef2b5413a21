"""The script that a store embeds in its pages, and the hashed files that it loads."""

from __future__ import annotations

from flask import Flask, Response, abort

from widget.web.assets import ASSETS, LOADER
from widget.web.response_cache import page_response, public_page

FOREVER = "public, max-age=31536000, immutable"


def register(app: Flask) -> None:
    app.add_url_rule("/embed.js", "embed", _loader)
    app.add_url_rule("/embed/<name>", "embed_file", _file)


def _loader() -> Response:
    return _script(LOADER, "text/javascript; charset=utf-8", "public, max-age=300")


def _file(name: str) -> Response:
    if name not in ASSETS:
        abort(404)
    body, kind = ASSETS[name]
    return _script(body, kind, FOREVER)


def _script(body: bytes, kind: str, cache: str) -> Response:
    """Return a script that any page of any store may load, and let the response cache serve it from now on."""
    return page_response(public_page(body, kind, cache, None))
