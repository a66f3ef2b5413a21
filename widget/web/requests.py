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
"""For answers that are one person's: kept by no cache, named to no other site, listed by no search engine."""
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
        abort(404)  # No name of ours holds a control character, and not every database takes NUL as a text.
    if any("\x00" in value for _, value in request.args.items(multi=True)):
        abort(400)
    if request.method == "POST" and request.path.startswith("/") and request.mimetype in FORMS:
        _check_form()


def _check_form() -> None:
    """A form of a page that strangers reach: few fields, and no NUL in any of them. The console has its own limits."""
    if not request.path.startswith("/console/"):
        refuse_many_fields(MAX_PUBLIC_FIELDS)
        refuse_nul()


def refuse_nul() -> None:
    """400 for a form with a NUL character: PostgreSQL takes none in a text."""
    if any("\x00" in name or "\x00" in value for name, value in request.form.items(multi=True)):
        abort(400)


def _finish(response: Response) -> Response:
    blueprint = (request.endpoint or "none").split(".")[0]
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if request.path.startswith(SAME_ORIGIN_REFERRER):
        # With no-referrer a browser sends "Origin: null" with forms, and nobody can tell whose page sent them.
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
    """413 for a form with more fields than this, before it is parsed. Werkzeug limits the parts of multipart alone."""
    if request.mimetype == "application/x-www-form-urlencoded" and request.get_data(cache=True).count(b"&") >= most:
        abort(413)


def same_origin() -> bool:
    """Whether a page of ours sent this request, as far as its browser tells.

    Sec-Fetch-Site cannot be set by scripts and decides where it is sent (Fetch Metadata); else Origin must be ours.
    Programs send neither: for them the form's token decides. Source: OWASP Cross-Site Request Forgery Prevention.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or origin in (request.host_url.rstrip("/"), origin_of(current_services().settings.public_url))


def origin_of(url: str) -> str:
    """The scheme, host and port of an address, as browsers write an origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
