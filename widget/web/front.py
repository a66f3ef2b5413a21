"""In front of Flask: requests whose answer is known already are answered here, in microseconds.

Views offer what may be answered again (``offer``); it is kept only as long as the very same version and catalogue
are live in this process, which the live quizzes check every two seconds and at each word on the bus.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from flask import Response, request
from sqlalchemy.exc import SQLAlchemyError

from widget.actions.submit_answers import record_response
from widget.domain.bots import is_bot
from widget.live import Served
from widget.parts import KnownResult, Parts
from widget.telemetry import RESULTS

OFFER = "recovery.offer"
MOST_BYTES = 32 * 1024 * 1024
MOST_HOOK = 1024 * 1024
MOST_BODY = 64 * 1024
_KEPT_QUERY = re.compile(r"(locale=[A-Za-z-]{0,35})?")
MOST_BODY_KEPT = 8 * 1024
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
_FRONT_HITS = RESULTS.labels("front")


@dataclass(frozen=True, slots=True)
class Page:
    """A GET answer. ``served`` None: it never changes while this process lives. ``packed`` is it gzipped, if at all."""

    body: bytes
    headers: Headers
    etag: str
    served: Served | None
    packed: bytes = b""
    packed_headers: Headers = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.body) + len(self.packed)


def public_page(body: bytes, kind: str, cache: str, served: Served | None, vary: str = "Accept-Encoding") -> Page:
    """A page any origin may read and any cache may keep, as it is and gzipped."""
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
    return Page(body, [*headers, ("Content-Length", str(len(body)))], etag, served, packed, packed_headers)


@dataclass(frozen=True, slots=True)
class Posted:
    """A result for a request body; only the visit token differs from one answer to the next."""

    before: bytes
    after: bytes
    headers: Headers
    served: Served
    known: KnownResult
    locale: str | None

    @property
    def size(self) -> int:
        return len(self.before) + len(self.after)


def offer(entry: Page | Posted) -> None:
    """Let the front layer answer this very request by itself from now on."""
    request.environ[OFFER] = entry


def page_response(page: Page) -> Response:
    """A page as Flask's answer, and from now on as the front layer's."""
    offer(page)
    packed = page.packed and takes_gzip(request.headers.get("Accept-Encoding", ""))
    response = Response(page.packed if packed else page.body, headers=page.packed_headers if packed else page.headers)
    response.make_conditional(request)
    return response


class Front:
    """The WSGI application that servers run."""

    def __init__(self, app: Callable[..., Iterable[bytes]], parts: Parts) -> None:
        self.app = app
        self.parts = parts
        self._live = parts.live.live
        self._pages: dict[tuple[str, str], Page] = {}
        self._posted: dict[tuple[str, str, bytes], Posted] = {}
        self._bytes = 0

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "GET":
            key = (environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
            if "HTTP_ACCEPT_LANGUAGE" in environ and key[0].startswith("/v1/"):
                # A language may follow from the header: answers are kept apart by it.
                key = (key[0], f"{key[1]} {environ['HTTP_ACCEPT_LANGUAGE'][:200]}")
            page = self._pages.get(key)
            if page is not None:
                if page.served is None or self._still_live(page.served):
                    return _answer(page, environ, start)
                self._pages.pop(key, None)
            answer = self.app(environ, start)
            self._keep(self._pages, key, environ, Page)
            return answer
        if method == "POST":
            _whole_body(environ)
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
        kind = environ.get("QUERY_STRING", "") + environ.get("CONTENT_TYPE", "")
        key = (environ["PATH_INFO"], kind + environ.get("HTTP_ACCEPT_LANGUAGE", "")[:200], body)
        posted = self._posted.get(key)
        if posted is not None and self._still_live(posted.served):
            _FRONT_HITS.inc()
            bot = is_bot(environ.get("HTTP_USER_AGENT", ""))
            visit = record_response(self.parts, posted.served, posted.known, posted.locale, bot=bot)
            answer = b"".join((posted.before, visit.encode(), posted.after))
            start("201 CREATED", [*posted.headers, ("Content-Length", str(len(answer)))])
            return [answer]
        environ["wsgi.input"] = io.BytesIO(body)
        answered = self.app(environ, start)
        self._keep(self._posted, key, environ, Posted)
        return answered

    def _still_live(self, served: Served) -> bool:
        try:
            return self._live(served.shop.slug, served.quiz) is served
        except SQLAlchemyError:
            return False  # Flask will say so, in the shape of all problems.

    def _keep(self, kept: dict[Any, Any], key: Any, environ: dict[str, Any], kind: type) -> None:
        """Keep what a view offered, within MOST_BYTES in all; odd addresses are not worth the room."""
        entry = environ.get(OFFER)
        if not isinstance(entry, kind) or not _KEPT_QUERY.fullmatch(
            environ.get("QUERY_STRING", "").replace("html=1", "")
        ):
            return
        size = entry.size + sum(map(len, key))  # type: ignore[attr-defined]
        if self._bytes + size > MOST_BYTES:
            self._pages, self._posted, self._bytes = {}, {}, 0
            kept = self._pages if kind is Page else self._posted
        if key not in kept:
            self._bytes += size
        kept[key] = entry


def _whole_body(environ: dict[str, Any]) -> None:
    """A body sent in chunks says no length; give it one, so that one too long is refused and not cut."""
    if "chunked" not in environ.pop("HTTP_TRANSFER_ENCODING", "").lower():
        return
    most = MOST_HOOK if environ["PATH_INFO"].startswith("/hooks/") else MOST_BODY
    pieces, size = [], 0
    while size <= most:
        piece = environ["wsgi.input"].read(most + 1 - size)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(b"".join(pieces)), str(size)


def takes_gzip(accepted: str) -> bool:
    return "gzip" in accepted and "gzip;q=0" not in accepted.replace(" ", "")


def _answer(page: Page, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    if page.etag and environ.get("HTTP_IF_NONE_MATCH") == page.etag:
        start("304 NOT MODIFIED", [header for header in page.headers if header[0] != "Content-Length"])
        return []
    if page.packed and takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
        start("200 OK", page.packed_headers)
        return [page.packed]
    start("200 OK", page.headers)
    return [page.body]
