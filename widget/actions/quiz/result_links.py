"""Encrypt answers into result codes, and decrypt result codes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from widget.actions.errors import UnknownResult
from widget.crypto import InvalidToken
from widget.domain.catalog.cart import EVENT, FORM, form_cart
from widget.domain.catalog.product import Product
from widget.domain.engine.code import BadCode, pack_answers, unpack_answers
from widget.domain.engine.result import Setting
from widget.i18n.money import money_text
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.stores.platforms import ORDERS, PLATFORMS

_MAX_VERSION = 1 << 31


def result_code(services: Services, loaded: LoadedQuiz, answers: dict[str, list[str]]) -> str:
    """Return a result code: opaque, tamper-proof, stateless, and the same for the same answers and version."""
    quiz = loaded.quiz.encode()
    plain = loaded.version.to_bytes(4, "big") + bytes([len(quiz)]) + quiz
    packed = pack_answers(loaded.engine.rules.pack.quiz, answers)
    return services.crypto.code(plain + packed, loaded.shop.slug.encode())


def result_url(services: Services, shop: str, code: str) -> str:
    """Return the URL of a result page."""
    return f"{services.settings.public_url}/{shop}/r/{code}"


def quiz_url(services: Services, shop: str, quiz: str) -> str:
    """Return the URL of a quiz's first page."""
    return f"{services.settings.public_url}/{shop}/quiz/{quiz}"


def open_result(
    services: Services, shop: str, code: str, quiz: str | None = None
) -> tuple[LoadedQuiz, dict[str, list[str]]]:
    """Return (version that the code was created with, answers). Raises UnknownResult."""
    try:
        plain = services.crypto.open_code(code, shop.encode())
        version, size = int.from_bytes(plain[:4], "big"), plain[4]
        named, packed = plain[5 : 5 + size].decode(), plain[5 + size :]
        loaded = services.quizzes.version(shop, named, version) if version < _MAX_VERSION else None
        if loaded is None or (quiz is not None and quiz != named):
            raise BadCode
        return loaded, unpack_answers(loaded.engine.rules.pack.quiz, packed)
    except (InvalidToken, BadCode, IndexError, UnicodeDecodeError) as error:
        raise UnknownResult("This link does not lead to a result. Take the quiz to get one.") from error


def result_setting(services: Services, loaded: LoadedQuiz, locale: str) -> Setting:
    """Return the settings for displaying a result in this shop: locale, money format, cart, and URLs."""

    def address(path: str) -> str:
        return urljoin((loaded.shop.url or services.settings.public_url) + "/", path)

    def cart(product: Product) -> dict[str, Any]:
        rule = loaded.shop.cart or {"kind": EVENT}
        if rule["kind"] == FORM:
            return form_cart(product, address(rule["action"]))
        return PLATFORMS.get(rule["kind"], PLATFORMS[ORDERS]).cart(product, address)

    return Setting(
        shop=loaded.shop.slug,
        quiz=loaded.quiz,
        version=loaded.version,
        locale=locale,
        money=money_text,
        cart=cart,
        address=address,
    )
