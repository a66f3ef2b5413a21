"""Publishing against everybody else at once, on PostgreSQL with real sessions: one wins, and the loser is told."""

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
    from tests.support.database import fresh_postgres

    yield from fresh_postgres(request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_model"))


@pytest.fixture
def users(services: Services) -> tuple[User, User]:
    return tuple(  # type: ignore[return-value]
        add_user(services, shop="demo", email=f"{name}@team.example", role="publisher", name=name)[0]
        for name in ("ann", "bob")
    )


def changed(services: Services, by: User, word: str) -> int:
    """A draft with another title; its revision."""
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
    """Something happens after the checks have passed and before the pointer moves."""
    checked = publishing.check_version

    def check_then(*args: Any) -> None:
        monkeypatch.setattr(publishing, "check_version", checked)
        checked(*args)
        do()

    monkeypatch.setattr(publishing, "check_version", check_then)


def in_turn(services: Services, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Both at once: the second begins while the first holds the shop's lock. What each came to."""
    holding, outcome = threading.Event(), [None, None]
    original = publishing.require_shop

    def locked(session: Any, shop: str, *, lock: bool = False) -> Any:
        owner = original(session, shop, lock=lock)
        if lock and threading.current_thread().name == "first":
            holding.set()
            threading.Event().wait(0.3)  # The other one runs into the lock meanwhile.
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


def test_a_plan_dropped_while_its_checks_ran_does_not_go_live(
    services: Services, users: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = users
    plan = planned(services, ann, "First", due_at=services.now() + timedelta(minutes=5))
    services.clock.move_to(services.now() + timedelta(minutes=6))
    while_checking(monkeypatch, lambda: drop_plan(services, shop="demo", scheduled_id=plan, by=bob))
    publish_due(services)

    assert (live(services), state(services, plan), log(services)) == (1, "dropped", ["publish_dropped"])


def test_an_approval_withdrawn_while_its_checks_ran_does_not_go_live(
    services: Services, users: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = users
    plan = planned(services, ann, "First", approver_id=bob.id)
    while_checking(monkeypatch, lambda: drop_plan(services, shop="demo", scheduled_id=plan, by=ann))
    with pytest.raises(Settled):
        agree_to_publish(services, shop="demo", scheduled_id=plan, by=bob)

    assert (live(services), log(services)) == (1, ["publish_dropped"])


def test_a_plan_overtaken_while_its_checks_ran_says_so(
    services: Services, users: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = users
    plan = planned(services, ann, "First", approver_id=bob.id)
    revision = changed(services, bob, "Second")
    while_checking(
        monkeypatch, lambda: publish_draft(services, shop="demo", quiz="leg-day", by=bob, note="", revision=revision)
    )
    with pytest.raises(ActionError, match="went live since"):
        agree_to_publish(services, shop="demo", scheduled_id=plan, by=bob)

    assert (live(services), state(services, plan)) == (3, "failed")
    assert log(services) == ["published", "publish_failed"]


@pytest.mark.parametrize("publishes_first", [True, False])
def test_of_a_drop_and_an_approval_at_once_one_wins(
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


def test_two_workers_publish_a_plan_once(services: Services, users: tuple[User, User]) -> None:
    plan = planned(services, users[0], "First", due_at=services.now() + timedelta(minutes=5))
    services.clock.move_to(services.now() + timedelta(minutes=6))
    in_turn(services, lambda: publish_due(services), lambda: publish_due(services))

    assert (live(services), state(services, plan), log(services)) == (2, "done", ["published"])


def test_two_people_publish_two_drafts_and_the_second_is_told(services: Services, users: tuple[User, User]) -> None:
    """The second one looked at an impact against what is not live any more."""
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


def test_a_publish_lost_to_a_roll_back_is_no_success(
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


def test_approval_turned_on_while_checking_holds(
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


def test_a_plan_from_before_a_second_person_was_asked_for_does_not_go_live(
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
