"""In-process response cache that serves cacheable responses without Flask.

Views mark the responses that may be reused (``mark_cacheable``). An entry is served only as long as the very same
version and catalog are live in this process.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Response, request
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from widget.quiz_registry import LoadedQuiz
from widget.services import CachedResult, Services
from widget.telemetry import REQUESTS, log, masked_path

CACHEABLE = "recovery.cacheable"
MAX_BYTES = 32 * 1024 * 1024
MAX_POST_BODY = 8 * 1024
MAX_HEADER = 200
"""Requests with a longer Accept-Language or Content-Type are not cached."""
LOG_EVERY = 500
"""One in this many cached responses is logged: enough to see that they happen, too few to cost anything."""
_ATTEMPT = re.compile(r"(?:^|&)attempt=([A-Za-z0-9-]{16,64})(?=&|$)")
_QUERY = re.compile(r"(?:(?:locale=[A-Za-z-]{1,35}|html=1)(?:&(?=.)|$)){0,2}")
_ids = itertools.count()
_PROCESS = secrets.token_hex(5)
Headers = list[tuple[str, str]]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A response to a GET.

    ``loaded`` is None if the response never changes while this process runs. ``packed`` is the gzipped body, if any.
    """

    body: bytes
    headers: Headers
    etag: str
    loaded: LoadedQuiz | None
    packed: bytes = b""
    packed_headers: Headers = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.body) + len(self.packed)


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A result for a request body. Only the visit token differs between responses."""

    before: bytes
    after: bytes
    headers: Headers
    loaded: LoadedQuiz
    known: CachedResult
    locale: str | None

    @property
    def size(self) -> int:
        return len(self.before) + len(self.after)

    def body(self, visit: str) -> bytes:
        return b"".join((self.before, visit.encode(), self.after))


def public_page(
    body: bytes, kind: str, cache: str, loaded: LoadedQuiz | None, vary: str = "Accept-Encoding"
) -> CachedPage:
    """Return a page that any origin may read and any cache may store, plain and gzipped."""
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = [
        ("Content-Type", kind),
        ("Cache-Control", cache),
        ("ETag", etag),
        ("Vary", vary),
        ("Access-Control-Allow-Origin", "*"),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    packed = gzip.compress(body, 9, mtime=0)
    packed_headers = [*headers, ("Content-Encoding", "gzip"), ("Content-Length", str(len(packed)))]
    return CachedPage(body, [*headers, ("Content-Length", str(len(body)))], etag, loaded, packed, packed_headers)


def mark_cacheable(entry: CachedPage | CachedResponse) -> None:
    """Let the response cache answer identical requests by itself from now on."""
    request.environ[CACHEABLE] = entry


def page_response(page: CachedPage) -> Response:
    """Return a page as Flask's response, and let the response cache serve it from now on."""
    mark_cacheable(page)
    packed = page.packed and takes_gzip(request.headers.get("Accept-Encoding", ""))
    response = Response(page.packed if packed else page.body, headers=page.packed_headers if packed else page.headers)
    response.make_conditional(request)
    return response


