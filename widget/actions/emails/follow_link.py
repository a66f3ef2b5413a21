"""Resolve links in emails to the product, quiz, or result. Clicks are counted per email, never per recipient.

An address says, encrypted, which email of a version it stands in and what it leads to. Everybody whose email says the
same has the same address. Where it leads is worked out here: nothing that a stranger sends is a target.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from urllib.parse import urlsplit

from widget.actions.errors import UnknownResult, UnknownToken
from widget.actions.quiz.result_links import open_result, quiz_url, result_setting, result_url
from widget.crypto import InvalidToken
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.storage.daily_metrics import EMAIL_CLICKED, DailyMetricKey

PRODUCT, QUIZ, RESULT = "p", "q", "r"
ABOUT = b"/l/"
"""Keeps these codes apart from all others: no shop's id holds a slash."""
_BETWEEN = "\n"


@dataclass(frozen=True, slots=True)
class Link:
    """``email`` is its id in the pack; ``what`` is the SKU of a product, or the code of a result."""

    shop: str
    quiz: str
    version: int
    locale: str
    email: str
    kind: str
    what: str = ""


def link_url(services: Services, link: Link) -> str:
    """The address that stands in the email."""
    plain = _BETWEEN.join(str(item) for item in astuple(link)).encode()
    return f"{services.settings.public_url}/l/{services.crypto.code(plain, ABOUT)}"


def follow_link(services: Services, token: str, *, client: str = "") -> str:
    """Where a link leads today: where the email said, or to the quiz when that is gone. Raises UnknownToken.

    Counted once in a while for each ``client``; without one (a program, or a look ahead) not at all.
    """
    link = _opened(services, token)
    live = services.quizzes.live(link.shop, link.quiz)
    if live is None:
        raise UnknownToken("this link leads nowhere any more")
    if client:
        _count(services, live, link, services.crypto.memory_fingerprint(f"{client}\n{token}"))
    return _target(services, live, link) or quiz_url(services, link.shop, link.quiz)


def _opened(services: Services, token: str) -> Link:
    try:
        plain = services.crypto.open_code(token, ABOUT).decode()
    except InvalidToken as error:
        raise UnknownToken("this link is not one of ours") from error
    shop, quiz, version, locale, email, kind, what = plain.split(_BETWEEN, 6)
    return Link(shop, quiz, int(version), locale, email, kind, what)


def _count(services: Services, live: LoadedQuiz, link: Link, who: bytes) -> None:
    """Scanners and preview panes open a link several times: within a few minutes that is one click."""
    if services.clicks.get(who):
        return
    services.clicks.put(who, True)
    day = services.now().date()
    services.recorder.add_daily_metric(
        DailyMetricKey(live.shop.id, link.quiz, EMAIL_CLICKED, day, link.version, link.locale, link.email)
    )


def _target(services: Services, live: LoadedQuiz, link: Link) -> str:
    """Empty for what is gone: a version, a result that cannot be read, a product that is not sold any more."""
    if link.kind == RESULT:
        try:
            open_result(services, link.shop, link.what)
        except UnknownResult:
            return ""
        return result_url(services, link.shop, link.what)
    loaded = services.quizzes.version(link.shop, link.quiz, link.version)
    return _product(services, live, loaded, link) if loaded and link.kind == PRODUCT else ""


def _product(services: Services, live: LoadedQuiz, loaded: LoadedQuiz, link: Link) -> str:
    """The address as the email's version has it; what is blocked or withdrawn today has none."""
    today = {item.sku: item for item in live.engine.catalog.products}
    then = {item.sku: item for item in loaded.localized(link.locale).catalog.products}
    product, now = then.get(link.what), today.get(link.what)
    if product is None or now is None or not now.active or link.what in live.engine.catalog.blocked:
        return ""
    address = result_setting(services, loaded, link.locale).address(product.url or "/")
    return address if urlsplit(address).scheme in ("https", "http") else ""
