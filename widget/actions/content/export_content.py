"""Export the files of a content version."""

from __future__ import annotations

from widget.actions.errors import UnknownQuiz
from widget.actions.require_shop import require_shop
from widget.content.files import PackFiles
from widget.services import Services
from widget.storage.content import live_publication, version_by_number


def export_content(services: Services, *, shop: str, quiz: str, number: int | None = None) -> PackFiles:
    """Return the canonical files of a version, by default the live one. Raises UnknownShop, UnknownQuiz."""
    with services.reads() as session:
        owner = require_shop(session, shop)
        live = live_publication(session, owner.id, quiz)
        wanted = number if number is not None else (live.number if live else None)
        row = version_by_number(session, owner.id, quiz, wanted) if wanted is not None else None
        if row is None:
            raise UnknownQuiz(f"Shop '{shop}' has no such version of quiz '{quiz}'.")
        return dict(row.files)
