"""What every request has: an id, a log line without personal data, and the headers that keep browsers safe."""

from __future__ import annotations

import re
import secrets
import time
from typing import cast

import structlog
from flask import Flask, Response, abort, current_app, g, request

from widget.content.words import spoken
from widget.parts import Parts
from widget.telemetry import REQUESTS, SECONDS, log, masked_path

MOST_BODY = 64 * 1024
_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def current_parts() -> Parts:
    return cast(Parts, current_app.extensions["parts"])


def hang_requests(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
    g.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    if "\x00" in request.path:
        abort(404)  # No name of ours holds one, and not every database takes it as a text.


def _finish(response: Response) -> Response:
    door = (request.endpoint or "none").split(".")[0]
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    response.headers["X-Request-Id"] = g.get("request_id", "")
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers.setdefault("X-Frame-Options", "DENY")
    if current_parts().settings.secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    REQUESTS.labels(door, response.status_code).inc()
    SECONDS.labels(door).observe(seconds)
    log("web").info(
        "request",
        method=request.method,
        path=masked_path(request.path)[:200],
        status=response.status_code,
        ms=round(seconds * 1000, 1),
    )
    return response


def wished_language() -> str:
    """The language of the program's own words that the address or the browser asks for."""
    chosen = request.args.get("locale", "")[:35]
    return spoken(chosen or request.headers.get("Accept-Language", ""))
