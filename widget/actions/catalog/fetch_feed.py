"""Fetch a store's product feed: one file, or all pages of Shopify's products.json.

No database connection is held meanwhile.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import BinaryIO
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from widget.stores.addresses import Resolver, resolve
from widget.stores.feeds import SHOPIFY, digest_of, kind_of, shopify_products
from widget.stores.fetching import Limits, NotFetched, fetch

Fetcher = Callable[[str, Limits], tuple[BinaryIO, int]]
A_PAGE, MAX_PAGES = 250, 400
PAGES_SECONDS = 240.0
"""Time limit for all pages together; a single file is subject to Limits."""


@contextmanager
def fetched_feed(url: str, *, limits: Limits | None = None, resolver: Resolver = resolve) -> Iterator[list[BinaryIO]]:
    """Yield the files at an address, each positioned at its start and deleted on exit. Raises NotFetched, BadFeed."""
    limits = limits or Limits()
    with ExitStack() as stack:

        def one(address: str, within: Limits) -> tuple[BinaryIO, int]:
            file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
            size = fetch(address, file, limits=within, resolver=resolver)
            file.seek(0)
            return file, size

        if urlsplit(url).path.endswith("/products.json"):
            yield list(_pages(url, limits, one))
        else:
            yield [one(url, limits)[0]]


def _pages(url: str, limits: Limits, one: Fetcher) -> Iterator[BinaryIO]:
    """Yield pages of 250 products (Shopify's page size) until one is not full."""
    ends, left, before = time.monotonic() + PAGES_SECONDS, limits.size, b""
    for page in range(1, MAX_PAGES + 1):
        seconds = min(limits.seconds, ends - time.monotonic())
        if seconds <= 0:
            raise NotFetched("the store took too long to respond")
        file, size = one(_page_address(url, page), replace(limits, size=left, seconds=seconds))
        left -= size
        digest = digest_of(file)
        if digest == before:
            return  # This store ignores the page parameter: the first page was the whole catalog.
        before = digest
        if kind_of(file) != SHOPIFY:
            yield file
            return
        many = len(shopify_products(file))
        file.seek(0)
        if many or page == 1:
            yield file
        if many < A_PAGE:
            return
    raise NotFetched(f"the store has more than {MAX_PAGES * A_PAGE:,} products")


def _page_address(url: str, page: int) -> str:
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("limit", "page")]
    query = urlencode([*kept, ("limit", str(A_PAGE)), ("page", str(page))])
    return urlunsplit(parts._replace(query=query, fragment=""))
