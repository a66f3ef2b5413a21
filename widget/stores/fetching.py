"""Fetching of files from stores over https: from public addresses only, within limits of size and time.

The connection goes to the address that was checked. The host name is not resolved a second time, so that it cannot
point to another machine by then (DNS rebinding). Redirects are checked like the first URL.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import BinaryIO
from urllib.parse import quote, urljoin, urlsplit

from widget.stores.addresses import Resolver, is_loopback, is_public, resolve

MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 64 * 1024
_ACCEPT = "application/rss+xml, application/xml, text/xml, text/tab-separated-values, application/json, */*;q=0.5"


class NotFetched(ValueError):
    """A failed fetch. The message is shown to users and contains no part of the URL, which may contain a token."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a fetch: size in bytes, total and read timeouts in seconds.

    ``loopback`` allows http and this machine, for tests and for a demo on one machine.
    """

    size: int = 100 * 1024 * 1024
    seconds: float = 60.0
    read_seconds: float = 10.0
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class FetchTarget:
    """The target of a request: the host name, and its addresses that were checked."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]


def checked_target(url: str, limits: Limits, resolver: Resolver = resolve) -> FetchTarget:
    """Resolve and check a URL. Raises NotFetched if it must not be called."""
    scheme, host, port, path = checked_form(url, limits)
    try:
        addresses = tuple(resolver(host, port))
    except (OSError, UnicodeError) as error:
        raise NotFetched("the host name could not be resolved") from error
    if not addresses:
        raise NotFetched("the host name could not be resolved")
    allowed = all(is_public(address) or (limits.loopback and is_loopback(address)) for address in addresses)
    if not allowed or (scheme == "http" and not all(map(is_loopback, addresses))):
        raise NotFetched("the address points to a private network, which is not allowed")
    return FetchTarget(scheme, host, port, path, addresses)


def checked_form(url: str, limits: Limits) -> tuple[str, str, int, str]:
    """Check the form of a URL and return (scheme, host, port, path with query). Raises NotFetched."""
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, (parts.hostname or "").encode("idna").decode()
        port = parts.port or (443 if scheme == "https" else 80)
    except (ValueError, UnicodeError) as error:
        raise NotFetched("the address is not a valid URL") from error
    if scheme not in ("https", "http") or not host:
        raise NotFetched("the address must start with https://")
    if parts.username is not None or parts.password is not None:
        raise NotFetched("the address must not contain a user name or password")
    if not (scheme == "https" and port == 443) and not limits.loopback:
        raise NotFetched("the address must start with https:// and must not contain a port")
    safe = "/%:@!$&'()*+,;=~-._"
    path = quote(parts.path or "/", safe=safe) + (f"?{quote(parts.query, safe=safe + '?')}" if parts.query else "")
    return scheme, host, port, path


class _Line(HTTPConnection):
    """A connection to the checked addresses of a target and to no others."""

    def __init__(self, target: FetchTarget, deadline: Deadline, limits: Limits, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port, timeout=limits.read_seconds)
        self.target, self.deadline, self.limits, self.tls = target, deadline, limits, tls

    def connect(self) -> None:
        error: OSError | None = None
        for address in self.target.addresses[:4]:
            seconds = min(self.limits.read_seconds, self.deadline.left())
            try:
                plain = socket.create_connection((address, self.target.port), timeout=seconds)
            except OSError as failed:
                error = failed
                continue
            self.deadline.watch(plain)
            if self.tls is not None:
                self.sock = self.tls.wrap_socket(plain, server_hostname=self.target.host)
                self.deadline.watch(self.sock)
            else:
                self.sock = plain
            return
        raise error or OSError("no address is set")


class Deadline:
    """A total time limit that shuts down the connection when it expires, however slowly the server sends."""

    def __init__(self, seconds: float) -> None:
        self._end, self.over = time.monotonic() + seconds, False
        self._sock: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, sock: socket.socket) -> None:
        self._sock = sock
        if self.over:
            self._cut()

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise NotFetched("the store took too long to respond")
        return left

    def close(self) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.over = True
        if self._sock is not None:
            try:
                socket.socket.shutdown(
                    self._sock, socket.SHUT_RDWR
                )  # Also under TLS: this shuts down the TCP connection.
            except OSError:
                return


