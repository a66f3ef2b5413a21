"""URLs of a Redis behind Sentinel: ``sentinel://user:password@host:26379,host:26379/NAME/DB``.

``sentinels://`` is the same by TLS. A password of the sentinels themselves is given as ``?sentinel_password=…``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SENTINEL_PORT = 26379
SCHEMES = ("sentinel", "sentinels")


class BadSentinelUrl(ValueError):
    """A Sentinel URL without hosts or without the name of the primary."""


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The parts of a Sentinel URL. ``name``: what the sentinels call the primary."""

    hosts: tuple[tuple[str, int], ...]
    name: str
    db: int
    username: str
    password: str
    tls: bool
    sentinel_password: str

    @property
    def login(self) -> dict[str, Any]:
        """Return the options of a connection to Redis itself."""
        found: dict[str, Any] = {"ssl": True} if self.tls else {}
        found |= {"username": self.username} if self.username else {}
        return found | ({"password": self.password} if self.password else {})

    @property
    def sentinel_login(self) -> dict[str, Any]:
        """Return the options of a connection to a sentinel."""
        found: dict[str, Any] = {"ssl": True} if self.tls else {}
        return found | ({"password": self.sentinel_password} if self.sentinel_password else {})


def is_sentinel(url: str) -> bool:
    return url.partition("://")[0] in SCHEMES


def sentinel_url(url: str) -> SentinelUrl:
    """Read a Sentinel URL. Raises BadSentinelUrl, without the URL, which contains a password."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    name, _, db = parts.path.strip("/").partition("/")
    try:
        found = tuple(_host(one) for one in hosts.split(",") if one)
        number = int(db or 0)
    except ValueError as error:
        raise BadSentinelUrl("a port or the database is not a number") from error
    if not found or not name:
        raise BadSentinelUrl("it needs hosts and the name of the primary: sentinel://host:26379,host:26379/name")
    second = parse_qs(parts.query).get("sentinel_password", [""])[0]
    tls = parts.scheme == "sentinels"
    return SentinelUrl(found, name, number, unquote(username), unquote(password), tls, second)


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    return host, int(port or SENTINEL_PORT)
