"""What only a real connection shows: conditional and HEAD requests, and connections that are kept."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
from pytest_flask.live_server import LiveServer

QUIZ = "/v1/shops/demo/quizzes/leg-day"
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # Of live_server.


@pytest.fixture
def connection(live_server: LiveServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(live_server.host, live_server.port, timeout=10)
    yield connection
    connection.close()


def fetch(
    connection: http.client.HTTPConnection, method: str, path: str, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer, answer.read()


def test_unchanged_quiz_is_answered_304_without_a_body(connection: http.client.HTTPConnection) -> None:
    first, body = fetch(connection, "GET", QUIZ)
    etag = first.headers["ETag"]
    second, empty = fetch(connection, "GET", QUIZ, If_None_Match=etag)

    assert (first.status, second.status) == (200, 304)
    assert body
    assert empty == b""
    assert second.headers["ETag"] == etag


def test_head_request_has_the_headers_of_get_and_no_body(connection: http.client.HTTPConnection) -> None:
    head, empty = fetch(connection, "HEAD", QUIZ)
    get, body = fetch(connection, "GET", QUIZ)

    assert (head.status, get.status) == (200, 200)
    assert empty == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(body))
    assert head.headers["Vary"] == get.headers["Vary"]


def test_pages_without_javascript_are_served_and_link_only_to_this_server(
    connection: http.client.HTTPConnection,
) -> None:
    answer, page = fetch(connection, "GET", "/demo/quiz/leg-day")

    assert answer.status == 200
    assert b"<form" in page
    assert b'src="http' not in page.replace(b'src="http://quiz.localhost', b"")
