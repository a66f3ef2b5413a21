"""The IMAP mailbox that receives bounce messages: read unread messages, and mark them as read."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from imap_tools.consts import MailMessageFlags
from imap_tools.errors import ImapToolsError, MailboxFolderSelectError, MailboxLoginError
from imap_tools.mailbox import BaseMailBox, MailBox, MailBoxUnencrypted
from imap_tools.message import MailMessage
from imap_tools.query import AND

from widget.email.events.messages import MAX_BYTES

TIMEOUT = 20.0


class NoMailbox(OSError):
    """The mailbox cannot be opened or read."""


class _RawMessage(MailMessage):
    """A message that keeps its bytes as received: their hash identifies the report."""

    def __init__(self, fetch_data: list[Any]) -> None:
        super().__init__(fetch_data)
        self.raw: bytes = self._get_message_data_parts(fetch_data)[0]


class Mailbox:
    """An open mailbox. All methods raise NoMailbox."""

    def __init__(self, connection: BaseMailBox) -> None:
        self._connection = connection
        self._connection.email_message_class = _RawMessage

    def unread(self, most: int) -> Iterator[tuple[str, bytes]]:
        """Yield (UID, message) of unread messages, oldest first, skipping those that are too large."""
        wanted = AND(seen=False, size_lt=MAX_BYTES)
        with _failures():
            for message in self._connection.fetch(wanted, limit=most, mark_seen=False):
                assert isinstance(message, _RawMessage)
                yield str(message.uid), message.raw

    def mark_read(self, number: str) -> None:
        with _failures():
            self._connection.flag(number, MailMessageFlags.SEEN, True)


@contextmanager
def open_mailbox(url: str) -> Iterator[Mailbox]:
    """Open ``imaps://user:password@host:993/INBOX``; ``imap://`` is for this machine. Raises NoMailbox."""
    parts = urlsplit(url)
    host, user, password = parts.hostname or "127.0.0.1", unquote(parts.username or ""), unquote(parts.password or "")
    folder = unquote(parts.path.strip("/")) or "INBOX"
    with _failures():
        box = _connected(host, parts.port, tls=parts.scheme == "imaps")
        try:
            box.login(user, password, initial_folder=folder)
        except BaseException:
            box.client.shutdown()
            raise
    try:
        yield Mailbox(box)
    finally:
        with suppress(ImapToolsError, imaplib.IMAP4.error, OSError):
            box.logout()


def _connected(host: str, port: int | None, *, tls: bool) -> BaseMailBox:
    if tls:
        return MailBox(host, port or 993, timeout=TIMEOUT, ssl_context=ssl.create_default_context())
    return MailBoxUnencrypted(host, port or 143, timeout=TIMEOUT)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except MailboxLoginError as error:
        raise NoMailbox("the mailbox refused the user name or password") from error
    except MailboxFolderSelectError as error:
        raise NoMailbox("the mailbox has no such folder") from error
    except (ImapToolsError, imaplib.IMAP4.error) as error:
        raise NoMailbox("the connection to the mailbox failed") from error
