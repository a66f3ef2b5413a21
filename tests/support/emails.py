"""Planned and sent emails, and transports that fail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from widget.email.transport import MemoryTransport
from widget.services import Services
from widget.storage.emails import Email


def emails(services: Services) -> dict[str, Email]:
    with services.reads() as session:
        return {row.template: row for row in session.scalars(select(Email).order_by(Email.id))}


def go_to(services: Services, email: str) -> None:
    services.clock.move_to(emails(services)[email].due_at + timedelta(seconds=1))


def sent(services: Services) -> list[str]:
    assert isinstance(services.transport, MemoryTransport)
    return [str(message["Subject"]) for _, message in services.transport.sent]


class Refusing(MemoryTransport):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def send(self, message: Any, recipient: str) -> None:
        raise self.error


def with_transport(services: Services, provider: Any) -> Services:
    object.__setattr__(services, "transport", provider)
    return services
