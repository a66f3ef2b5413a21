"""Size limits of request bodies, by path."""

from __future__ import annotations

MAX_BODY = 64 * 1024
MAX_WEBHOOK = 1024 * 1024
MAX_CONSOLE_FORM = 4 * 1024 * 1024
"""For forms of signed-in users: a content pack, a spreadsheet, or an uploaded product feed."""
MAX_FORM_FIELDS = 2_000
MAX_PUBLIC_FIELDS = 100


def max_body(path: str, *, has_session: bool = True) -> int:
    """Return how many body bytes are read at most for a path. The console checks whether the session is valid."""
    if path.startswith("/webhooks/"):
        return MAX_WEBHOOK
    return MAX_CONSOLE_FORM if path.startswith("/console/") and has_session else MAX_BODY
