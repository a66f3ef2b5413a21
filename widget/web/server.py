"""The application as granian runs it (RSGI): an event loop receives requests, threads process them.

A slow client never occupies a thread: a body is read here, with a deadline and a minimum rate, and only a complete
request is passed to Flask. Cached responses and /healthz need no thread at all.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import orjson

from widget.services import Services
from widget.telemetry import REQUESTS, log
from widget.web.bodies import MAX_BODY, max_body
from widget.web.budgets import client_address
from widget.web.caching_middleware import CachingMiddleware, too_many
from widget.web.response_cache import MAX_POST_BODY, Headers, attempt_in, count_cached, key_of

THREADS = 4
MAX_WAITING = 256
"""Limit of requests waiting for a thread. One more is refused with 503 at once, rather than delaying all."""
BODY_SECONDS = 10.0
"""Deadline for a body of up to MAX_BODY."""
UPLOAD_SECONDS = 60.0
"""Deadline for a larger body, which after BODY_SECONDS must also average at least MIN_RATE bytes per second."""
MIN_RATE = 16 * 1024
CROWD, CROWDED_SECONDS = 256, 2.0
"""While more than CROWD bodies are being received, the deadline is CROWDED_SECONDS."""
MAX_BUFFERED = 64 * 1024 * 1024
TITLES = {
    400: "Bad request",
    408: "Request timeout",
    413: "Request body too large",
    500: "Internal server error",
    503: "Temporarily unavailable",
}
CODES = {400: "bad_request", 408: "body_too_slow", 413: "too_large", 500: "internal", 503: "unavailable"}
DETAILS = {
    400: "Check the request and try again.",
    408: "The request body did not arrive in time.",
    413: "The request body exceeds the size limit.",
    500: "Something went wrong on our side and was logged. Try again in a moment.",
    503: "Too many requests are waiting. Try again in a moment.",
}
_HEALTHY = b'{"status":"ok"}'
_JSON = ("Content-Type", "application/json")


class Scope(Protocol):
    """A request as described by granian (RSGI 1.5)."""

    proto: str
    http_version: str
    client: str
    server: str
    scheme: str
    method: str
    path: str
    query_string: str

    @property
    def headers(self) -> Any: ...


class Exchange(Protocol):
    """The two directions of a request: its body and the response."""

    async def __call__(self) -> bytes: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None: ...


class Refused(Exception):
    """A request that is not passed to Flask. ``status`` is the HTTP status of the refusal."""

    def __init__(self, status: int) -> None:
        super().__init__(TITLES[status])
        self.status = status


class Server:
    """RSGI server: cached responses from the event loop, everything else from a few threads."""

    def __init__(self, front: CachingMiddleware, services: Services) -> None:
        self._front, self._services = front, services
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="web")
        self._waiting = 0
        self._reading = 0
        self._buffered = {True: 0, False: 0}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Finish requests in progress and store what was acknowledged when the server stops."""
        self._threads.shutdown(wait=True)
        self._services.close()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        if scope.proto != "http":
            return
        try:
            await self._serve(scope, exchange)
        except Refused as refused:
            _refuse(exchange, refused.status)
        except Exception as error:  # Flask handles its own errors; this catches those outside of it.
            log("web").error("unexpected", exc_info=(type(error), error, error.__traceback__))
            _refuse(exchange, 500)

    async def _serve(self, scope: Scope, exchange: Exchange) -> None:
        method, path, headers = scope.method, scope.path, fields_of(scope.headers)
        if path == "/healthz":
            headers_out = [_JSON, ("Cache-Control", "no-store"), ("Content-Length", str(len(_HEALTHY)))]
            request_id = count_cached("healthz", "200", method, path)
            exchange.response_bytes(200, [*headers_out, ("X-Request-Id", request_id)], _HEALTHY)
            return
        body, key = b"", None
        language = headers.get("accept-language", "")
        if method == "GET":
            key = key_of(path, scope.query_string, language)
        elif method not in ("HEAD", "OPTIONS"):
            peer = scope.client.rpartition(":")[0].strip("[]")
            client = client_address(peer, headers.get("x-forwarded-for", ""), self._front.proxies)
            wait = self._front.budgets.retry_after(path, client)
            if wait:
                exchange.response_bytes(*too_many(wait))
                return
            body = await self._body(scope, headers, exchange)
            if method == "POST" and len(body) <= MAX_POST_BODY and path.endswith("/responses"):
                key = key_of(path, scope.query_string, language, headers.get("content-type", ""))
        if key is not None:
            known = self._front.answer(key, method, path, body, _few(headers), attempt_in(scope.query_string))
            if known is not None:
                exchange.response_bytes(*known)
                return
        await self._by_flask(scope, headers, exchange, body, key)

    async def _body(self, scope: Scope, headers: dict[str, str], exchange: Exchange) -> bytes:
        """Read the whole body. Raises Refused if it is too large, too slow, or incomplete."""
        most = max_body(scope.path, has_session="cookie" in headers)
        declared = headers.get("content-length")
        length = int(declared) if declared and declared.isascii() and declared.isdigit() else None
        if length == 0 or (length is None and "transfer-encoding" not in headers):
            return b""
        if length is not None and length > most:
            raise Refused(413)
        self._reading += 1
        try:
            seconds = CROWDED_SECONDS if self._reading > CROWD else BODY_SECONDS
            if length is not None and length <= MAX_BODY:
                async with asyncio.timeout(seconds):
                    body = await exchange()
            else:
                body = await self._large_body(exchange, most, seconds, scope.path.startswith("/console/"))
        except TimeoutError:
            raise Refused(408) from None
        except (RuntimeError, ValueError, OSError):  # granian raises RuntimeError for a broken connection.
            raise Refused(400) from None
        finally:
            self._reading -= 1
        if length is not None and len(body) != length:
            raise Refused(400)
        return body

    async def _large_body(self, exchange: Exchange, most: int, seconds: float, console: bool) -> bytes:
        """Read a body piece by piece, and check its size and rate.

        The console has its own limit of buffered bytes, which leaves room for webhooks.
        """
        started, size = time.monotonic(), 0
        pieces: list[bytes] = []
        pieces_of = exchange.__aiter__()
        try:
            while True:
                passed = time.monotonic() - started
                if passed > seconds and size / passed < MIN_RATE:
                    raise Refused(408)
                left = min(seconds if size == 0 else UPLOAD_SECONDS, UPLOAD_SECONDS) - passed
                async with asyncio.timeout(max(0.0, min(left, seconds))):
                    try:
                        piece = await anext(pieces_of)
                    except StopAsyncIteration:
                        return b"".join(pieces)
                size += len(piece)
                self._buffered[console] += len(piece)
                if size > most:
                    raise Refused(413)
                if self._buffered[console] > MAX_BUFFERED:
                    raise Refused(503)
                pieces.append(piece)
        finally:
            self._buffered[console] -= size

    async def _by_flask(
        self, scope: Scope, headers: dict[str, str], exchange: Exchange, body: bytes, key: tuple[str, ...] | None
    ) -> None:
        if self._waiting >= MAX_WAITING:
            raise Refused(503)
        environ = environ_of(scope, headers, body)
        self._waiting += 1
        try:
            assert self._loop is not None
            status, answered, content = await self._loop.run_in_executor(self._threads, self._call, environ, body, key)
        finally:
            self._waiting -= 1
        exchange.response_bytes(status, answered, content)

    def _call(self, environ: dict[str, Any], body: bytes, key: tuple[str, ...] | None) -> tuple[int, Headers, bytes]:
        """Run the WSGI application in this thread."""
        started: list[tuple[str, Headers]] = []

        def start(status: str, headers: Headers, exc_info: object = None) -> None:
            started[:] = [(status, headers)]

        answered = self._front.app(environ, start)
        try:
            content = b"".join(answered)
        finally:
            close = getattr(answered, "close", None)
            if close is not None:
                close()
        self._front.cache.keep(key, body, environ)
        status, headers = started[0]
        return int(status[:3]), headers, content


