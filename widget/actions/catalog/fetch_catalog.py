"""Fetch a store's catalog from its API into products.json files, without holding a database connection."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import BinaryIO

import orjson

from widget.actions.errors import ActionError
from widget.crypto import API_KEY, InvalidToken
from widget.services import Services
from widget.storage.connections import connection_of
from widget.stores.addresses import Resolver, resolve
from widget.stores.api_call import Throttled, call, patient
from widget.stores.fetching import Limits, NotFetched
from widget.stores.platforms import PLATFORMS
from widget.stores.platforms import api_of as platform_api

API = "api:"
"""Prefix of feed addresses that are read from the API of a connection, such as ``api:shopify``."""


MAX_WAITING = 240.0
"""Maximum seconds spent waiting for a throttling store; long, since a catalog is read completely or not at all."""
WITH_API = tuple(name for name, platform in PLATFORMS.items() if platform.api)


class NoKey(ActionError):
    code = "no_key"


def api_of(services: Services, shop_id: int, platform: str) -> tuple[str, str]:
    """Return (address, key) of a connection. Raises NoKey."""
    with services.reads() as session:
        row = connection_of(session, shop_id, platform)
    if platform not in WITH_API or row is None or not row.address or not row.encrypted_key:
        raise NoKey("connect the store with its address and API key first")
    try:
        return row.address, services.crypto.decrypt(row.encrypted_key, API_KEY)
    except InvalidToken as error:
        raise NoKey("the API key was encrypted with another key: enter it again") from error


@contextmanager
def fetched_catalog(
    platform: str,
    address: str,
    key: str,
    *,
    limits: Limits | None = None,
    resolver: Resolver = resolve,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[BinaryIO]]:
    """Yield the pages as files, each positioned at its start and deleted on exit. Raises NotFetched, BadFeed."""
    ask = patient(partial(call, limits=limits, resolver=resolver), sleep, MAX_WAITING)
    with ExitStack() as stack:
        files: list[BinaryIO] = []
        try:
            for products in platform_api(platform).catalog(address, key, ask):
                file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
                file.write(orjson.dumps({"products": products}))
                file.seek(0)
                if products or not files:
                    files.append(file)
        except Throttled as wait:
            raise NotFetched("the store limits our requests; the import is retried automatically") from wait
        yield files
