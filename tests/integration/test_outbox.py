"""The outbox of emails outside sequences: each message is stored, sent once by a worker, and has a state."""

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


def test_outbox_row_is_encrypted_and_emptied_once_it_is_sent(queued: Services) -> None:
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
        (TemporaryFailure("451"), "planned", "will retry: 451"),
    ],
)
def test_outbox_row_records_the_provider_error(queued: Services, error: Exception, state: str, reason: str) -> None:
    object.__setattr__(queued, "transport", Failing(error))
    send_outbox(queued)

    assert (message(queued).state, message(queued).reason) == (state, reason)


def test_temporary_failure_is_retried_later_until_attempts_run_out(queued: Services) -> None:
    provider = Failing(TemporaryFailure("421"))
    object.__setattr__(queued, "transport", provider)
    for _ in range(MAX_ATTEMPTS + 3):
        send_outbox(queued)
        send_outbox(queued)  # Sends nothing: the next attempt is not due yet.
        queued.clock.move_to(queued.now() + timedelta(hours=4))

    assert provider.tries == MAX_ATTEMPTS
    assert message(queued).state == "failed"


def test_message_of_a_dead_worker_becomes_delivery_unknown_and_is_not_resent(queued: Services) -> None:
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
    assert queued.transport.sent == []  # type: ignore[attr-defined]  # MemoryTransport has it.


def test_message_that_cannot_be_decrypted_fails_with_a_reason(
    queued: Services, make_services: Callable[..., Services]
) -> None:
    with queued.sessions.begin() as session:
        session.scalars(select(OutboxMessage)).one().encrypted_recipient = "x"
    send_outbox(queued)

    assert message(queued).state == "failed"
    assert "key that no longer exists" in message(queued).reason


def test_no_console_or_preferences_page_waits_for_the_mail_server(services: Services) -> None:
    """Request every route that queues an email while the transport would raise."""
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