def fetch(
    url: str,
    into: BinaryIO,
    *,
    limits: Limits | None = None,
    resolver: Resolver = resolve,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Download a URL into a file and return the number of bytes. Raises NotFetched."""
    limits = limits or Limits()
    with _in_time(limits) as deadline:
        for _ in range(MAX_REDIRECTS + 1):
            with _answer(checked_target(url, limits, resolver), deadline, limits) as answer:
                if answer.status not in _REDIRECTS:
                    if answer.status != 200:
                        raise NotFetched(f"the store responded with {answer.status}")
                    return _take(answer, into, limits, deadline, progress)
                onwards = urljoin(url, answer.headers.get("Location", ""))
            if urlsplit(url).scheme == "https" and urlsplit(onwards).scheme != "https":
                raise NotFetched("the store redirects to an address without https")
            url = onwards
        raise NotFetched(f"the store redirects more than {MAX_REDIRECTS} times")


def answered(
    url: str,
    into: BinaryIO,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    limits: Limits | None = None,
    resolver: Resolver = resolve,
) -> tuple[int, dict[str, str]]:
    """Return (status, headers by lowercase name) of a response with any status; write its body to ``into``.

    Raises NotFetched. ``headers`` are sent and may contain a key, so redirects are not followed. ``body``: POST it.
    """
    limits = limits or Limits()
    with (
        _in_time(limits) as deadline,
        _answer(checked_target(url, limits, resolver), deadline, limits, headers, body) as answer,
    ):
        _take(answer, into, limits, deadline, None)
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}


@contextmanager
def _in_time(limits: Limits) -> Iterator[Deadline]:
    """Apply the time limit, and raise every network error as NotFetched."""
    deadline = Deadline(limits.seconds)
    try:
        yield deadline
    except ssl.SSLError as error:
        raise NotFetched("the store's certificate is not trusted, or the TLS connection failed") from error
    except TimeoutError as error:
        raise NotFetched("the store took too long to respond") from error
    except (OSError, HTTPException) as error:
        if deadline.over:
            raise NotFetched("the store took too long to respond") from error
        raise NotFetched("the store cannot be reached or closed the connection") from error
    finally:
        deadline.close()


@contextmanager
def _answer(
    target: FetchTarget,
    deadline: Deadline,
    limits: Limits,
    more: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Iterator[HTTPResponse]:
    tls = ssl.create_default_context() if target.scheme == "https" else None
    line = _Line(target, deadline, limits, tls)
    try:
        headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "User-Agent": "RecoveryQuiz/1"}
        headers |= dict(more or {})
        usual = target.port == (443 if tls else 80)
        name = f"[{target.host}]" if ":" in target.host else target.host
        headers["Host"] = name if usual else f"{name}:{target.port}"
        method = "GET" if body is None else "POST"
        line.request(method, target.path, body=body, headers={**headers, "Connection": "close"})
        with line.getresponse() as answer:
            yield answer
    finally:
        line.close()


def _take(
    answer: HTTPResponse, into: BinaryIO, limits: Limits, deadline: Deadline, progress: Callable[[int], None] | None
) -> int:
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise NotFetched("the store sent a compressed response that was not requested")
    promised, size = answer.length, 0
    most = f"the file is larger than {limits.size / 1024 / 1024:,.0f} MB"
    if promised is not None and promised > limits.size:
        raise NotFetched(most)
    while chunk := answer.read(_CHUNK):
        size += len(chunk)
        if size > limits.size:
            raise NotFetched(most)
        into.write(chunk)
        if progress:
            progress(size)
    if deadline.over:
        raise NotFetched("the store took too long to respond")
    if promised is not None and size != promised:
        raise NotFetched("the store closed the connection before the end of the file")
    return size
