"""What changes between the decision to send an email and its mark as sending is seen; no person gets two at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from tests.load.emails import plan_emails
from tests.support.database import PostgresCopies, rows
from tests.support.emails import with_transport
from widget.actions.emails.ready_emails import ready_emails
from widget.actions.emails.rescue_emails import rescue_emails
from widget.actions.emails.send_email import send_due_emails
from widget.domain.email.sequence import QUEUED, SENDING
from widget.email import html
from widget.email.transport import MemoryTransport
from widget.services import Services
from widget.storage.contacts import MARKETING, WITHDRAWN, Consent, Contact, suppress
from widget.storage.email_context import email_context_of, note_mark
from widget.storage.email_marks import marker
from widget.storage.emails import Email, claim_due
from widget.storage.orders import Order
from widget.storage.shops import Shop

NOW = datetime.now(UTC)


class Changing(MemoryTransport):
    """Makes a change when it accepts its first email: those that follow in the batch are decided about already."""

    def __init__(self, services: Services, change: Callable[[Session], None]) -> None:
        super().__init__()
        self._services, self._change = services, change

    def send(self, message: bytes, recipient: str) -> None:
        super().send(message, recipient)
        if len(self.sent) == 1:
            with self._services.sessions.begin() as session:
                self._change(session)


def _unsubscribed(session: Session) -> None:
    for contact in session.scalars(select(Contact)):
        suppress(session, shop_id=contact.shop_id, address_hash=contact.address_hash, reason="unsubscribed", at=NOW)


def _withdrawn(session: Session) -> None:
    for contact in session.scalars(select(Contact)):
        entry = {"kind": MARKETING, "state": WITHDRAWN, "source": "preferences", "at": NOW}
        session.add(Consent(shop_id=contact.shop_id, contact_id=contact.id, **entry))


def _to_all(table: Any, **values: Any) -> Callable[[Session], None]:
    return lambda session: session.execute(update(table).values(**values)) and None


CHANGES = {
    "unsubscribed": (_unsubscribed, "skipped", "unsubscribed"),
    "no_consent": (_withdrawn, "skipped", "no_consent"),
    "order_cancelled": (_to_all(Order, cancelled_at=NOW), "skipped", "order_cancelled"),
    "order_refunded": (_to_all(Order, refunded_at=NOW), "skipped", "order_refunded"),
    "not_eligible": (_to_all(Order, eligible=False), "skipped", "not_eligible"),
    "erased": (_to_all(Contact, email=""), "skipped", "erased"),
    "felt_worse": (_to_all(Email, answer="worse"), "skipped", "felt_worse"),
    "shop_paused": (_to_all(Shop, paused=True), "planned", "deferred: shop_paused"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_after_the_decision_stops_the_email(services: Services, name: str) -> None:
    change, state, reason = CHANGES[name]
    plan_emails(services, 4)
    send_due_emails(with_transport(services, Changing(services, change)))

    found = Counter((row.state, row.reason) for row in rows(services, Email))
    assert found == {("sent", "accepted_by_provider"): 1, (state, reason): 3}


def test_email_sent_to_the_contact_meanwhile_defers_the_next_one(services: Services) -> None:
    plan_emails(services, 3)

    def all_to_one(session: Session) -> None:
        session.execute(update(Email).values(contact_id=1))

    send_due_emails(with_transport(services, Changing(services, all_to_one)))

    assert Counter(row.reason for row in rows(services, Email)) == {
        "accepted_by_provider": 1,
        "deferred: one_email_at_a_time": 2,
    }


def test_batch_is_decided_about_at_once_on_postgresql(services: Services) -> None:
    """Otherwise the tests above would not test the short way."""
    plan_emails(services, 4)
    with services.sessions.begin() as session:
        claimed = claim_due(session, services.now(), 50)
    assert {row.state for row in rows(services, Email)} == {QUEUED}

    ready = ready_emails(services, claimed)
    assert len(ready) == (4 if services.database.dialect.name == "postgresql" else 0)


@pytest.mark.parametrize("round_number", range(3))
def test_workers_at_once_send_a_person_one_email(services: Services, round_number: int) -> None:
    """Each person has three emails that are due; several workers claim them in batches of their own."""
    plan_emails(services, 60)
    with services.sessions.begin() as session:
        session.execute(update(Email).values(contact_id=(Email.id % 20) + 1))
        session.execute(update(Email).values(due_at=NOW - timedelta(minutes=5)))
    transport = MemoryTransport()
    with_transport(services, transport)
    threads = [threading.Thread(target=send_due_emails, args=(services,), kwargs={"seconds": 5}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Counter(Counter(to for to, _ in transport.sent).values()) == {1: 20}
    assert Counter(row.state for row in rows(services, Email)) == {"sent": 20, "planned": 40}


def test_mark_that_waited_for_another_worker_sees_what_that_one_marked(
    postgres_copies: PostgresCopies, make_services: Callable[..., Services]
) -> None:
    """A statement that waits for a lock reads other tables as they were when it began."""
    with postgres_copies.one() as url:
        services = make_services(url)
        plan_emails(services, 2)
        with services.sessions.begin() as session:
            session.execute(update(Email).values(contact_id=1))
            claimed = claim_due(session, services.now(), 50)
        first, second = (ready_emails(services, claimed)[email_id] for email_id in sorted(claimed))
        outcome: list[bool] = []

        def mark_second() -> None:
            with marker(services.database) as marks:
                outcome.append(marks.mark(None, second.mark(services.now()), services.now()))

        with services.sessions.begin() as session:  # The other worker, which takes the long way.
            email_context_of(session, first.known.email.id, services.now(), lock=True)
            waiting = threading.Thread(target=mark_second)
            waiting.start()
            wait_for_lock(services)
            session.execute(update(Email).where(Email.id == first.known.email.id).values(state=SENDING))
            note_mark(session, 1)
        waiting.join(10)

        assert outcome == [False]


def wait_for_lock(services: Services) -> None:
    """Wait until a session of the database waits for a lock."""
    asks = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with services.database.connect() as connection:
            if connection.scalar(asks):
                return
        time.sleep(0.02)
    raise AssertionError("nothing waits for a lock")


class SoftTimeLimitExceeded(Exception):
    """Celery's exception of the same name, which strikes anywhere in a task."""


@pytest.mark.parametrize("where", ["widget.email.html.css_inline", "widget.email.templates._compiled"])
def test_time_limit_while_composing_leaves_the_email_to_be_sent_later(
    services: Services, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It was taken for a fault of the email, which was skipped for good."""
    plan_emails(services, 1)

    class Struck:
        def __getattr__(self, name: str) -> Any:
            raise SoftTimeLimitExceeded

        def __call__(self, *_: Any) -> Any:
            raise SoftTimeLimitExceeded

    with monkeypatch.context() as patch:
        patch.setattr(where, Struck())
        html._compiled.cache_clear()
        html._inliner.__dict__.pop("made", None)
        with pytest.raises(SoftTimeLimitExceeded):
            send_due_emails(services)
    assert [row.state for row in rows(services, Email)] == [QUEUED]

    services.clock.move_to(services.now() + timedelta(minutes=10))
    rescue_emails(services)
    send_due_emails(services)
    assert [row.state for row in rows(services, Email)] == ["sent"]
