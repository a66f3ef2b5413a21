"""Add a quiz to a shop as an unpublished draft, copied from an existing one."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from widget.actions.content.change_draft import open_draft
from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.content.editing import PACK, records_of, with_records
from widget.services import Services
from widget.storage import audit
from widget.storage.content import ContentVersion
from widget.storage.drafts import Draft
from widget.storage.users import User

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class BadQuiz(ActionError):
    code = "bad_quiz"


def add_quiz(services: Services, *, shop: str, quiz: str, title: str, like: str, by: User) -> None:
    """Create a draft of a new quiz with this title, as a copy of the quiz ``like``. Raises UnknownShop, BadQuiz."""
    if not _ID.fullmatch(quiz):
        raise BadQuiz("Use only a-z, 0-9, and - in the ID, such as arm-day.")
    if not title.strip():
        raise BadQuiz("Enter a title for the quiz.")
    source = open_draft(services, shop=shop, quiz=like)
    files = source.base or source.draft.files  # A quiz that was never published is copied from its draft.
    head = {**records_of(files, PACK)[PACK], "id": quiz, "title": title.strip()[:200]}
    files = with_records(files, PACK, {PACK: head})
    try:
        with services.sessions.begin() as session:
            owner = require_shop(session, shop)
            taken = select(ContentVersion.id).where(ContentVersion.shop_id == owner.id, ContentVersion.quiz == quiz)
            if session.scalar(taken.limit(1)) is not None:
                raise BadQuiz(f"A quiz with the ID '{quiz}' already exists.")
            session.add(Draft(shop_id=owner.id, quiz=quiz, base=0, files=files, changed_at=services.now()))
            about = f"{quiz}, copied from {like}"
            audit.record(
                session,
                shop_id=owner.id,
                at=services.now(),
                user_id=by.id,
                actor=by.display_name,
                action="quiz_added",
                detail=about,
            )
    except IntegrityError as error:
        raise BadQuiz(f"A quiz with the ID '{quiz}' already exists.") from error
