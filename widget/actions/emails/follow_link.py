"""Resolve links in emails to the product, quiz, or result. Clicks are counted per email, never per recipient.

A URL contains, encrypted, which email of which version it belongs to and what it links to. All recipients of the same
content get the same URL. The target is determined here: no redirect target is taken from the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from widget.actions.errors import UnknownResult, UnknownToken
from widget.actions.quiz.result_links import open_result, quiz_url, result_setting, result_url
from widget.crypto import InvalidToken
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.storage.daily_metrics import EMAIL_CLICKED, DailyMetricKey

PRODUCT_LINK, QUIZ_LINK, RESULT_LINK = "p", "q", "r"
ABOUT = b"/l/"
"""Associated data that separates these codes from result codes: no shop's slug contains a slash."""
_BETWEEN = "\n"


@dataclass(frozen=True, slots=True)
class EmailLink:
    """A link in an email. ``email``: id of the template in the pack; ``what``: SKU of a product, or a result code."""

    shop: str
    quiz: str
    version: int
    locale: str
    email: str
    kind: str
    what: str = ""


def link_url(services: Services, link: EmailLink) -> str:
    """Return the URL to put into the email."""
    items = (link.shop, link.quiz, str(link.version), link.locale, link.email, link.kind, link.what)
    plain = _BETWEEN.join(items).encode()
    return f"{services.settings.public_url}/l/{services.crypto.code(plain, ABOUT)}"


def follow_link(services: Services, token: str, *, client: str = "") -> str:
    """Return the current target of a link, or the quiz if the target is gone. Raises UnknownToken.

    Repeated clicks of one ``client`` within a few minutes count once; without a ``client`` (a bot or a prefetch),
    nothing is counted.
    """
    link = _opened(services, token)
    live = services.quizzes.live(link.shop, link.quiz)
    if live is None:
        raise UnknownToken("This link no longer works.")
    if client:
        _count(services, live, link, services.crypto.memory_fingerprint(f"{client}\n{token}"))
    return _target(services, live, link) or quiz_url(services, link.shop, link.quiz)


def _opened(services: Services, token: str) -> EmailLink:
    try:
        plain = services.crypto.open_code(token, ABOUT).decode()
    except InvalidToken as error:
        raise UnknownToken("This link is invalid.") from error
    shop, quiz, version, locale, email, kind, what = plain.split(_BETWEEN, 6)
    return EmailLink(shop, quiz, int(version), locale, email, kind, what)


def _count(services: Services, live: LoadedQuiz, link: EmailLink, who: bytes) -> None:
    """Count a click. Scanners and preview panes open a link several times: within a few minutes that is one click."""
    if services.clicks.get(who):
        return
    services.clicks.put(who, True)
    day = services.now().date()
    services.recorder.add_daily_metric(
        DailyMetricKey(live.shop.id, link.quiz, EMAIL_CLICKED, day, link.version, link.locale, link.email)
    )


def _target(services: Services, live: LoadedQuiz, link: EmailLink) -> str:
    """Return the target, or "" if it is gone: a version, an unreadable result, or a product that is no longer sold."""
    if link.kind == RESULT_LINK:
        try:
            open_result(services, link.shop, link.what)
        except UnknownResult:
            return ""
        return result_url(services, link.shop, link.what)
    loaded = services.quizzes.version(link.shop, link.quiz, link.version)
    return _product(services, live, loaded, link) if loaded and link.kind == PRODUCT_LINK else ""


def _product(services: Services, live: LoadedQuiz, loaded: LoadedQuiz, link: EmailLink) -> str:
    """Return the product URL from the email's version, or "" if the product is blocked or inactive today."""
    today = {item.sku: item for item in live.engine.catalog.products}
    then = {item.sku: item for item in loaded.localized(link.locale).catalog.products}
    product, now = then.get(link.what), today.get(link.what)
    if product is None or now is None or not now.active or link.what in live.engine.catalog.blocked:
        return ""
    address = result_setting(services, loaded, link.locale).address(product.url or "/")
    return address if urlsplit(address).scheme in ("https", "http") else ""