def fields_of(headers: Any) -> dict[str, str]:
    """Return header fields by lowercase name, with repeated fields joined into one line (RFC 9110, 5.3).

    So the server, the cache key, and Flask all see the same value. Names with an underscore are dropped: as HTTP_…
    they could not be distinguished from those set by the proxy. Raises Refused for more than one Host (RFC 9112, 3.2),
    Content-Type, or Content-Length.
    """
    fields: dict[str, str] = {}
    for name, value in headers.items():
        if "_" in name:
            continue
        if name not in fields:
            fields[name] = value
        elif name in ("host", "content-type", "content-length"):
            raise Refused(400)
        else:
            fields[name] += ("; " if name == "cookie" else ",") + value
    return fields


def environ_of(scope: Scope, fields: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return the WSGI environment (PEP 3333), where text is bytes decoded as Latin-1. ``body``: the whole body."""
    client, _, client_port = scope.client.rpartition(":")
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string.encode().decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": client.strip("[]"),
        "REMOTE_PORT": client_port,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in fields.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


def _few(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers that cached responses depend on, named as in a WSGI environment."""
    return {
        "HTTP_IF_NONE_MATCH": headers.get("if-none-match", ""),
        "HTTP_ACCEPT_ENCODING": headers.get("accept-encoding", ""),
        "HTTP_USER_AGENT": headers.get("user-agent", ""),
    }


def _refuse(exchange: Exchange, status: int) -> None:
    """Refuse a request with problem details (RFC 9457) before it reaches Flask."""
    REQUESTS.labels("server", status).inc()
    log("web").info("refused", status=status, reason=CODES[status])
    problem = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "detail": DETAILS[status],
        "code": CODES[status],
    }
    body = orjson.dumps(problem)
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if status in (400, 408, 413):
        headers.append(("Connection", "close"))  # The rest of the body is not read.
    if status == 503:
        headers.append(("Retry-After", "1"))
    exchange.response_bytes(status, headers, body)
