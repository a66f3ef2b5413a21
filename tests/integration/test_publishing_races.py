"""Concurrent publishing on PostgreSQL with real sessions: one operation wins, and the other gets an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

import widget.actions.content.publish_draft as publishing
from tests.support.packs import leg_day_files
from widget.actions.accounts.add_user import add_user
from widget.actions.content.change_draft import open_draft, reset_draft
from widget.actions.content.publish_content import publish_content
from widget.actions.content.publish_draft import (
    ApprovalRequired,
    DraftMoved,
    Settled,
    agree_to_publish,
    drop_plan,
    plan_publish,
    publish_draft,
    publish_due,
    roll_back,
)
from widget.actions.errors import ActionError
from widget.services import Services
from widget.storage.audit import AuditEntry
from widget.storage.content import live_publication
from widget.storage.drafts import ScheduledPublish
from widget.storage.shops import shop_by_slug
from widget.storage.users import User


@pytest.fixture(params=["postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with request.getfixturevalue("postgres_copies").one() as url:
        yield url


@pytest.fixture
def users(services: Services) -> tuple[User, User]:
    return tuple(  # type: ignore[return-value]
        add_user(services, shop="demo", email=f"{name}@team.example", role="publisher", name=name)[0]
        for name in ("ann", "bob")
    )


def changed(services: Services, by: User, word: str) -> int:
    """Change the title in the draft; return the draft's revision."""
    files = leg_day_files()
    files = {**files, "pack.yaml": files["pack.yaml"].replace("title: Recovery match for leg day", f"title: {word}")}
    opened = open_draft(services, shop="demo", quiz="leg-day")
    reset_draft(services, draft=opened.draft, by=by, files=files, base=opened.live or 1, what="for a test")
    return open_draft(services, shop="demo", quiz="leg-day").draft.revision


def planned(services: Services, by: User, word: str, **more: Any) -> int:
    revision = changed(services, by, word)
    plan_publish(services, shop="demo", quiz="leg-day", by=by, note="", revision=revision, **more)
    with services.reads() as session:
        return int(session.scalars(select(ScheduledPublish.id).order_by(ScheduledPublish.id.desc())).first() or 0)


def live(services: Services) -> int:
    with services.reads() as session:
        shop = shop_by_slug(session, "demo")
        assert shop is not None
        found = live_publication(session, shop.id, "leg-day")
        return found.number if found else 0


def log(services: Services) -> list[str]:
    kinds = ("published", "publish_dropped", "publish_failed", "rolled_back")
    with services.reads() as session:
        entries = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))
        return [what for what in entries if what in kinds]


def state(services: Services, scheduled_id: int) -> str:
    with services.reads() as session:
        return session.get_one(ScheduledPublish, scheduled_id).state


def while_checking(monkeypatch: pytest.MonkeyPatch, do: Callable[[], Any]) -> None:
    """Call ``do`` after the checks have passed and before the live version changes."""
    checked = publishing.check_version

    def check_then(*args: Any) -> None:
        monkeypatch.setattr(publishing, "check_version", checked)
        checked(*args)
        do()

    monkeypatch.setattr(publishing, "check_version", check_then)


