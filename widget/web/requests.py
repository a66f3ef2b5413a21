"""Per-request behavior: request id, log line without personal data, security headers."""

from __future__ import annotations

import re
import secrets
import time
from typing import cast
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, abort, current_app, g, request

from widget.services import Services
from widget.telemetry import REQUESTS, SECONDS, log, masked_path
from widget.web.bodies import MAX_PUBLIC_FIELDS

MAX_BODY = 64 * 1024
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
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
PRIVATE_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
"""For responses meant for one person: not cached, not sent to other sites as a referrer, not indexed."""
SAME_ORIGIN_REFERRER = ("/console/", "/demo/", "/mailbox/")


def current_services() -> Services:
    return cast(Services, current_app.extensions["services"])


def register_request_handlers(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
    g.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    if any(ord(sign) < 32 or sign == "\x7f" for sign in request.path):
        abort(404)  # None of our names contains a control character, and not every database accepts NUL in text.
    if any("\x00" in value for _, value in request.args.items(multi=True)):
        abort(400)
    if request.method == "POST" and request.path.startswith("/") and request.mimetype in FORMS:
        _check_form()


def _check_form() -> None:
    """Reject public forms with too many fields or a NUL character. The console has its own limits."""
    if not request.path.startswith("/console/"):
        refuse_many_fields(MAX_PUBLIC_FIELDS)
        refuse_nul()


def refuse_nul() -> None:
    """Abort with 400 if the form contains a NUL character, which PostgreSQL does not accept in text."""
    if any("\x00" in name or "\x00" in value for name, value in request.form.items(multi=True)):
        abort(400)


def _finish(response: Response) -> Response:
    blueprint = (request.endpoint or "none").split(".")[0]
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if request.path.startswith(SAME_ORIGIN_REFERRER):
        # With no-referrer, browsers send "Origin: null" with forms, which hides the page that they come from.
        response.headers.setdefault("Referrer-Policy", "same-origin")
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers.setdefault("X-Frame-Options", "DENY")
    if current_services().settings.secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    REQUESTS.labels(blueprint, response.status_code).inc()
    SECONDS.labels(blueprint).observe(seconds)
    log("web").info(
        "request",
        method=request.method,
        path=masked_path(request.path)[:200],
        status=response.status_code,
        ms=round(seconds * 1000, 1),
    )
    return response


def refuse_many_fields(most: int) -> None:
    """Abort with 413 if a form has more fields than ``most``, before it is parsed.

    Werkzeug itself limits only the parts of multipart forms.
    """
    if request.mimetype == "application/x-www-form-urlencoded" and request.get_data(cache=True).count(b"&") >= most:
        abort(413)


def same_origin() -> bool:
    """Return whether one of our own pages sent this request, as far as the browser reports it.

    Sec-Fetch-Site (Fetch Metadata) cannot be set by scripts and decides if it is present; otherwise Origin must be
    ours. Programs send neither: for them the form token decides. Source: OWASP Cross-Site Request Forgery Prevention.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or origin in (request.host_url.rstrip("/"), origin_of(current_services().settings.public_url))


def origin_of(url: str) -> str:
    """Return the scheme, host, and port of a URL, as browsers write an origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
