"""The Content-Security-Policy of console pages: our own origin, and the hosts of the pictures on the page."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import g

from widget.quiz_registry import LoadedQuiz

MAX_ORIGINS = 30
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{pictures}; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
_EMAIL = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'{pictures}; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'; sandbox"
)


def shows_products_of(loaded: LoadedQuiz) -> None:
    """Allow this page to load product pictures of this version from the hosts where the store keeps them."""
    images = [product.image or "" for product in loaded.engine.catalog.products]
    g.picture_origins = sorted({origin for image in images if (origin := picture_origin(image))})[:MAX_ORIGINS]


def page_policy() -> str:
    """Return the policy of the page that answers this request."""
    return _PAGE.format(pictures=_pictures())


def email_policy() -> str:
    """Return the policy of an email that is shown in a frame: its own styles, no scripts."""
    return _EMAIL.format(pictures=_pictures())


def picture_origin(url: str) -> str:
    """Return the HTTPS origin of a picture; empty if it is on our own origin or its URL is invalid."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # UnicodeError is a ValueError, too.
        return ""
    if parts.scheme != "https" or not host or not all(c.isalnum() or c in ".-" for c in host):
        return ""
    return f"https://{host}{port}"


def _pictures() -> str:
    return "".join(f" {origin}" for origin in g.get("picture_origins", ()))
