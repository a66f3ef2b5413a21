"""Move the pointer: this version of the quiz is live now."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from widget.actions.check_content import check_content
from widget.actions.errors import ActionError, UnknownShop
from widget.content.reader import read_files
from widget.content.reading import Located
from widget.parts import Parts
from widget.storage.content import Publication, live_publication, version_by_number, was_live
from widget.storage.shops import shop_by_slug


class UnknownVersion(ActionError):
    code = "unknown_version"


class NotPublishable(ActionError):
    """A version with errors: in its files, its claims, its evidence or on its answer paths."""

    code = "not_publishable"

    def __init__(self, problems: list[Located]) -> None:
        first = problems[0]
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        super().__init__(f"it has errors: {first.file}, line {first.line}: {first.problem.message}{more}")
        self.problems = problems


def publish_content(
    parts: Parts, *, shop: str, quiz: str, number: int, author: str = "", checked: bool = False
) -> bool:
    """Make a version live (also an older one: that is a rollback); False when it is live already.

    A version that was never live is checked first, unless ``checked`` says that this was done just now.
    Raises UnknownShop, UnknownVersion, NotPublishable.
    """
    if not checked:
        _check(parts, shop, quiz, number)
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


def _check(parts: Parts, shop: str, quiz: str, number: int) -> None:
    """Errors stop a version that is new; going back to one that was live before is always possible."""
    with parts.sessions() as session:
        owner = shop_by_slug(session, shop)
        version = version_by_number(session, owner.id, quiz, number) if owner else None
        if owner is None or version is None or was_live(session, owner.id, quiz, number):
            return
        files = version.files
    reading = read_files(files, [])
    check_content(reading, today=parts.now().date())
    if reading.errors:
        raise NotPublishable(reading.errors)
