"""Move the pointer: this version of the quiz is live now."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from widget.actions.errors import ActionError, UnknownShop
from widget.parts import Parts
from widget.storage.content import Publication, live_publication, version_by_number
from widget.storage.shops import shop_by_slug


class UnknownVersion(ActionError):
    code = "unknown_version"


def publish_content(parts: Parts, *, shop: str, quiz: str, number: int, author: str = "") -> bool:
    """Make a version live (also an older one: that is a rollback); False when it is live already.

    Raises UnknownShop, UnknownVersion.
    """
    try:
        with parts.sessions.begin() as session:
            owner = shop_by_slug(session, shop)
            if owner is None:
                raise UnknownShop(f"there is no shop '{shop}'")
            if version_by_number(session, owner.id, quiz, number) is None:
                raise UnknownVersion(f"quiz '{quiz}' has no version {number}")
            live = live_publication(session, owner.id, quiz)
            if live and live.number == number:
                return False
            sequence = live.sequence + 1 if live else 1
            row = Publication(
                shop_id=owner.id, quiz=quiz, sequence=sequence, number=number, author=author, at=parts.now()
            )
            session.add(row)
    except IntegrityError:
        return False  # A double click: the same move was made at the same moment.
    parts.moved(f"{shop}/{quiz}")
    return True
