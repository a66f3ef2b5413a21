"""WSGI middleware that serves cached responses before Flask. The RSGI server is in widget/web/server.py."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from widget.actions.quiz.submit_answers import record_response
from widget.domain.quiz.bots import is_bot
from widget.services import Services
from widget.telemetry import REQUESTS, RESULTS
from widget.web.bodies import max_body
from widget.web.budgets import Budgets, client_address
from widget.web.response_cache import (
    MAX_POST_BODY,
    CachedPage,
    CachedResponse,
    Headers,
    ResponseCache,
    attempt_in,
    count_cached,
    key_of,
    takes_gzip,
)

StartResponse = Callable[..., Any]
Answer = tuple[int, Headers, bytes]
_CACHED_RESULTS = RESULTS.labels("front")
REASONS = {200: "200 OK", 201: "201 CREATED", 304: "304 NOT MODIFIED"}


class CachingMiddleware:
    """Cached responses in front of an application, for any WSGI server and for tests."""

    def __init__(self, app: Callable[..., Iterable[bytes]], services: Services) -> None:
        self.app = app
        self.services = services
        self.cache = ResponseCache(services)
        self.budgets = Budgets(services.settings.client_rate)
        self.proxies = services.settings.trusted_proxies

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        body = b""
        if method == "POST":
            peer, forwarded = environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", "")
            wait = self.budgets.retry_after(path, client_address(peer, forwarded, self.proxies))
            if wait:
                status, headers, content = too_many(wait)
                start("429 TOO MANY REQUESTS", headers)
                return [content]
            _whole_body(environ)
        if method == "POST" and path.endswith("/responses"):
            body = _read_small(environ)
        if method != "GET" and not body:
            return self.app(environ, start)
        kind = environ.get("CONTENT_TYPE", "") if body else ""
        key = key_of(path, environ.get("QUERY_STRING", ""), environ.get("HTTP_ACCEPT_LANGUAGE", ""), kind)
        found = self.answer(key, method, path, body, environ, attempt_in(environ.get("QUERY_STRING", "")))
        if found is not None:
            status, headers, content = found
            start(REASONS[status], headers)
            return [content]
        answered = self.app(environ, start)
        self.cache.keep(key, body, environ)
        return answered

    def answer(
        self,
        key: tuple[str, ...] | None,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, Any],
        attempt: str = "",
    ) -> Answer | None:
        """Return (status, headers, body) of a cached response, or None if Flask must respond. Never blocks.

        ``headers``: named as in a WSGI environment (HTTP_IF_NONE_MATCH, HTTP_ACCEPT_ENCODING, HTTP_USER_AGENT).
        """
        if method == "GET":
            page = self.cache.page(key)
            return page_answer(page, path, headers) if page is not None else None
        known = self.cache.response(key, body)
        return self._response_answer(known, path, headers, attempt) if known is not None else None

    def _response_answer(self, known: CachedResponse, path: str, headers: dict[str, Any], attempt: str) -> Answer:
        _CACHED_RESULTS.inc()
        bot = is_bot(headers.get("HTTP_USER_AGENT", ""))
        visit = record_response(self.services, known.loaded, known.known, known.locale, bot=bot, attempt=attempt)
        content = known.body(visit)
        request_id = count_cached("api", "201", "POST", path)
        return 201, [*known.headers, ("Content-Length", str(len(content))), ("X-Request-Id", request_id)], content


def too_many(wait: int) -> Answer:
    """Return a 429 response as problem details (RFC 9457), for a client that sends too many requests."""
    REQUESTS.labels("budget", 429).inc()
    body = orjson.dumps(
        {
            "type": "about:blank",
            "title": "Too many requests",
            "status": 429,
            "detail": "Wait a moment, then try again.",
            "code": "too_many_requests",
        }
    )
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Access-Control-Allow-Origin", "*"),
        ("Retry-After", str(wait)),
    ]
    return 429, headers, body


def page_answer(page: CachedPage, path: str, headers: dict[str, Any]) -> Answer:
    blueprint = "embed_file" if page.loaded is None else "api"
    if page.etag and headers.get("HTTP_IF_NONE_MATCH") == page.etag:
        kept = [header for header in page.headers if header[0] != "Content-Length"]
        return 304, [*kept, ("X-Request-Id", count_cached(blueprint, "304", "GET", path))], b""
    request_id = ("X-Request-Id", count_cached(blueprint, "200", "GET", path))
    if page.packed and takes_gzip(headers.get("HTTP_ACCEPT_ENCODING", "")):
        return 200, [*page.packed_headers, request_id], page.packed
    return 200, [*page.headers, request_id], page.body


def _whole_body(environ: dict[str, Any]) -> None:
    """Read a chunked body and set its length, so that an oversized one is rejected instead of truncated."""
    if "chunked" not in environ.pop("HTTP_TRANSFER_ENCODING", "").lower():
        return
    most = max_body(environ["PATH_INFO"])
    pieces, size = [], 0
    while size <= most:
        piece = environ["wsgi.input"].read(most + 1 - size)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(b"".join(pieces)), str(size)


def _read_small(environ: dict[str, Any]) -> bytes:
    """Return the posted answers if they are small enough to cache, else empty bytes; Flask reads them again."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or -1)
    except ValueError:
        return b""
    if not 0 < length <= MAX_POST_BODY:
        return b""
    body: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body
