"""Open and edit a draft, and undo changes. Shoppers never see a draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from widget.actions.errors import ActionError, UnknownQuiz
from widget.actions.require_shop import require_shop
from widget.content.editing import Conflict, Data, Step, Taken, apply, record_hash, records_of, with_places
from widget.content.files import PackFiles
from widget.services import Services
from widget.storage import audit
from widget.storage.content import live_publication, newest_version, version_by_number
from widget.storage.drafts import Draft, DraftChange, DraftReport, draft_of, last_change
from widget.storage.shops import Shop
from widget.storage.users import User

MAX_CELL = 100_000
"""Characters in one field of a draft."""


class EditConflict(ActionError):
    """The record was changed by another user meanwhile. ``now``: its current content, None if it was deleted."""

    code = "edit_conflict"

    def __init__(self, kind: str, record: str, now: Data | None, by: str, when: Any) -> None:
        what = "deleted" if now is None else "changed"
        super().__init__(f"{by} {what} this while you were editing it. Your changes are kept. Choose a version below.")
        self.kind, self.record, self.now, self.by, self.when = kind, record, now, by, when


class IdTaken(ActionError):
    code = "id_taken"


class NothingToUndo(ActionError):
    code = "nothing_to_undo"


@dataclass(frozen=True, slots=True)
class OpenDraft:
    """A draft with the files it is compared with. ``live``: number of the live version, None if there is none."""

    draft: Draft
    shop: Shop
    base: PackFiles
    live: int | None


def open_draft(services: Services, *, shop: str, quiz: str) -> OpenDraft:
    """Return the draft of a quiz, creating it from the live version the first time.

    Without a live version, the newest version is used. Raises UnknownShop, UnknownQuiz.
    """
    with services.reads() as session:
        found = _opened(session, shop, quiz)
    if found:
        return found
    try:
        with services.sessions.begin() as session:
            owner = require_shop(session, shop)
            live = live_publication(session, owner.id, quiz)
            newest = newest_version(session, owner.id, quiz)
            version = version_by_number(session, owner.id, quiz, live.number) if live else newest
            if version is None:
                raise UnknownQuiz(f"Shop '{shop}' has no quiz '{quiz}'.")
            row = Draft(
                shop_id=owner.id, quiz=quiz, base=version.number, files=dict(version.files), changed_at=services.now()
            )
            session.add(row)
    except IntegrityError:
        pass  # Another user opened it at the same moment.
    with services.reads() as session:
        opened = _opened(session, shop, quiz)
    assert opened is not None
    return opened


def _opened(session: Session, slug: str, quiz: str) -> OpenDraft | None:
    shop = require_shop(session, slug)
    draft = draft_of(session, shop.id, quiz)
    if draft is None:
        return None
    live = live_publication(session, shop.id, quiz)
    version = version_by_number(session, shop.id, quiz, live.number if live else draft.base)
    return OpenDraft(draft, shop, dict(version.files) if version else {}, live.number if live else None)


def change_draft(
    services: Services, *, draft_id: int, by: User, what: str, steps: Sequence[Step], undoes: int | None = None
) -> int:
    """Apply all steps or none; return the resulting revision. Raises EditConflict, IdTaken."""
    with services.sessions.begin() as session:
        draft = session.get_one(Draft, draft_id, with_for_update=True)
        steps = [step for step in steps if step.before != step.after or step.follows is not None]
        if not steps:
            return draft.revision
        placed = with_places(draft.files, steps)
        try:
            draft.files = apply(draft.files, placed)
        except Conflict as conflict:
            raise _told(session, draft, conflict) from conflict
        except Taken as taken:
            raise IdTaken(str(taken)) from taken
        draft.revision += 1
        draft.changed_at = services.now()
        row = _row(services, draft, by, what, placed)
        session.add(row)
        if undoes is not None:  # Mark both as undone, so that the next Undo reverts the change before.
            session.get_one(DraftChange, undoes).undone_by = row.undone_by = draft.revision
        _log(services, session, draft, by, "draft_changed", what)
        return draft.revision


def _row(services: Services, draft: Draft, by: User, what: str, steps: Sequence[Step]) -> DraftChange:
    return DraftChange(
        shop_id=draft.shop_id,
        draft_id=draft.id,
        revision=draft.revision,
        user_id=by.id,
        author=by.display_name,
        summary=what[:300],
        steps=[step.data() for step in steps],
        records="\n" + "".join(f"{step.kind}/{step.record}\n" for step in steps),
        at=services.now(),
    )


def _told(session: Session, draft: Draft, conflict: Conflict) -> EditConflict:
    change = last_change(session, draft.id, f"{conflict.kind}/{conflict.record}")
    by, when = (change.author, change.at) if change else ("Another user", draft.changed_at)
    return EditConflict(conflict.kind, conflict.record, conflict.now, by, when)


def put_record(
    services: Services,
    *,
    draft: Draft,
    by: User,
    kind: str,
    record: str,
    seen: str,
    after: Data | None,
    what: str,
    follows: str | None = None,
) -> int:
    """Change one record (``after`` None: delete it); return the resulting revision.

    ``seen``: hash of the record when the form was displayed, empty for a new record. Raises EditConflict, IdTaken.
    """
    now = records_of(draft.files, kind).get(record)
    if record_hash(now) != seen:
        with services.reads() as session:
            if seen == "" and now is not None:
                raise IdTaken(f"The ID '{record}' is already in use. Choose another.")
            raise _told(session, draft, Conflict(kind, record, now))
    return change_draft(
        services, draft_id=draft.id, by=by, what=what, steps=[Step(kind, record, now, after, follows=follows)]
    )


def undo_change(services: Services, *, draft: Draft, by: User, revision: int | None = None) -> str:
    """Undo the last change that is not undone (or that of a revision); return its summary.

    Raises NothingToUndo, EditConflict.
    """
    with services.reads() as session:
        change = last_change(session, draft.id)
        if revision is not None:
            wanted = (
                DraftChange.draft_id == draft.id,
                DraftChange.revision == revision,
                DraftChange.undone_by.is_(None),
            )
            change = session.scalar(select(DraftChange).where(*wanted))
        if change is None:
            raise NothingToUndo("Nothing to undo.")
        steps = [Step(**step).back() for step in reversed(change.steps)]
    change_draft(services, draft_id=draft.id, by=by, what=f"undone: {change.summary}", steps=steps, undoes=change.id)
    return change.summary


def reset_draft(services: Services, *, draft: Draft, by: User, files: PackFiles, base: int, what: str) -> None:
    """Reset the draft to these files (a version or an import). Its changes remain visible but cannot be undone.

    If others have changed the draft since it was read, their changes stay and only the base is updated.
    """
    with services.sessions.begin() as session:
        row = session.get_one(Draft, draft.id, with_for_update=True)
        row.base, row.changed_at = base, services.now()
        if row.revision != draft.revision:
            _log(services, session, row, by, "draft_reset", f"{what}; changes made in the meantime stay in the draft")
            return
        row.files = dict(files)
        row.revision += 1
        standing = (DraftChange.draft_id == draft.id, DraftChange.undone_by.is_(None))
        session.execute(update(DraftChange).where(*standing).values(undone_by=row.revision))
        session.execute(delete(DraftReport).where(DraftReport.draft_id == draft.id))
        _log(services, session, row, by, "draft_reset", what)


def _log(services: Services, session: Session, draft: Draft, by: User, what: str, about: str) -> None:
    message = f"{draft.quiz}: {about}"
    audit.record(
        session,
        shop_id=draft.shop_id,
        at=services.now(),
        actor=by.display_name,
        user_id=by.id,
        action=what,
        detail=message,
    )
