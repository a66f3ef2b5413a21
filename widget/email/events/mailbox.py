"""A mailbox over IMAP: what is unread, and marking it read."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from widget.email.events.messages import MAX_BYTES

TIMEOUT = 20.0


class NoMailbox(OSError):
    """The mailbox cannot be opened or read."""


class Mailbox:
    """``imaps://user:password@host:993/INBOX``; ``imap://`` for this very machine. Raises NoMailbox."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "127.0.0.1", parts.scheme == "imaps"
        self._port = parts.port or (993 if self._tls else 143)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._folder = unquote(parts.path.strip("/")) or "INBOX"

    def __enter__(self) -> Self:
        try:
            if self._tls:
                context = ssl.create_default_context()
                self._line: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                    self._host, self._port, ssl_context=context, timeout=TIMEOUT
                )
            else:
                self._line = imaplib.IMAP4(self._host, self._port, timeout=TIMEOUT)
            self._line.login(self._user, self._password)
            state, _ = self._line.select(f'"{self._folder}"')
        except imaplib.IMAP4.error as error:
            raise NoMailbox("the mailbox rejected the sign-in") from error
        if state != "OK":
            raise NoMailbox("the mailbox folder does not exist")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._line.logout()
        except (imaplib.IMAP4.error, OSError):
            return

    def unread(self, most: int) -> Iterator[tuple[str, bytes]]:
        """(number, the message), the oldest first; those that are too large are passed over."""
        try:
            _, found = self._line.uid("search", "UNSEEN", f"SMALLER {MAX_BYTES}")
            for number in (found[0] or b"").decode().split()[:most]:
                _, parts = self._line.uid("fetch", number, "(BODY.PEEK[])")
                raw = next((part[1] for part in parts or () if isinstance(part, tuple)), None)
                if isinstance(raw, bytes):
                    yield number, raw
        except imaplib.IMAP4.error as error:
            raise NoMailbox("the mailbox closed the connection") from error

    def mark_read(self, number: str) -> None:
        try:
            self._line.uid("store", number, "+FLAGS", r"(\Seen)")
        except imaplib.IMAP4.error as error:
            raise NoMailbox("the mailbox closed the connection") from error
