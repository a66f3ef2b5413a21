"""One call to a store's API: to public addresses only, within limits, with what it says of paging and of waiting."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from widget.stores.addresses import Resolver, resolve
from widget.stores.fetching import Limits, NotFetched, answered

API_LIMITS = Limits(size=20 * 1024 * 1024, seconds=30.0)


MAX_WAITING = 20.0
"""Seconds of waiting within one look, all its pages together."""


class Throttled(Exception):
    """The store asks to wait this many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:.0f} s")
        self.seconds = seconds


class NotAllowed(NotFetched):
    """The key is not good, or not for this."""


@dataclass(frozen=True, slots=True)
class Answered:
    """``data`` with numbers as text; ``headers`` by lower-case name."""

    data: Any
    headers: Mapping[str, str]


Caller = Callable[[str, Mapping[str, str]], Answered]
"""Asks for an address with these headers. Raises NotFetched, NotAllowed, Throttled."""


def call(
    url: str, headers: Mapping[str, str], *, limits: Limits | None = None, resolver: Resolver = resolve
) -> Answered:
    """GET an address. Raises NotFetched, NotAllowed, Throttled. No redirect is followed: the key goes nowhere else."""
    into = io.BytesIO()
    status, given = answered(url, into, headers=headers, limits=limits or API_LIMITS, resolver=resolver)
    if status in (429, 503):
        raise Throttled(_seconds(given.get("retry-after", "")))
    if status in (401, 403):
        raise NotAllowed(f"the store responded with {status}: the API key is invalid or cannot read orders")
    if status != 200:
        raise NotFetched(f"the store responded with {status}")
    try:
        data = json.loads(into.getvalue(), parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise NotFetched("the store's response cannot be read") from error
    return Answered(data, given)


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 1.0), 600.0)
    except ValueError:
        return 2.0


def patient(ask: Caller, sleep: Callable[[float], None] = time.sleep, most: float = MAX_WAITING) -> Caller:
    """Waits as the store asks, ``most`` seconds in all: a worker has other stores to look after. Raises Throttled."""
    waited = 0.0

    def one(url: str, headers: Mapping[str, str]) -> Answered:
        nonlocal waited
        while True:
            try:
                return ask(url, headers)
            except Throttled as wait:
                if waited + wait.seconds > most:
                    raise
                waited += wait.seconds
                sleep(wait.seconds)

    return one
