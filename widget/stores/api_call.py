"""Calls to a store's API: to public addresses only, within limits, with paging headers and throttling."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from widget.stores.addresses import Resolver, resolve
from widget.stores.fetching import Limits, NotFetched, answered

API_LIMITS = Limits(size=20 * 1024 * 1024, seconds=30.0)


MAX_WAITING = 20.0
"""Maximum seconds of waiting in one run, over all its pages."""


class Throttled(Exception):
    """The store asks us to wait this many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:.0f} s")
        self.seconds = seconds


class NotAllowed(NotFetched):
    """The API key is invalid, or lacks the permission."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A store's response. ``data`` has numbers as text; ``headers`` are by lowercase name."""

    data: Any
    headers: Mapping[str, str]


class Caller(Protocol):
    """A function that GETs a URL, or POSTs ``body`` to it. Raises NotFetched, NotAllowed, Throttled."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answered: ...


def call(
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    limits: Limits | None = None,
    resolver: Resolver = resolve,
) -> Answered:
    """GET a URL, or POST a body to it. Raises NotFetched, NotAllowed, Throttled.

    Redirects are not followed, so that the key is not sent to another address.
    """
    into = io.BytesIO()
    status, given = answered(url, into, headers=headers, body=body, limits=limits or API_LIMITS, resolver=resolver)
    if status in (429, 503):
        raise Throttled(_seconds(given.get("retry-after", "")))
    if status in (401, 403):
        raise NotAllowed(f"the store responded with {status}: the API key is invalid or lacks a permission")
    if status != 200:
        raise NotFetched(f"the store responded with {status}")
    try:
        data = json.loads(into.getvalue(), parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise NotFetched("the store's response cannot be read") from error
    if seconds := _throttled(data):
        raise Throttled(seconds)
    return Answered(data, given)


def _throttled(data: Any) -> float:
    """Return the seconds to wait if a GraphQL API refuses a query for its cost, which it does with status 200; else 0.

    Source: shopify.dev, "GraphQL Admin API rate limits" (``THROTTLED``, ``throttleStatus``).
    """
    errors = data.get("errors") if isinstance(data, dict) else None
    codes = [error.get("extensions", {}).get("code") for error in errors or () if isinstance(error, dict)]
    if "THROTTLED" not in codes:
        return 0.0
    try:
        cost = data["extensions"]["cost"]
        status = cost["throttleStatus"]
        missing = float(cost["requestedQueryCost"]) - float(status["currentlyAvailable"])
        return min(max(missing / float(status["restoreRate"]), 1.0), 600.0)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 2.0


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 1.0), 600.0)
    except ValueError:
        return 2.0


def patient(ask: Caller, sleep: Callable[[float], None] = time.sleep, most: float = MAX_WAITING) -> Caller:
    """Wrap ``ask`` to wait as the store asks, up to ``most`` seconds in total; beyond that, it raises Throttled.

    The total is limited because a worker has other stores to process.
    """
    waited = 0.0

    def one(url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answered:
        nonlocal waited
        while True:
            try:
                return ask(url, headers, body)
            except Throttled as wait:
                if waited + wait.seconds > most:
                    raise
                waited += wait.seconds
                sleep(wait.seconds)

    return one


def woo_login(key: str) -> dict[str, str]:
    """Return the HTTP Basic header with consumer key and secret (``ck_…:cs_…``), which WooCommerce accepts on https."""
    return {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}
