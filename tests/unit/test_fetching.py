"""Fetching from a store: permitted addresses, redirects, and limits on size and time."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.http_server import HERE, Store, gives
from widget.stores import fetching
from widget.stores.addresses import is_public
from widget.stores.fetching import Limits, NotFetched, checked_target, fetch

PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "100.64.0.1",
    "100.127.255.254",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "2001:0:53aa:64c::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "no address",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_is_never_fetched(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(NotFetched, match="private network"):
        checked_target("https://store.example/feed.xml", Limits(), lambda host, port: [address])


@pytest.mark.parametrize("address", PRIVATE[:4])
def test_host_with_one_private_address_among_public_ones_is_refused(address: str) -> None:
    with pytest.raises(NotFetched, match="private network"):
        checked_target("https://store.example/", Limits(), lambda host, port: ["93.184.215.14", address])


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses_are_accepted(address: str) -> None:
    target = checked_target("https://store.example/a b?t=ü", Limits(), lambda host, port: [address])
    assert (target.addresses, target.path) == ((address,), "/a%20b?t=%C3%BC")


@pytest.mark.parametrize(
    "url",
    [
        "http://store.example/",
        "https://store.example:8443/",
        "https://store.example:99999/",
        "ftp://store.example/",
        "file:///etc/hostname",
        "gopher://store.example/",
        "https://name:word@store.example/",
        "https:///feed",
        "https://[::1/",
        "//store.example/",
        "",
    ],
)
def test_invalid_url_is_refused_before_any_dns_lookup(url: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    with pytest.raises(NotFetched):
        checked_target(url, Limits(), never)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_every_spelling_of_a_loopback_address_is_refused(host: str) -> None:
    with pytest.raises(NotFetched):
        checked_target(f"https://{host}/", Limits())


def test_plain_http_is_allowed_for_loopback_addresses_only() -> None:
    with pytest.raises(NotFetched, match="private network"):
        checked_target("http://store.example/", HERE, lambda host, port: ["93.184.215.14"])
    with pytest.raises(NotFetched, match="private network"):
        checked_target("http://store.example/", HERE, lambda host, port: ["10.0.0.1"])


# A store on this machine -----------------------------------------------------------------------------


def drips(handler: Any) -> None:
    """Send one byte at a time, each within the read timeout, so that only the total time limit ends it."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.05)


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.close()


def fetched(store: Store, path: str, limits: Limits = HERE, **more: Any) -> bytes:
    into = io.BytesIO()
    size = fetch(store.root + path, into, limits=limits, **more)
    assert size == len(into.getvalue())
    return into.getvalue()


def test_fetched_file_is_unchanged_and_reports_progress(store: Store) -> None:
    store.handlers["/feed.xml?token=1"] = gives(b"x" * 200_000)
    seen: list[int] = []

    assert fetched(store, "/feed.xml?token=1", progress=seen.append) == b"x" * 200_000
    assert seen[-1] == 200_000
    assert store.asked == [("/feed.xml?token=1", store.root.removeprefix("http://"))]


def test_fetch_connects_to_the_checked_address_without_a_second_dns_lookup(store: Store) -> None:
    store.handlers["/"] = gives(b"hello")
    port, asked = store.server.server_address[1], []

    def once(host: str, port: int) -> list[str]:
        asked.append(host)
        assert len(asked) == 1  # A second lookup might return another machine.
        return ["127.0.0.1"]

    into = io.BytesIO()
    fetch(f"http://store.example:{port}/", into, limits=HERE, resolver=once)

    assert into.getvalue() == b"hello"
    assert store.asked == [("/", f"store.example:{port}")]


def test_fetch_follows_at_most_three_redirects(store: Store) -> None:
    for number in range(5):
        store.handlers[f"/{number}"] = gives(b"", 302, Location=f"/{number + 1}")
    store.handlers["/3"] = gives(b"there")

    assert fetched(store, "/0") == b"there"
    store.handlers["/3"] = gives(b"", 307, Location="/4")
    with pytest.raises(NotFetched, match="more than 3 times"):
        fetched(store, "/0")


