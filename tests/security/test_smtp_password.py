"""A mail server's password goes over TLS or nowhere: somebody in between may hide the offer of STARTTLS."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.support.services import free_port
from widget.email.transport import SmtpTransport, TemporaryFailure


class Stripped:
    """A server that offers no STARTTLS and takes whatever password it is told."""

    def __init__(self) -> None:
        self.passwords: list[Any] = []
        self.messages: list[bytes] = []

    def __call__(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.passwords.append(data)
        return AuthResult(success=True)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.messages.append(envelope.content)
        return "250 2.0.0 kept"


@pytest.fixture
def stripped() -> Iterator[tuple[Stripped, int]]:
    handler, port = Stripped(), free_port()
    controller = Controller(
        handler, hostname="127.0.0.1", port=port, authenticator=handler, auth_require_tls=False, auth_required=False
    )
    controller.start()
    yield handler, port
    controller.stop()


def message() -> EmailMessage:
    one = EmailMessage()
    one["From"], one["To"], one["Subject"] = "a@quiz.example", "b@shop.example", "Hello"
    one.set_content("Hello")
    return one


@pytest.mark.parametrize(
    "wanted", ["user:secret@{host}?starttls=required", "user:secret@{host}", "{host}?starttls=required"]
)
def test_a_server_without_starttls_gets_no_password_and_no_message(
    stripped: tuple[Stripped, int], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, port = stripped
    monkeypatch.setattr("widget.email.transport.LOOPBACK", ())  # As if it were another machine.
    provider = SmtpTransport(f"smtp://{wanted.format(host=f'127.0.0.1:{port}')}", "a@quiz.example")
    with pytest.raises(TemporaryFailure):
        provider.send(message(), "b@shop.example")
    provider.close()

    assert (handler.passwords, handler.messages) == ([], [])


def test_on_this_very_machine_it_may(stripped: tuple[Stripped, int]) -> None:
    handler, port = stripped
    provider = SmtpTransport(f"smtp://user:secret@127.0.0.1:{port}", "a@quiz.example")
    provider.send(message(), "b@shop.example")
    provider.close()

    assert len(handler.passwords) == len(handler.messages) == 1
