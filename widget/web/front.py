"""In front of Flask: requests whose answer is known already are answered here, in microseconds.

Views offer what may be answered again (``offer``); it is kept only as long as the very same version and catalogue
are live in this process, which the live quizzes check every two seconds and at each word on the bus.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import request

from widget.actions.submit_answers import record_response
from widget.live import Served
from widget.parts import KnownResult, Parts
from widget.telemetry import RESULTS

OFFER = "recovery.offer"
MOST_ENTRIES = 8192
MOST_BODY_KEPT = 8 * 1024
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
_FRONT_HITS = RESULTS.labels("front")


@dataclass(frozen=True, slots=True)
class Page:
    """A GET answer. ``served`` None: it never changes while this process lives."""

    body: bytes
    headers: Headers
    etag: str
    served: Served | None


@dataclass(frozen=True, slots=True)
class Posted:
    """A result for a request body; only the visit token differs from one answer to the next."""

    before: bytes
    after: bytes
    headers: Headers
    served: Served
    known: KnownResult
    locale: str | None


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def offer(entry: Page | Posted) -> None:
    """Let the front layer answer this very request by itself from now on."""
    request.environ[OFFER] = entry


class Front:
    """The WSGI application that servers run."""

    def __init__(self, app: Callable[..., Iterable[bytes]], parts: Parts) -> None:
        self.app = app
        self.parts = parts
        self._live = parts.live.live
        self._pages: dict[tuple[str, str], Page] = {}
        self._posted: dict[tuple[str, str, bytes], Posted] = {}

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "GET":
            key = (environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
            page = self._pages.get(key)
            if page is not None:
                if page.served is None or self._still_live(page.served):
                    return _answer(page, environ, start)
                self._pages.pop(key, None)
            answer = self.app(environ, start)
            self._keep(self._pages, key, environ, Page)
            return answer
        if method == "POST" and environ["PATH_INFO"].endswith("/responses"):
            return self._post(environ, start)
        return self.app(environ, start)

    def _post(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        try:
            length = int(environ.get("CONTENT_LENGTH") or -1)
        except ValueError:
            length = -1
        if not 0 < length <= MOST_BODY_KEPT:
            return self.app(environ, start)
        body = environ["wsgi.input"].read(length)
        key = (environ["PATH_INFO"], environ.get("QUERY_STRING", "") + environ.get("CONTENT_TYPE", ""), body)
        posted = self._posted.get(key)
        if posted is not None and self._still_live(posted.served):
            _FRONT_HITS.inc()
            visit = record_response(self.parts, posted.served, posted.known, posted.locale)
            answer = b"".join((posted.before, visit.encode(), posted.after))
            start("201 CREATED", [*posted.headers, ("Content-Length", str(len(answer)))])
            return [answer]
        environ["wsgi.input"] = io.BytesIO(body)
        answered = self.app(environ, start)
        self._keep(self._posted, key, environ, Posted)
        return answered

    def _still_live(self, served: Served) -> bool:
        return self._live(served.shop.slug, served.quiz) is served

    def _keep(self, kept: dict[Any, Any], key: Any, environ: dict[str, Any], kind: type) -> None:
        entry = environ.get(OFFER)
        if isinstance(entry, kind):
            if len(kept) >= MOST_ENTRIES:
                kept.clear()
            kept[key] = entry


def _answer(page: Page, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    if page.etag and environ.get("HTTP_IF_NONE_MATCH") == page.etag:
        start("304 NOT MODIFIED", page.headers)
        return []
    start("200 OK", page.headers)
    return [page.body]
