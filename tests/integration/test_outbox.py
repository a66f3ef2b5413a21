"""Mail outside sequences: a row, a worker, and a state to look at. Nothing is lost, nothing goes twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from tests.support.console_forms import client_in, post
from widget.actions.emails.send_outbox import GIVEN_UP_AFTER, MAX_ATTEMPTS, send_message, send_outbox
from widget.email.transport import MemoryTransport, PermanentFailure, TemporaryFailure, UnknownOutcome
from widget.services import Services
from widget.storage.outbox import OutboxMessage

EDA = "eda@store.example"


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error, self.tries = error, 0

    def send(self, message: Any, recipient: str) -> None:
        self.tries += 1
        raise self.error


def message(services: Services) -> OutboxMessage:
    with services.reads() as session:
        return session.scalars(select(OutboxMessage)).one()


@pytest.fixture
def queued(services: Services) -> Services:
    client = client_in(services)
    post(client, "/console/shops/demo/team", email=EDA, name="", role="viewer")
    return services


def test_a_row_holds_no_address_in_the_clear_and_nothing_once_it_is_sent(queued: Services) -> None:
    with queued.reads() as session:
        assert EDA not in str(session.execute(text("SELECT * FROM outbox")).all())
    send_outbox(queued)
    row = message(queued)

    assert (row.state, row.encrypted_recipient, row.encrypted_message) == ("sent", "", b"")


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (PermanentFailure("550 5.1.1"), "failed", "refused: 550 5.1.1"),
        (UnknownOutcome("the line broke"), "delivery_unknown", "the line broke"),
        (TemporaryFailure("451"), "planned", "later: 451"),
    ],
)
def test_what_the_provider_says_stands_in_the_row(queued: Services, error: Exception, state: str, reason: str) -> None:
    object.__setattr__(queued, "transport", Failing(error))
    send_outbox(queued)

    assert (message(queued).state, message(queued).reason) == (state, reason)


def test_a_provider_that_is_away_is_asked_again_later_and_given_up_in_the_end(queued: Services) -> None:
    provider = Failing(TemporaryFailure("421"))
    object.__setattr__(queued, "transport", provider)
    for _ in range(MAX_ATTEMPTS + 3):
        send_outbox(queued)
        send_outbox(queued)  # Not at once: its time has not come.
        queued.clock.move_to(queued.now() + timedelta(hours=4))

    assert provider.tries == MAX_ATTEMPTS
    assert message(queued).state == "failed"


def test_a_message_whose_worker_died_is_told_as_unknown_and_never_repeated(queued: Services) -> None:
    def die(*_: Any) -> None:
        raise SystemExit

    provider = MemoryTransport()
    object.__setattr__(queued, "transport", provider)
    provider.send = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        send_message(queued, message(queued).id)
    object.__setattr__(queued, "transport", MemoryTransport())
    queued.clock.move_to(queued.now() + GIVEN_UP_AFTER + timedelta(minutes=1))
    send_outbox(queued)

    assert message(queued).state == "delivery_unknown"
    assert queued.transport.sent == []  # type: ignore[attr-defined]  # The transport of tests remembers what it sent.


def test_a_key_that_is_gone_is_told(queued: Services, make_services: Callable[..., Services]) -> None:
    with queued.sessions.begin() as session:
        session.scalars(select(OutboxMessage)).one().encrypted_recipient = "x"
    send_outbox(queued)

    assert message(queued).state == "failed"
    assert "key that is gone" in message(queued).reason


def test_no_page_of_the_console_or_of_people_waits_for_a_mail_server(services: Services) -> None:
    """Every route that leads to an email is asked for while the mail server would raise."""
    from tests.support.shoppers import ask
    from widget.crypto import PREFERENCES
    from widget.storage.contacts import Contact

    provider = Failing(RuntimeError("a request waited for a mail server"))
    object.__setattr__(services, "transport", provider)
    client = client_in(services)
    ask(services)
    with services.reads() as session:
        contact = session.scalars(select(Contact.id)).one()
    post(client, "/console/shops/demo/team", email=EDA, name="", role="viewer")
    post(client, "/console/shops/demo/team/2/link")
    post(client, "/console/shops/demo/quizzes/leg-day/emails/how-to-use/preview", outcome="products", sku="ROLL-75")
    client.post(f"/p/{services.crypto.token(PREFERENCES, contact)}", data={"do": "export"})

    assert provider.tries == 0
    with services.reads() as session:
        kinds = set(session.scalars(select(OutboxMessage.kind)))
    assert kinds == {"invitation", "test", "export"}
