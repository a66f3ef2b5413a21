"""Load a content version of a shop with the current catalog, and recorded answers."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from widget.actions.content.publish_content import UnknownVersion
from widget.actions.errors import UnknownQuiz
from widget.actions.require_shop import require_shop
from widget.domain.engine.live import Engine
from widget.services import Services
from widget.storage.responses import Response


def load_version(services: Services, *, shop: str, quiz: str, number: int | None) -> Engine:
    """Return the version (None: the live one) with the shop's current prices, stock, and blocked products.

    Raises UnknownQuiz (no live version), UnknownVersion.
    """
    live = services.quizzes.live(shop, quiz)
    if live is None:
        raise UnknownQuiz(f"Shop '{shop}' has no live quiz '{quiz}'.")
    loaded = live if number is None else services.quizzes.version(shop, quiz, number)
    if loaded is None:
        raise UnknownVersion(f"Quiz '{quiz}' of shop '{shop}' has no version {number}.")
    return loaded.engine


def load_responses(services: Services, *, shop: str, quiz: str, days: int) -> list[dict[str, list[str]]]:
    """Return the anonymous answers of the last ``days`` days. Raises UnknownShop."""
    with services.sessions() as session:
        owner = require_shop(session, shop)
        since = services.now() - timedelta(days=days)
        wanted = (Response.shop_id == owner.id, Response.quiz == quiz, Response.created_at >= since)
        return list(session.scalars(select(Response.answers).where(*wanted)))
