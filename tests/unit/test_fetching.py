"""Fetching from a store: whom we call, how often we are sent on, and when we give up."""

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
def test_an_address_that_is_not_public_is_never_called(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(NotFetched, match="private network"):
        checked_target("https://store.example/feed.xml", Limits(), lambda host, port: [address])


@pytest.mark.parametrize("address", PRIVATE[:4])
def test_one_private_address_among_public_ones_is_enough(address: str) -> None:
    with pytest.raises(NotFetched, match="private network"):
        checked_target("https://store.example/", Limits(), lambda host, port: ["93.184.215.14", address])


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses_are_called(address: str) -> None:
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
def test_an_address_of_another_form_is_refused_before_any_look_up(url: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    with pytest.raises(NotFetched):
        checked_target(url, Limits(), never)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_spellings_of_this_machine_are_seen_through(host: str) -> None:
    with pytest.raises(NotFetched):
        checked_target(f"https://{host}/", Limits())


def test_plain_http_goes_to_this_machine_alone_even_where_that_is_allowed() -> None:
    with pytest.raises(NotFetched, match="private network"):
        checked_target("http://store.example/", HERE, lambda host, port: ["93.184.215.14"])
    with pytest.raises(NotFetched, match="private network"):
        checked_target("http://store.example/", HERE, lambda host, port: ["10.0.0.1"])


# A store on this machine -----------------------------------------------------------------------------


def drips(handler: Any) -> None:
    """One byte again and again, each in time: only an end to everything helps."""
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


def test_a_file_comes_as_it_is_and_says_how_far_it_is(store: Store) -> None:
    store.says["/feed.xml?token=1"] = gives(b"x" * 200_000)
    seen: list[int] = []

    assert fetched(store, "/feed.xml?token=1", progress=seen.append) == b"x" * 200_000
    assert seen[-1] == 200_000
    assert store.asked == [("/feed.xml?token=1", store.root.removeprefix("http://"))]


def test_the_address_that_was_checked_is_called_and_the_name_not_looked_up_again(store: Store) -> None:
    store.says["/"] = gives(b"hello")
    port, asked = store.server.server_address[1], []

    def once(host: str, port: int) -> list[str]:
        asked.append(host)
        assert len(asked) == 1  # A second look might find another machine.
        return ["127.0.0.1"]

    into = io.BytesIO()
    fetch(f"http://store.example:{port}/", into, limits=HERE, resolver=once)

    assert into.getvalue() == b"hello"
    assert store.asked == [("/", f"store.example:{port}")]


def test_it_may_be_sent_on_three_times(store: Store) -> None:
    for number in range(5):
        store.says[f"/{number}"] = gives(b"", 302, Location=f"/{number + 1}")
    store.says["/3"] = gives(b"there")

    assert fetched(store, "/0") == b"there"
    store.says["/3"] = gives(b"", 307, Location="/4")
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
def test_it_is_not_sent_on_into_a_private_network(store: Store, onwards: str, addresses: list[str] | None) -> None:
    store.says["/"] = gives(b"", 302, Location=onwards)

    def resolver(host: str, port: int) -> list[str]:
        return addresses if host.endswith(".example") and addresses else [host]

    with pytest.raises(NotFetched):
        fetched(store, "/", resolver=resolver)
    assert len(store.asked) == 1


def test_a_file_over_the_limit_is_refused_whether_it_says_so_or_not(store: Store) -> None:
    store.says["/said"] = gives(b"", Content_Length=str(10**12))
    store.says["/unsaid"] = gives(b"x" * 300_000, Content_Length="", Connection="close")
    limits = Limits(size=100_000, loopback=True)

    for path in ("/said", "/unsaid"):
        with pytest.raises(NotFetched, match="larger than"):
            fetched(store, path, limits)


def test_a_store_that_drips_is_cut_off(store: Store) -> None:
    store.says["/"] = drips
    started = time.monotonic()
    with pytest.raises(NotFetched, match="too long"):
        fetched(store, "/", Limits(seconds=0.4, loopback=True))
    with pytest.raises(NotFetched, match="too long"):
        fetched(store, "/", Limits(read_seconds=0.01, loopback=True))
    assert time.monotonic() - started < 4


def test_a_file_that_breaks_off_counts_for_nothing(store: Store) -> None:
    store.says["/"] = gives(b"id\ttitle\n", Content_Length="1000", Connection="close")
    with pytest.raises(NotFetched, match="broke off"):
        fetched(store, "/")


@pytest.mark.parametrize("status", [204, 304, 401, 403, 404, 429, 500])
def test_another_answer_is_told(store: Store, status: int) -> None:
    store.says["/"] = gives(b"", status)
    with pytest.raises(NotFetched, match=f"answered {status}"):
        fetched(store, "/")


def test_a_packed_answer_is_refused(store: Store) -> None:
    store.says["/"] = gives(b"\x1f\x8b", Content_Encoding="gzip")
    with pytest.raises(NotFetched, match="packed"):
        fetched(store, "/")


def test_what_went_wrong_tells_nothing_of_the_address(store: Store) -> None:
    store.says["/secret?token=hush"] = gives(b"", 500)
    port = store.server.server_address[1]
    for url in (f"{store.root}/secret?token=hush", "http://127.0.0.1:1/?token=hush", "https://127.0.0.1/?token=hush"):
        with pytest.raises(NotFetched) as raised:
            fetch(url, io.BytesIO(), limits=Limits(loopback=True, read_seconds=1))
        assert "hush" not in str(raised.value)
        assert str(port) not in str(raised.value)


def test_a_certificate_nobody_vouches_for_is_refused(store: Store) -> None:
    with pytest.raises(NotFetched, match=r"https failed|broke off"):
        fetch(store.root.replace("http://", "https://"), io.BytesIO(), limits=HERE)


def test_the_limits_are_those_that_were_promised() -> None:
    usual = Limits()
    assert (usual.size, usual.seconds, usual.read_seconds, usual.loopback) == (100 * 2**20, 60.0, 10.0, False)
    assert fetching.MAX_REDIRECTS == 3
