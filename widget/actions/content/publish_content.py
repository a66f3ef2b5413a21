"""Publish a content version: move the live pointer."""

from __future__ import annotations

from sqlalchemy.orm import Session

from widget.actions.content.check_content import check_content
from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.content.reader import read_files
from widget.content.reading import Located
from widget.services import Services
from widget.storage.content import Publication, live_publication, version_by_number, was_live
from widget.storage.shops import Shop, shop_by_slug


class UnknownVersion(ActionError):
    code = "unknown_version"


class NotPublishable(ActionError):
    """A version with errors in its files, claims, evidence, or answer paths."""

    code = "not_publishable"

    def __init__(self, problems: list[Located]) -> None:
        first = problems[0]
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        super().__init__(f"the version has errors: {first.file}, line {first.line}: {first.problem.message}{more}")
        self.problems = problems


def publish_content(
    services: Services, *, shop: str, quiz: str, number: int, author: str = "", checked: bool = False
) -> bool:
    """Make a version live (an older one: roll back); return False if it is already live.

    A version that was never live is checked first, unless the caller has just done so (``checked``).
    Raises UnknownShop, UnknownVersion, NotPublishable.
    """
    if not checked:
        check_version(services, shop, quiz, number)
    with services.sessions.begin() as session:
        moved = move_pointer(services, session, require_shop(session, shop, lock=True), quiz, number, author)
    if moved:
        services.invalidate(f"{shop}/{quiz}")
    return moved


def move_pointer(services: Services, session: Session, shop: Shop, quiz: str, number: int, author: str) -> bool:
    """Make a version live in the transaction that holds the shop's lock; return False if it is already live.

    Every change of the live version takes this lock, so what was read under it remains valid. Raises UnknownVersion.
    """
    if version_by_number(session, shop.id, quiz, number) is None:
        raise UnknownVersion(f"Quiz '{quiz}' has no version {number}.")
    live = live_publication(session, shop.id, quiz)
    if live and live.number == number:
        return False
    sequence = live.sequence + 1 if live else 1
    at = services.now()
    session.add(Publication(shop_id=shop.id, quiz=quiz, sequence=sequence, number=number, author=author, at=at))
    return True


def check_version(services: Services, shop: str, quiz: str, number: int) -> None:
    """Check a version that was never live; rolling back to an earlier live version is always possible.

    The check takes time, so nothing is locked meanwhile. Raises NotPublishable.
    """
    with services.sessions() as session:
        owner = shop_by_slug(session, shop)
        version = version_by_number(session, owner.id, quiz, number) if owner else None
        if owner is None or version is None or was_live(session, owner.id, quiz, number):
            return
        files = version.files
    reading = read_files(files, [])
    check_content(reading, today=services.now().date())
    if reading.errors:
        raise NotPublishable(reading.errors)
