"""Transports, which hand messages over to the email provider. Their exceptions indicate whether to retry."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from typing import Protocol, cast
from urllib.parse import parse_qs, unquote, urlsplit

from widget.email.message import POLICY, wire_address

TIMEOUT = 20
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEPT_SECONDS, MAX_OVER_ONE, MAX_IDLE = 20.0, 100, 8
"""Limits of connection reuse: idle time in seconds, messages per connection, and idle connections kept."""
_GOOD = ((250,), (250, 251), (354,))
"""Replies to MAIL, RCPT, and DATA that let the message go on."""


class TemporaryFailure(Exception):
    """The provider has definitely not accepted the message but may do so later: try again."""


class PermanentFailure(Exception):
    """The provider rejects the message permanently.

    ``reply`` is what it says, which may name the address: for classifying, not for logs. ``of_sender``: it refused the
    sender before any recipient was named.
    """

    def __init__(self, reason: str, *, reply: str = "", of_sender: bool = False) -> None:
        super().__init__(reason)
        self.reply, self.of_sender = reply, of_sender


class UnknownOutcome(Exception):
    """The connection broke before the provider's reply: the message may or may not have been accepted."""


class _Stale(Exception):
    """The connection was lost before the message was sent. The caller retries if it was a reused connection."""


class Transport(Protocol):
    """Sends one message to one recipient. Raises TemporaryFailure, PermanentFailure, or UnknownOutcome."""

    def send(self, message: bytes, recipient: str) -> None: ...


@dataclass(slots=True)
class _Line:
    """An open connection, the number of messages sent over it, and when it was last used (monotonic seconds)."""

    smtp: smtplib.SMTP
    sent: int = 0
    used_at: float = 0.0


class SmtpTransport:
    """A transport to any SMTP server, by ``smtps://`` or ``smtp://user:password@host:port``.

    STARTTLS is used when offered. With a password, or with ``?starttls=required``, nothing is sent without it.

    Connections are reused for a limited time and number of messages; the class is thread-safe. ``sign`` takes the bytes
    of a message and returns those to send (DKIM).
    """

    def __init__(self, url: str, sender: str, sign: Callable[[bytes], bytes] | None = None) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (465 if self._tls else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        asked = "required" in parse_qs(parts.query).get("starttls", [])
        # A password is never sent unencrypted: an attacker on the network could hide the server's offer of STARTTLS.
        self._tls_required = asked or (bool(self._user) and self._host not in LOOPBACK)
        self._context: ssl.SSLContext | None = None
        self._sender, self._sign = sender, sign
        self._own_name = own_name(sender)
        self._idle: list[_Line] = []
        self._lock = threading.Lock()

    def send(self, message: bytes, recipient: str) -> None:
        try:
            body, recipient = message, wire_address(recipient)
            body = self._sign(body) if self._sign is not None else body
        except ValueError as error:  # The message itself is at fault, so a retry would not help.
            raise PermanentFailure(f"the message cannot be encoded ({type(error).__name__})") from error
        line = self._kept_line()
        if line is not None:
            try:
                self._hand_over(line, body, recipient)
                return
            except _Stale:
                line.smtp.close()  # The server closed the idle connection: it is safe to use a new one.
        try:
            line = _Line(self._connect())
        except (OSError, smtplib.SMTPException) as error:
            raise TemporaryFailure(f"connection failed ({type(error).__name__})") from error
        try:
            self._hand_over(line, body, recipient)
        except _Stale as error:
            line.smtp.close()
            raise TemporaryFailure(f"the connection closed before the message was sent ({error})") from error

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.smtp.close()

    def _kept_line(self) -> _Line | None:
        with self._lock:
            while self._idle:
                line = self._idle.pop()
                if time.monotonic() - line.used_at < KEPT_SECONDS:
                    return line
                line.smtp.close()
        return None

    def _keep(self, line: _Line) -> None:
        line.used_at = time.monotonic()
        with self._lock:
            if line.sent < MAX_OVER_ONE and len(self._idle) < MAX_IDLE:
                self._idle.append(line)
                return
        line.smtp.close()

    def _connect(self) -> smtplib.SMTP:
        context = self._context = self._context or ssl.create_default_context()
        if self._tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, self._own_name, timeout=TIMEOUT, context=context
            )
        else:
            connection = smtplib.SMTP(self._host, self._port, self._own_name, timeout=TIMEOUT)
        try:
            connection.ehlo()
            if not self._tls and connection.has_extn("starttls"):
                connection.starttls(context=context)
                connection.ehlo()
            elif not self._tls and self._tls_required:
                raise smtplib.SMTPNotSupportedError("the server does not offer STARTTLS, which is required")
            if self._user:
                connection.login(self._user, self._password)
        except Exception:
            connection.close()
            raise
        return connection

    def _hand_over(self, line: _Line, body: bytes, recipient: str) -> None:
        """Send a message over a connection.

        Raises TemporaryFailure, PermanentFailure, UnknownOutcome, or _Stale if the connection broke before the message
        was sent.
        """
        try:
            refused = _announced(line.smtp, self._sender, recipient)
        except (OSError, smtplib.SMTPException) as error:
            raise _Stale(type(error).__name__) from error
        if refused is not None:
            if refused.keep:
                self._keep(line)
            else:
                line.smtp.close()
            _refuse(refused.code, refused.text, of_sender=refused.of_sender)
            raise _Stale(f"unexpected reply {refused.code}")  # Neither a go-ahead nor a refusal: nothing was sent.
        try:
            line.smtp.send(_dotted(body))
            code, text = line.smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            line.smtp.close()
            raise UnknownOutcome(
                f"the connection closed before the server responded ({type(error).__name__})"
            ) from error
        line.sent += 1
        self._keep(line)
        if code != 250:
            _refuse(code, text)
            raise UnknownOutcome(f"the server gave the unexpected reply {code}")


