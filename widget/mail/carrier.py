"""Carriers: whoever takes a message over. A failure says whether to come back later or never."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import unquote, urlsplit

TIMEOUT = 20
_UNTIL_DATA = (smtplib.SMTPConnectError, smtplib.SMTPHeloError, smtplib.SMTPAuthenticationError)


class Later(Exception):
    """The carrier cannot take it now, and certainly has not: try again."""


class Never(Exception):
    """The carrier refuses it for good."""


class Unclear(Exception):
    """The line broke before the carrier's answer: it may have the message, or not."""


class Carrier(Protocol):
    """Takes one message to one recipient over. Raises Later, Never or Unclear."""

    def send(self, message: EmailMessage, recipient: str) -> None: ...


class SmtpCarrier:
    """Any SMTP server, by ``smtp://user:password@host:port`` (STARTTLS when offered) or ``smtps://``."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (465 if self._tls else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender

    def send(self, message: EmailMessage, recipient: str) -> None:
        try:
            connection = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise Later(f"no connection ({type(error).__name__})") from error
        with connection:
            self._hand_over(connection, message, recipient)

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)
        try:
            connection.ehlo()
            if not self._tls and connection.has_extn("starttls"):
                connection.starttls(context=context)
                connection.ehlo()
            if self._user:
                connection.login(self._user, self._password)
        except Exception:
            connection.close()
            raise
        return connection

    def _hand_over(self, connection: smtplib.SMTP, message: EmailMessage, recipient: str) -> None:
        try:
            code, text = connection.mail(self._sender)
            if code == 250:
                code, text = connection.rcpt(recipient)
        except (OSError, smtplib.SMTPException) as error:
            raise Later(f"the line broke before the message ({type(error).__name__})") from error
        _refuse(code, text, good=(250, 251))
        try:
            code, text = connection.data(message.as_bytes())
        except smtplib.SMTPDataError as error:
            code, text = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
        except (OSError, smtplib.SMTPException) as error:
            raise Unclear(f"the line broke before the answer ({type(error).__name__})") from error
        _refuse(code, text, good=(250,))


def _refuse(code: int, text: bytes, *, good: tuple[int, ...]) -> None:
    """Turn an SMTP answer into Later (4xx) or Never (5xx). Its text stays out: it may repeat the address."""
    if code in good:
        return
    words = text.decode("ascii", "replace").split()
    enhanced = words[0] if words and words[0][:2] in ("4.", "5.") else ""
    said = f"{code} {enhanced}".strip()
    if 400 <= code < 500:
        raise Later(said)
    raise Never(said)


class MemoryCarrier:
    """Keeps what it is given; for tests and previews."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, EmailMessage]] = []

    def send(self, message: EmailMessage, recipient: str) -> None:
        self.sent.append((recipient, message))
