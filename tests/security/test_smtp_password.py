"""SMTP passwords are sent only over TLS, because an attacker in between may hide the STARTTLS offer."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.support.services import free_port
from widget.email.transport import SmtpTransport, TemporaryFailure


class Stripped:
    """An SMTP server that offers no STARTTLS and accepts any password."""

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


def message() -> bytes:
    one = EmailMessage()
    one["From"], one["To"], one["Subject"] = "a@quiz.example", "b@shop.example", "Hello"
    one.set_content("Hello")
    return one.as_bytes(policy=SMTP)


@pytest.mark.parametrize(
    "wanted", ["user:secret@{host}?starttls=required", "user:secret@{host}", "{host}?starttls=required"]
)
def test_smtp_server_without_starttls_gets_no_password_and_no_message(
    stripped: tuple[Stripped, int], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, port = stripped
    monkeypatch.setattr("widget.email.transport.LOOPBACK", ())  # As if the server were on another machine.
    provider = SmtpTransport(f"smtp://{wanted.format(host=f'127.0.0.1:{port}')}", "a@quiz.example")
    with pytest.raises(TemporaryFailure):
        provider.send(message(), "b@shop.example")
    provider.close()

    assert (handler.passwords, handler.messages) == ([], [])


def test_smtp_password_is_sent_without_tls_on_loopback(stripped: tuple[Stripped, int]) -> None:
    handler, port = stripped
    provider = SmtpTransport(f"smtp://user:secret@127.0.0.1:{port}", "a@quiz.example")
    provider.send(message(), "b@shop.example")
    provider.close()

    assert len(handler.passwords) == len(handler.messages) == 1