@dataclass(frozen=True, slots=True)
class _Refused:
    """The reply that refuses a message before its text was sent; ``keep``: whether the connection can be used again."""

    code: int
    text: bytes
    of_sender: bool = False
    keep: bool = True


def _announced(smtp: smtplib.SMTP, sender: str, recipient: str) -> _Refused | None:
    """Announce a message to the server; return its refusal, or None if it waits for the text.

    The three commands go out at once if the server allows it (RFC 2920, PIPELINING).
    """
    commands = (f"MAIL FROM:{smtplib.quoteaddr(sender)}", f"RCPT TO:{smtplib.quoteaddr(recipient)}", "DATA")
    replies: list[tuple[int, bytes]] = []
    if smtp.has_extn("pipelining"):
        smtp.send("".join(f"{command}\r\n" for command in commands))
        replies = [smtp.getreply() for _ in commands]
    else:
        for command, good in zip(commands, _GOOD, strict=True):
            replies.append(smtp.docmd(command))
            if replies[-1][0] not in good:
                break
    for place, ((code, text), good) in enumerate(zip(replies, _GOOD, strict=False)):
        if code not in good:
            waits_for_text = len(replies) == len(commands) and replies[-1][0] in _GOOD[-1]
            if not waits_for_text:
                smtp.rset()
            # A server that waits for the text of a message without recipient is left: closing discards the message.
            return _Refused(code, text, of_sender=place == 0, keep=not waits_for_text)
    return None


def _dotted(body: bytes) -> bytes:
    """Return the text with lines that start with a dot marked, and the line that ends it (RFC 5321, 4.5.2)."""
    start = b"." if body.startswith(b".") else b""
    end = b".\r\n" if body.endswith(b"\r\n") else b"\r\n.\r\n"
    return start + body.replace(b"\n.", b"\n..") + end


def own_name(sender: str) -> str:
    """Return the name to greet a mail server with: this host's if it is a whole one, else the sender's domain.

    smtplib would look its own name up in DNS for each connection, which takes 20 seconds if DNS does not answer.
    """
    host = socket.gethostname()
    return host if "." in host else sender.rpartition("@")[2] or "localhost"


def _refuse(code: int, text: bytes, *, of_sender: bool = False) -> None:
    """Raise TemporaryFailure (4xx) or PermanentFailure (5xx) for this SMTP reply; return for any other.

    The message of the exception leaves out the text of the reply, since that may repeat the address.
    """
    reply = text.decode("ascii", "replace")
    words = reply.split()
    enhanced = words[0] if words and words[0][:2] in ("4.", "5.") else ""
    answer = f"{code} {enhanced}".strip()
    if 400 <= code < 500:
        raise TemporaryFailure(answer)
    if 500 <= code < 600:
        raise PermanentFailure(answer, reply=f"{code} {reply}", of_sender=of_sender)


class MemoryTransport:
    """A transport that keeps messages in memory, for tests and previews."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, EmailMessage]] = []

    def send(self, message: bytes, recipient: str) -> None:
        self.sent.append((recipient, cast(EmailMessage, message_from_bytes(message, policy=POLICY))))