def in_turn(services: Services, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Run both concurrently, the second while the first holds the shop's lock; return their results or errors."""
    holding, outcome = threading.Event(), [None, None]
    original = publishing.require_shop

    def locked(session: Any, shop: str, *, lock: bool = False) -> Any:
        owner = original(session, shop, lock=lock)
        if lock and threading.current_thread().name == "first":
            holding.set()
            threading.Event().wait(0.3)  # Meanwhile the second thread waits for the lock.
        return owner

    def run(place: int, do: Callable[[], Any]) -> None:
        try:
            outcome[place] = do()
        except ActionError as error:
            outcome[place] = error

    publishing.require_shop = locked  # type: ignore[assignment]
    try:
        threads = [
            threading.Thread(target=run, args=(n, do), name=name)
            for n, do, name in ((0, first, "first"), (1, second, "second"))
        ]
        threads[0].start()
        assert holding.wait(20)
        threads[1].start()
        for thread in threads:
            thread.join(30)
    finally:
        publishing.require_shop = original
    return outcome


def test_scheduled_publish_dropped_during_its_checks_does_not_go_live(
    services: Services, users: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = users
    plan = planned(services, ann, "First", due_at=services.now() + timedelta(minutes=5))
    services.clock.move_to(services.now() + timedelta(minutes=6))
    while_checking(monkeypatch, lambda: drop_plan(services, shop="demo", scheduled_id=plan, by=bob))
    publish_due(services)

    assert (live(services), state(services, plan), log(services)) == (1, "dropped", ["publish_dropped"])


def test_publish_withdrawn_while_its_approval_is_checked_does_not_go_live(
    services: Services, users: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = users
    plan = planned(services, ann, "First", approver_id=bob.id)
    while_checking(monkeypatch, lambda: drop_plan(services, shop="demo", scheduled_id=plan, by=ann))
    with pytest.raises(Settled):
        agree_to_publish(services, shop="demo", scheduled_id=plan, by=bob)

    assert (live(services), log(services)) == (1, ["publish_dropped"])


def test_publish_overtaken_during_its_checks_fails_with_a_reason(
    services: Services, users: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = users
    plan = planned(services, ann, "First", approver_id=bob.id)
    revision = changed(services, bob, "Second")
    while_checking(
        monkeypatch, lambda: publish_draft(services, shop="demo", quiz="leg-day", by=bob, note="", revision=revision)
    )
    with pytest.raises(ActionError, match="was published in the meantime"):
        agree_to_publish(services, shop="demo", scheduled_id=plan, by=bob)

    assert (live(services), state(services, plan)) == (3, "failed")
    assert log(services) == ["published", "publish_failed"]


@pytest.mark.parametrize("publishes_first", [True, False])
def test_concurrent_drop_and_approval_of_a_publish_have_one_winner(
    services: Services, users: tuple[User, User], publishes_first: bool
) -> None:
    ann, bob = users
    plan = planned(services, ann, "First", approver_id=bob.id)
    calls = [
        lambda: agree_to_publish(services, shop="demo", scheduled_id=plan, by=bob),
        lambda: drop_plan(services, shop="demo", scheduled_id=plan, by=ann),
    ]
    outcome = in_turn(services, *(calls if publishes_first else calls[::-1]))

    assert isinstance(outcome[1], Settled)
    assert live(services) == (2 if publishes_first else 1)
    assert log(services) == ["published" if publishes_first else "publish_dropped"]


def test_two_workers_run_a_scheduled_publish_once(services: Services, users: tuple[User, User]) -> None:
    plan = planned(services, users[0], "First", due_at=services.now() + timedelta(minutes=5))
    services.clock.move_to(services.now() + timedelta(minutes=6))
    in_turn(services, lambda: publish_due(services), lambda: publish_due(services))

    assert (live(services), state(services, plan), log(services)) == (2, "done", ["published"])


def test_second_of_two_concurrent_publishes_gets_an_error(services: Services, users: tuple[User, User]) -> None:
    """The second user reviewed the impact against a version that is no longer live."""
    ann, bob = users
    revision = changed(services, ann, "First")

    def publish(by: User) -> Any:
        return publish_draft(services, shop="demo", quiz="leg-day", by=by, note="", revision=revision)

    opened = open_draft(services, shop="demo", quiz="leg-day")
    assert opened.draft.revision == revision
    other = publish_content(services, shop="demo", quiz="leg-day", number=1)
    assert not other
    outcome = in_turn(services, lambda: publish(ann), lambda: publish(bob))

    assert outcome[0] == 2
    assert outcome[1] == 2 or isinstance(outcome[1], DraftMoved)
    assert log(services) == ["published"]


def test_publish_that_loses_to_a_roll_back_fails(
    services: Services, users: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = users
    publish_draft(services, shop="demo", quiz="leg-day", by=ann, note="", revision=changed(services, ann, "First"))
    revision = changed(services, ann, "Second")
    outcome = in_turn(
        services,
        lambda: roll_back(services, shop="demo", quiz="leg-day", number=1, by=bob),
        lambda: publish_draft(services, shop="demo", quiz="leg-day", by=ann, note="", revision=revision),
    )

    assert outcome[0] is True
    assert isinstance(outcome[1], DraftMoved)
    assert (live(services), log(services)) == (1, ["published", "rolled_back"])


def test_approval_requirement_enabled_during_checks_applies(
    services: Services, users: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = changed(services, users[0], "First")
    original = publishing._import

    def import_then(*args: Any) -> Any:
        version = original(*args)
        with services.sessions.begin() as session:
            shop = shop_by_slug(session, "demo", lock=True)
            assert shop is not None
            shop.approval = True
        return version

    monkeypatch.setattr(publishing, "_import", import_then)
    with pytest.raises(ApprovalRequired):
        publish_draft(services, shop="demo", quiz="leg-day", by=users[0], note="", revision=revision)

    assert (live(services), log(services)) == (1, [])


def test_scheduled_publish_planned_before_approval_was_required_fails(
    services: Services, users: tuple[User, User]
) -> None:
    plan = planned(services, users[0], "First", due_at=services.now() + timedelta(minutes=5))
    with services.sessions.begin() as session:
        shop = shop_by_slug(session, "demo", lock=True)
        assert shop is not None
        shop.approval = True
    services.clock.move_to(services.now() + timedelta(minutes=6))
    publish_due(services)

    assert (live(services), state(services, plan), log(services)) == (1, "failed", ["publish_failed"])
