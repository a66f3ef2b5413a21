"""Fetch what Amazon's notifications point at: the certificate that signs them, and the address that confirms them."""

from __future__ import annotations

import io

from widget.cache.local import LocalCache
from widget.mail.reports.reading import NotReadable
from widget.stores.fetching import Limits, NotFetched, answered

LIMITS = Limits(size=64 * 1024, seconds=5.0, read_seconds=3.0)
_KEPT: LocalCache[bytes] = LocalCache(size=16, seconds=24 * 3600.0)


def fetch_certificate(address: str) -> bytes:
    """The certificate at an address that was checked to be Amazon's; kept for a day. Raises NotReadable."""
    known = _KEPT.get(address)
    if known is not None:
        return known
    into = io.BytesIO()
    try:
        status, _ = answered(address, into, headers={}, limits=LIMITS)
    except NotFetched as error:
        raise NotReadable("the certificate cannot be fetched") from error
    if status != 200:
        raise NotReadable(f"the certificate cannot be fetched ({status})")
    _KEPT.put(address, into.getvalue())
    return into.getvalue()


def fetch_confirmation(address: str) -> None:
    """Visit the address that confirms a subscription. Raises NotFetched."""
    status, _ = answered(address, io.BytesIO(), headers={}, limits=LIMITS)
    if status != 200:
        raise NotFetched(f"it answered {status}")
