"""Fetch the signing certificate and the subscription URL given in Amazon SNS messages."""

from __future__ import annotations

import io
import threading
from urllib.parse import urlsplit

from widget.actions.errors import ActionError
from widget.cache.local import LocalCache
from widget.email.events.reading import ReportUnreadable
from widget.stores.fetching import Limits, NotFetched, answered

CERTIFICATE_LIMITS = Limits(size=64 * 1024, seconds=1.5, read_seconds=1.0)
"""Tight limits, since the certificate is fetched during a request whose sender is not verified yet. Only one fetch runs
at a time, and a failed host is not retried immediately. Amazon retries the delivery for an hour."""
LIMITS = Limits(size=64 * 1024, seconds=5.0, read_seconds=3.0)
_FAILED: LocalCache[bool] = LocalCache(size=64, seconds=30.0)
_fetching = threading.Lock()
_KEPT: LocalCache[bytes] = LocalCache(size=16, seconds=24 * 3600.0)


class CertificateUnavailable(ActionError):
    """The delivery cannot be verified right now; the sender should try again."""

    code = "certificate_unavailable"

    def __init__(self) -> None:
        super().__init__("The signature cannot be verified right now. Try again in a moment.")


def fetch_certificate(address: str) -> bytes:
    """Return the certificate at an address already verified to be Amazon's; cached for a day.

    Raises NotReadable, CertificateUnavailable.
    """
    known = _KEPT.get(address)
    if known is not None:
        return known
    host = urlsplit(address).hostname or ""
    if _FAILED.get(host) or not _fetching.acquire(blocking=False):
        raise CertificateUnavailable
    try:
        return _fetched(address, host)
    finally:
        _fetching.release()


def _fetched(address: str, host: str) -> bytes:
    into = io.BytesIO()
    try:
        status, _ = answered(address, into, headers={}, limits=CERTIFICATE_LIMITS)
    except NotFetched as error:
        _FAILED.put(host, True)
        raise CertificateUnavailable from error
    if status != 200:
        raise ReportUnreadable(f"The certificate cannot be fetched ({status}).")
    _KEPT.put(address, into.getvalue())
    return into.getvalue()


def fetch_confirmation(address: str) -> None:
    """Request the URL that confirms a subscription. Raises NotFetched."""
    status, _ = answered(address, io.BytesIO(), headers={}, limits=LIMITS)
    if status != 200:
        raise NotFetched(f"the server responded with {status}")
