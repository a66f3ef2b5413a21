"""Size limits of request bodies by path."""

from __future__ import annotations

MAX_BODY = 64 * 1024
MAX_WEBHOOK = 1024 * 1024
MAX_CONSOLE_FORM = 4 * 1024 * 1024
"""Forms of people who are signed in: a pack, a sheet, or a product feed by hand."""
MAX_FORM_FIELDS = 2_000
MAX_PUBLIC_FIELDS = 100


def max_body(path: str, *, has_session: bool = True) -> int:
    """Bytes that are read for this path. Whether a session is a real one is for the console to find out."""
    if path.startswith("/webhooks/"):
        return MAX_WEBHOOK
    return MAX_CONSOLE_FORM if path.startswith("/console/") and has_session else MAX_BODY
