"""Clients that open requests and then send nothing do not slow down shoppers."""

from __future__ import annotations

import socket
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.support.production import Production
from widget.web.server import BODY_SECONDS, THREADS

pytestmark = [pytest.mark.xdist_group("production"), pytest.mark.timeout(240)]
DOORS = (
    "/v1/shops/strides/quizzes/leg-day/responses",
    "/v1/shops/strides/events",
    "/webhooks/strides/orders",
    "/console/sign-in",
    "/p/none",
)
LENGTH = b"Content-Length: 100\r\n\r\n{"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"


def opened(production: Production, path: str, rest: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", production.port), timeout=BODY_SECONDS + 10)
    line.sendall(f"POST {path} HTTP/1.1\r\nHost: quiz.localhost\r\nContent-Type: application/json\r\n".encode() + rest)
    return line


@pytest.fixture
def idle(production: Production) -> Iterator[list[socket.socket]]:
    """Open 2 × THREADS idle bodies on each path, half of them chunked, bypassing nginx, which would buffer them."""
    with ExitStack() as lines:
        yield [
            lines.enter_context(closing(opened(production, path, LENGTH if number % 2 else CHUNKED)))
            for path in DOORS
            for number in range(2 * THREADS)
        ]


def test_idle_request_bodies_do_not_slow_down_other_requests(production: Production, idle: list[socket.socket]) -> None:
    with_idle = slow_end(production)
    answers = [line.recv(64).split(b"\r\n")[0] for line in idle]
    assert set(answers) == {b"HTTP/1.1 408 Request Timeout"}
    # A machine that is busy with other work is slow without the idle bodies, too.
    assert with_idle < max(0.2, 3 * slow_end(production))


def slow_end(production: Production) -> float:
    """Return the 99th percentile of the times that 200 requests took, in seconds."""
    paths = ("/healthz", "/v1/shops/strides/quizzes/leg-day", "/strides/quiz/leg-day", "/console/sign-in")
    took = []
    for number in range(200):
        started = time.monotonic()
        production.get(paths[number % len(paths)], base=production.direct)
        took.append(time.monotonic() - started)
    return statistics.quantiles(took, n=100)[98]


def test_slow_request_body_is_cut_off_with_408(production: Production) -> None:
    with closing(opened(production, DOORS[2], b"Content-Length: 500000\r\n\r\n")) as line:
        started, answer = time.monotonic(), b""
        line.settimeout(0.5)
        while not answer and time.monotonic() - started < BODY_SECONDS + 8:
            try:
                line.sendall(b"x" * 100)
                answer = line.recv(64)
            except TimeoutError:
                continue
            except OSError:
                break

    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started >= BODY_SECONDS - 1


@pytest.mark.parametrize(
    ("path", "size"), [(DOORS[0], 70_000), (DOORS[3], 70_000), (DOORS[2], 1_100_000), ("/console/account", 5_000_000)]
)
@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_request_body_is_refused_with_413(
    production: Production, path: str, size: int, chunked: bool
) -> None:
    """A form without a valid session is limited to 64 KiB, whatever cookie it sends."""
    body = b"a" * size
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "x=1"}
    data = iter([body[:1000], body[1000:]]) if chunked else body
    request = urllib.request.Request(production.direct + path, data=data, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            status = answer.status
    except urllib.error.HTTPError as refused:
        status = refused.code
        refused.close()
    except (urllib.error.URLError, OSError):
        status = 413  # The server closed the connection while we were still sending, as HTTP allows.

    assert status == 413


def test_interrupted_chunked_request_body_has_no_effect(production: Production) -> None:
    before = production.get("/healthz", base=production.direct)
    with closing(opened(production, DOORS[0], CHUNKED)) as line:
        line.shutdown(socket.SHUT_WR)
        answer = line.recv(64)

    assert not answer or answer.startswith(b"HTTP/1.1 400")
    assert production.get("/healthz", base=production.direct) == before


def test_header_names_with_underscores_are_ignored(production: Production) -> None:
    """Otherwise X_Forwarded_For would be taken for the proxy's own X-Forwarded-For."""
    line = socket.create_connection(("127.0.0.1", production.port), timeout=10)
    with closing(line):
        line.sendall(
            b"GET /console/sign-in HTTP/1.1\r\nHost: quiz.localhost\r\nX_Forwarded_Proto: http\r\n"
            b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: quiz.localhost\r\nX-Forwarded-For: 203.0.113.9\r\n"
            b"X_Forwarded_Host: evil.example\r\nConnection: close\r\n\r\n"
        )
        answer = b"".join(iter(lambda: line.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"evil.example" not in answer
    assert b"__Host-console" in answer  # The session cookie was issued for https.


def test_request_with_two_host_headers_is_refused(production: Production) -> None:
    line = socket.create_connection(("127.0.0.1", production.port), timeout=10)
    with closing(line):
        line.sendall(
            b"GET /console/ HTTP/1.1\r\nHost: quiz.localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        answer = line.recv(64)

    assert answer.startswith(b"HTTP/1.1 400")


def raw_request(production: Production, head: bytes, method: bytes = b"GET") -> bytes:
    """Return the complete response to a raw request."""
    with closing(socket.create_connection(("127.0.0.1", production.port), timeout=10)) as line:
        line.sendall(method + b" " + head + b"\r\nHost: quiz.localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_duplicate_header_does_not_poison_the_response_cache(production: Production) -> None:
    path = b"/v1/shops/strides/quizzes/leg-day HTTP/1.1"
    raw_request(production, path + b"\r\nAccept-Language: de\r\nAccept-Language: ar")
    answer = raw_request(production, path + b"\r\nAccept-Language: de")

    assert b'"locale":"en"' in answer


@pytest.mark.parametrize("path", ["/console/sign-in?a=Ω", "/strides/quiz/Ω", "/console/sign-in?a=%ff%00", "/%ff"])
def test_unusual_characters_in_a_url_cause_no_server_error(production: Production, path: str) -> None:
    assert not raw_request(production, path.encode() + b" HTTP/1.1").startswith(b"HTTP/1.1 5")


@pytest.mark.parametrize("method", [b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"TRACE"])
def test_no_http_method_causes_a_server_error(production: Production, method: bytes) -> None:
    for path in (b"/v1/shops/strides/quizzes/leg-day", b"/console/sign-in", b"/healthz"):
        assert not raw_request(production, path + b" HTTP/1.1", method).startswith(b"HTTP/1.1 5")