@pytest.mark.parametrize(
    ("onwards", "addresses"),
    [
        ("http://169.254.169.254/latest/meta-data/", None),
        ("https://10.0.0.1/", None),
        ("https://inside.example/", ["192.168.0.5"]),
        ("https://mixed.example/", ["93.184.215.14", "10.0.0.5"]),
        ("file:///etc/hostname", None),
        ("ftp://store.example/", None),
    ],
)
def test_redirect_to_a_private_network_or_another_scheme_is_refused(
    store: Store, onwards: str, addresses: list[str] | None
) -> None:
    store.handlers["/"] = gives(b"", 302, Location=onwards)

    def resolver(host: str, port: int) -> list[str]:
        return addresses if host.endswith(".example") and addresses else [host]

    with pytest.raises(NotFetched):
        fetched(store, "/", resolver=resolver)
    assert len(store.asked) == 1


def test_file_over_the_size_limit_is_refused_with_or_without_content_length(store: Store) -> None:
    store.handlers["/said"] = gives(b"", Content_Length=str(10**12))
    store.handlers["/unsaid"] = gives(b"x" * 300_000, Content_Length="", Connection="close")
    limits = Limits(size=100_000, loopback=True)

    for path in ("/said", "/unsaid"):
        with pytest.raises(NotFetched, match="larger than"):
            fetched(store, path, limits)


def test_slow_store_is_cut_off_by_the_time_limits(store: Store) -> None:
    store.handlers["/"] = drips
    started = time.monotonic()
    with pytest.raises(NotFetched, match="too long"):
        fetched(store, "/", Limits(seconds=0.4, loopback=True))
    with pytest.raises(NotFetched, match="too long"):
        fetched(store, "/", Limits(read_seconds=0.01, loopback=True))
    assert time.monotonic() - started < 4


def test_incomplete_download_is_refused(store: Store) -> None:
    store.handlers["/"] = gives(b"id\ttitle\n", Content_Length="1000", Connection="close")
    with pytest.raises(NotFetched, match="before the end of the file"):
        fetched(store, "/")


@pytest.mark.parametrize("status", [204, 304, 401, 403, 404, 429, 500])
def test_response_other_than_200_is_reported_with_its_status(store: Store, status: int) -> None:
    store.handlers["/"] = gives(b"", status)
    with pytest.raises(NotFetched, match=f"responded with {status}"):
        fetched(store, "/")


def test_compressed_response_is_refused(store: Store) -> None:
    store.handlers["/"] = gives(b"\x1f\x8b", Content_Encoding="gzip")
    with pytest.raises(NotFetched, match="compressed"):
        fetched(store, "/")


def test_fetch_errors_do_not_contain_the_url(store: Store) -> None:
    store.handlers["/secret?token=hush"] = gives(b"", 500)
    port = store.server.server_address[1]
    for url in (f"{store.root}/secret?token=hush", "http://127.0.0.1:1/?token=hush", "https://127.0.0.1/?token=hush"):
        with pytest.raises(NotFetched) as raised:
            fetch(url, io.BytesIO(), limits=Limits(loopback=True, read_seconds=1))
        assert "hush" not in str(raised.value)
        assert str(port) not in str(raised.value)


def test_failed_tls_handshake_is_refused(store: Store) -> None:
    with pytest.raises(NotFetched, match=r"TLS connection failed|closed the connection"):
        fetch(store.root.replace("http://", "https://"), io.BytesIO(), limits=HERE)


def test_default_fetch_limits() -> None:
    usual = Limits()
    assert (usual.size, usual.seconds, usual.read_seconds, usual.loopback) == (100 * 2**20, 60.0, 10.0, False)
    assert fetching.MAX_REDIRECTS == 3