def takes_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3)."""
    if "gzip" not in accepted and "*" not in accepted:
        return False
    if ";" not in accepted:
        return True
    found = parse_accept_header(accepted, Accept)
    return bool(found["gzip"] if "gzip" in found.values() else found["*"])


class ResponseCache:
    """Cache keyed by everything in a request that may change the response. Limited to MAX_BYTES in total."""

    def __init__(self, services: Services) -> None:
        self._peek = services.quizzes.peek
        self._pages: dict[Key, CachedPage] = {}
        self._responses: dict[tuple[Key, bytes], CachedResponse] = {}
        self._bytes = 0
        self._current: dict[tuple[str, str], LoadedQuiz] = {}
        hsts = [("Strict-Transport-Security", "max-age=31536000")] if services.settings.secure else []
        self._always: Headers = [("Referrer-Policy", "no-referrer"), *hsts]

    def page(self, key: Key | None) -> CachedPage | None:
        """Return the entry for a GET if it is still valid. Never blocks."""
        page = self._pages.get(key) if key else None
        if page is None or page.loaded is None or self._is_live(page.loaded):
            return page
        self._pages.pop(key, None)  # type: ignore[arg-type]
        return None

    def response(self, key: Key | None, body: bytes) -> CachedResponse | None:
        """Return the entry for a POST of answers if it is still valid. Never blocks."""
        found = self._responses.get((key, body)) if key else None
        if found is None or self._is_live(found.loaded):
            return found
        self._responses.pop((key, body), None)  # type: ignore[arg-type]
        return None

    def keep(self, key: Key | None, body: bytes, environ: dict[str, Any]) -> None:
        """Store what a view marked as cacheable. Requests without a key are not worth the space."""
        entry = environ.get(CACHEABLE)
        if key is None or entry is None:
            return
        self._drop_older(entry.loaded)
        size = entry.size + len(body) + sum(map(len, key))
        if self._bytes + size > MAX_BYTES:
            self._pages, self._responses, self._bytes = {}, {}, 0
        self._bytes += size
        if isinstance(entry, CachedPage):
            packed = [*entry.packed_headers, *self._missing(entry.packed_headers)] if entry.packed else []
            headers = [*entry.headers, *self._missing(entry.headers)]
            self._pages[key] = replace(entry, headers=headers, packed_headers=packed)
        elif isinstance(entry, CachedResponse):
            headers = [*entry.headers, *self._missing(entry.headers)]
            self._responses[(key, body)] = replace(entry, headers=headers)

    def _drop_older(self, loaded: LoadedQuiz | None) -> None:
        """Drop entries of the previous version or catalog as soon as a newer one is served.

        They would keep all of its data in memory.
        """
        if loaded is None:
            return
        name = (loaded.shop.slug, loaded.quiz)
        if self._current.get(name) is loaded:
            return
        self._current[name] = loaded

        def stays(entry: CachedPage | CachedResponse) -> bool:
            return entry.loaded is None or (entry.loaded.shop.slug, entry.loaded.quiz) != name

        self._pages = {key: entry for key, entry in list(self._pages.items()) if stays(entry)}
        self._responses = {key: entry for key, entry in list(self._responses.items()) if stays(entry)}
        self._bytes = sum(entry.size + sum(map(len, key)) for key, entry in list(self._pages.items()))
        for (key, body), entry in list(self._responses.items()):
            self._bytes += entry.size + len(body) + sum(map(len, key))

    def _missing(self, headers: Headers) -> Headers:
        there = {name.lower() for name, _ in headers}
        return [(name, value) for name, value in self._always if name.lower() not in there]

    def _is_live(self, loaded: LoadedQuiz) -> bool:
        return self._peek(loaded.shop.slug, loaded.quiz) is loaded


def key_of(path: str, query: str, language: str, kind: str = "") -> Key | None:
    """Return the parts that distinguish requests, or None if the request is not worth caching.

    The ``attempt`` is different in each request, and the result is the same.
    """
    query = _ATTEMPT.sub("", query).lstrip("&")
    if len(language) > MAX_HEADER or len(kind) > MAX_HEADER or (query and not _QUERY.fullmatch(query)):
        return None
    # The header may decide the language of API responses; files and scripts are the same for everyone.
    return (path, query, language if path.startswith("/v1/") else "", kind)


def attempt_in(query: str) -> str:
    """Return the key by which a client marks repeats of one request; empty without one."""
    found = _ATTEMPT.search(query)
    return found[1] if found else ""


def count_cached(blueprint: str, status: str, method: str, path: str) -> str:
    """Count a cached response like any other, log one in LOG_EVERY, and return its request id."""
    number = next(_ids)
    request_id = f"{_PROCESS}{number:06x}"
    _counter(blueprint, status).inc()
    if number % LOG_EVERY == 0:
        log("web").info(
            "request",
            request_id=request_id,
            method=method,
            path=masked_path(path)[:200],
            status=int(status),
            cached=True,
            sampled=LOG_EVERY,
        )
    return request_id


def _counter(blueprint: str, status: str) -> Any:
    counter = _COUNTERS.get((blueprint, status))
    if counter is None:
        counter = _COUNTERS[(blueprint, status)] = REQUESTS.labels(blueprint, status)
    return counter


_COUNTERS: dict[tuple[str, str], Any] = {}
