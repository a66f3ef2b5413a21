"""Publish a draft now, at a scheduled time, or after approval; roll back."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy.orm import Session

from widget.actions.content.change_draft import OpenDraft, open_draft, reset_draft
from widget.actions.content.check_content import check_content
from widget.actions.content.import_content import import_content
from widget.actions.content.publish_content import NotPublishable, check_version, move_pointer
from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.content.editing import differences
from widget.content.reader import read_files
from widget.deadline import is_time_limit
from widget.i18n.times import moment_and_zone
from widget.services import Services
from widget.storage import audit
from widget.storage.content import ContentVersion, live_publication, was_live
from widget.storage.drafts import Draft, ScheduledPublish, due_publishes
from widget.storage.shops import Shop
from widget.storage.users import User
from widget.telemetry import log

SCHEDULED, PUBLISHED, PUBLISH_FAILED, SCHEDULE_CANCELED = "waiting", "done", "failed", "dropped"


class DraftMoved(ActionError):
    """The draft or the live version has changed since the user reviewed it."""

    code = "draft_moved"


class ApprovalRequired(ActionError):
    code = "second_person"


class Overtaken(ActionError):
    code = "overtaken"


class Settled(ActionError):
    """A scheduled publish that has already been published or dropped."""

    code = "settled"


class NeverLive(ActionError):
    code = "never_live"


class BadTime(ActionError):
    code = "bad_time"


def changes_in_words(opened: OpenDraft) -> str:
    """Summarize the changes against the live version, as in "6 mapping rows, 2 questions changed"."""
    kinds = Counter(step.kind.partition(".")[0] for step in differences(opened.base, opened.draft.files))
    names = {"mapping": "mapping row", "triage": "safety row", "text": "translation", "pack": "setting"}
    lines = [f"{many} {names.get(kind, kind)}{'s' if many > 1 else ''}" for kind, many in kinds.most_common()]
    return f"{', '.join(lines)} changed" if lines else "nothing changed"


def publish_draft(services: Services, *, shop: str, quiz: str, by: User, note: str, revision: int) -> int:
    """Publish the draft now; return the number of the version.

    Raises DraftMoved, ApprovalRequired, NotPublishable.
    """
    opened = _looked_at(services, shop, quiz, revision)
    if opened.shop.approval:
        raise ApprovalRequired("This shop requires approval by a second user. Request approval below.")
    version = _import(services, opened, by, note)
    with services.sessions.begin() as session:
        owner = require_shop(session, shop, lock=True)
        if owner.approval:
            raise ApprovalRequired("This shop requires approval by a second user. Request approval below.")
        _refuse_if_moved(session, owner, opened, version.number)
        moved = move_pointer(services, session, owner, quiz, version.number, by.display_name)
        if moved:
            _note(services, session, owner.id, by, "published", f"{quiz}: version {version.number}. {note}")
    if moved:  # Otherwise this was a double click, and the first request does the rest.
        services.invalidate(f"{shop}/{quiz}")
        _start_afresh(services, opened, by, version)
    return version.number


def _refuse_if_moved(session: Session, shop: Shop, opened: OpenDraft, number: int) -> None:
    """Raise DraftMoved if the draft was changed, or another version published, while the checks ran."""
    draft = session.get_one(Draft, opened.draft.id, populate_existing=True)
    live = live_publication(session, shop.id, opened.draft.quiz)
    if live is not None and live.number == number:
        return
    if draft.revision != opened.draft.revision:
        raise DraftMoved("Another user changed the draft during the checks. Review the impact again.")
    if (live.number if live else None) != opened.live:
        raise DraftMoved(
            f"Version {live.number if live else 0} was published during the checks. Review the impact again."
        )


def _looked_at(services: Services, shop: str, quiz: str, revision: int) -> OpenDraft:
    opened = open_draft(services, shop=shop, quiz=quiz)
    if opened.draft.revision != revision:
        raise DraftMoved("The draft has changed since you opened this page. Review the impact again.")
    return opened


def _import(services: Services, opened: OpenDraft, by: User, note: str) -> ContentVersion:
    reading = read_files(opened.draft.files, [])
    check_content(reading, today=services.now().date())
    if reading.errors:
        raise NotPublishable(reading.errors)  # Raised before anything is stored: every version must be publishable.
    words = f"{note.strip()[:500]}\n{changes_in_words(opened)}"
    return import_content(services, shop=opened.shop.slug, files=opened.draft.files, author=by.display_name, note=words)


def _start_afresh(services: Services, opened: OpenDraft, by: User, version: ContentVersion) -> None:
    """Continue the draft from the version that has just been published."""
    what = f"version {version.number} published"
    reset_draft(services, draft=opened.draft, by=by, files=dict(version.files), base=version.number, what=what)


def plan_publish(
    services: Services,
    *,
    shop: str,
    quiz: str,
    by: User,
    note: str,
    revision: int,
    due_at: datetime | None = None,
    approver_id: int | None = None,
) -> int:
    """Store the draft as a version to be published later: at ``due_at``, or when another user approves it.

    Returns the number of the version. Raises DraftMoved, BadTime, ApprovalRequired, NotPublishable.
    """
    opened = _looked_at(services, shop, quiz, revision)
    if due_at is not None and due_at <= services.now():
        raise BadTime("This time has passed. Choose a later time, or publish now.")
    if due_at is not None and opened.shop.approval:
        raise ApprovalRequired("This shop requires approval by a second user. Request approval first.")
    version = _import(services, opened, by, note)
    with services.sessions.begin() as session:
        if due_at is not None and require_shop(session, shop, lock=True).approval:
            raise ApprovalRequired("This shop requires approval by a second user. Request approval first.")
        session.add(
            ScheduledPublish(
                shop_id=opened.shop.id,
                quiz=quiz,
                number=version.number,
                note=note.strip()[:500],
                due_at=due_at,
                user_id=by.id,
                author=by.display_name,
                approver_id=approver_id,
                state=SCHEDULED,
                at=services.now(),
            )
        )
        zone = opened.shop.timezone
        when = f"for {moment_and_zone(due_at, zone)}" if due_at else "for approval by a second user"
        about = f"{quiz}: version {version.number} {when}"
        _note(services, session, opened.shop.id, by, "publish_scheduled", about)
    return version.number


def agree_to_publish(services: Services, *, shop: str, scheduled_id: int, by: User) -> int:
    """Approve and publish a version that another user requested; return its number.

    Raises ApprovalRequired, NotPublishable, ActionError.
    """
    with services.sessions.begin() as session:
        row, _ = _locked_schedule(session, shop, scheduled_id)
        _refuse_own(row, by)
    _publish_scheduled(services, shop, row, by)
    return row.number


def _refuse_own(row: ScheduledPublish, by: User | None) -> None:
    if by is not None and row.user_id == by.id:
        raise ApprovalRequired("You requested this publish yourself. A second user must approve it.")


def _publish_scheduled(services: Services, shop: str, planned: ScheduledPublish, by: User | None) -> None:
    """Run the checks without locks; then, in one transaction, verify that the schedule is still valid, and publish.

    If the schedule was dropped or another version was published while the checks ran, nothing is published.
    Raises ActionError.
    """
    try:
        check_version(services, shop, planned.quiz, planned.number)
        with services.sessions.begin() as session:
            owner = require_shop(session, shop, lock=True)
            row, _ = _locked_schedule(session, shop, planned.id)
            _refuse_own(row, by)
            if owner.approval and by is None:
                raise ApprovalRequired("the shop now requires approval by a second user: request approval")
            _refuse_if_overtaken(session, row)
            author = by.display_name if by else row.author
            moved = move_pointer(services, session, owner, row.quiz, row.number, author)
            how = f"requested by {row.author}" if by else f"scheduled by {row.author}"
            row.state, row.reason = PUBLISHED, "" if moved else "already live"
            about = f"{row.quiz}: version {row.number}, {how}. {row.note}".strip()
            _note(services, session, owner.id, by, "published", about)
    except Settled:
        raise
    except ActionError as error:
        _fail(services, planned.id, by, str(error))
        raise
    if moved:
        services.invalidate(f"{shop}/{planned.quiz}")


def _refuse_if_overtaken(session: Session, row: ScheduledPublish) -> None:
    """Raise Overtaken if another version went live since scheduling: publishing would silently revert it."""
    live = live_publication(session, row.shop_id, row.quiz)
    if live is not None and live.number != row.number and live.at > row.at:
        raise Overtaken(f"version {live.number} was published in the meantime; publish the current draft instead")


def drop_plan(services: Services, *, shop: str, scheduled_id: int, by: User) -> None:
    """Drop a scheduled publish. Raises ActionError."""
    with services.sessions.begin() as session:
        # Publishing takes this lock as well: whichever request is second finds the schedule settled.
        require_shop(session, shop, lock=True)
        row, owner = _locked_schedule(session, shop, scheduled_id)
        row.state, row.reason = SCHEDULE_CANCELED, f"canceled by {by.display_name}"
        _note(services, session, owner.id, by, "publish_dropped", f"{row.quiz}: version {row.number}")


def _locked_schedule(session: Session, shop: str, scheduled_id: int) -> tuple[ScheduledPublish, Shop]:
    row = session.get(ScheduledPublish, scheduled_id, with_for_update=True, populate_existing=True)
    owner = session.get(Shop, row.shop_id) if row else None
    if row is None or owner is None or owner.slug != shop or row.state != SCHEDULED:
        raise Settled("This publish was already completed or canceled.")
    return row, owner


def publish_due(services: Services) -> int:
    """Publish what is due (called by workers); return how many were due.

    All checks run again. A version that fails them is not published, and the schedule records the reason.
    """
    with services.reads() as session:
        due = due_publishes(session, services.now())
    for scheduled_id in due:
        with services.reads() as session:
            row = session.get_one(ScheduledPublish, scheduled_id)
            slug = session.get_one(Shop, row.shop_id).slug
        if row.state == SCHEDULED:
            try:
                _publish_scheduled(services, slug, row, None)
            except ActionError:
                continue  # The reason is stored with the schedule, for users to see.
            except Exception as error:  # One schedule must not block the others; it is tried again.
                if is_time_limit(error):
                    raise
                log("publishing").error("plan_failed", scheduled_id=scheduled_id, exc_info=True)
    return len(due)


def _fail(services: Services, scheduled_id: int, by: User | None, reason: str) -> None:
    """Record why a scheduled publish failed; only once, even if two workers attempted it."""
    with services.sessions.begin() as session:
        row = session.get_one(ScheduledPublish, scheduled_id, with_for_update=True)
        if row.state == SCHEDULED:
            row.state, row.reason = PUBLISH_FAILED, reason[:500]
            about = f"{row.quiz}: version {row.number} was not published: {reason}"
            _note(services, session, row.shop_id, by, "publish_failed", about)


def roll_back(services: Services, *, shop: str, quiz: str, number: int, by: User) -> bool:
    """Make an earlier live version live again; return False if it is already live.

    Raises NeverLive for a version that was never live.
    """
    opened = open_draft(services, shop=shop, quiz=quiz)
    with services.reads() as session:
        if not was_live(session, opened.shop.id, quiz, number):
            raise NeverLive("You can only roll back to a version that was live before.")
    with services.sessions.begin() as session:
        owner = require_shop(session, shop, lock=True)
        moved = move_pointer(services, session, owner, quiz, number, by.display_name)
        if moved:
            _note(services, session, owner.id, by, "rolled_back", f"{quiz}: version {number}")
    if moved:
        services.invalidate(f"{shop}/{quiz}")
    return moved


def _note(services: Services, session: Session, shop_id: int, by: User | None, what: str, about: str) -> None:
    who = by.display_name if by else "scheduler"
    audit.record(
        session, shop_id=shop_id, at=services.now(), actor=who, user_id=by.id if by else None, action=what, detail=about
    )
