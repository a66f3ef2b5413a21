"""A database that goes away while emails are sent: none is lost, none is sent twice, none is in doubt."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.cut_proxy import CutProxy
from tests.support.database import PostgresCopies, rows
from tests.support.emails import emails, go_to, with_transport
from tests.support.orders import webhook
from widget.actions.emails.send_email import send_due_emails
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.email.transport import MemoryTransport
from widget.services import Services
from widget.storage.emails import Email

AWAY_SECONDS = 2.0


class Cutting(MemoryTransport):
    """Cuts the database while it accepts the email with this number, and mends it after a while."""

    def __init__(self, proxy: CutProxy, number: int) -> None:
        super().__init__()
        self._proxy, self._number = proxy, number

    def send(self, message: bytes, recipient: str) -> None:
        super().send(message, recipient)
        if len(self.sent) == self._number:
            self._proxy.cut()
            threading.Timer(AWAY_SECONDS, self._proxy.mend).start()


@pytest.fixture
def proxy(postgres_copies: PostgresCopies) -> Iterator[CutProxy]:
    with postgres_copies.one() as url:
        one = CutProxy(url)
        yield one
        one.close()


@pytest.mark.parametrize("number", [1, 3, 6])
def test_database_cut_within_a_batch_loses_doubles_and_doubts_no_email(
    proxy: CutProxy, make_services: Callable[..., Services], number: int
) -> None:
    services = make_services(proxy.url)
    for order in range(6):
        webhook(services, order=str(order), email=f"runner{order}@shop.example")
    process_webhooks(services)
    go_to(services, "how-to-use")
    transport: Any = Cutting(proxy, number)
    send_due_emails(with_transport(services, transport))

    assert Counter(to for to, _ in transport.sent) == {f"runner{order}@shop.example": 1 for order in range(6)}
    states = Counter(row.state for row in rows(services, Email) if row.template == "how-to-use")
    assert states == {"sent": 6}
    assert emails(services)["how-to-use"].history[-1]["reason"] == "accepted_by_provider"
