"""The locale of a response: as the URL requests, else as the browser prefers."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from widget.content.languages import negotiate_locale
from widget.domain.content.pack import Pack
from widget.i18n.strings import FALLBACK, LANGUAGES

MAX_HEADER = 500


def accepted_locale(header: str, known: Sequence[str]) -> str | None:
    """Return the known locale that an Accept-Language header prefers (RFC 9110, 12.5.4), or None.

    ``es-MX`` accepts ``es``. What follows the first 500 characters of the header is ignored.
    """
    accepted = parse_accept_header(header[:MAX_HEADER], LanguageAccept)
    return accepted.best_match(known)


def pack_locale(pack: Pack, chosen: str | None) -> str:
    """Return the pack's locale for this request: the chosen one, else the browser's preference, else the default."""
    known = (pack.default_locale, *(locale for locale in pack.locales if locale != pack.default_locale))
    return negotiate_locale(pack, chosen, accepted_locale(request.headers.get("Accept-Language", ""), known))


def interface_locale() -> str:
    """Return the locale of interface strings: as the URL requests, else as the browser prefers, else FALLBACK."""
    chosen = request.args.get("locale", "")[:35]
    return accepted_locale(chosen or request.headers.get("Accept-Language", ""), LANGUAGES) or FALLBACK
