"""MIME messages from written emails, with the headers that mailbox providers require."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from email_validator import EmailNotValidError, validate_email

from widget.email.content import Written
from widget.email.quoted import quoted_printable

LINE = 76
EMAIL_ID = "X-Recovery-Email-ID"
"""A header with our Message-ID: some providers replace the Message-ID itself, and bounces return the headers."""


class _Unfolded(EmailPolicy):
    """An email policy that keeps List-… headers on one line, since folding them breaks signatures.

    All other headers are folded at 76 characters, so that encoded words stay within their limit of 75 (RFC 2047).
    """

    def fold(self, name: str, value: Any) -> str:
        return self._whole(name, value) if name.lower().startswith("list-") else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower().startswith("list-"):
            return self._whole(name, value).encode("ascii")
        return super().fold_binary(name, value)

    def _whole(self, name: str, value: Any) -> str:
        return f"{name}: {value}{self.linesep}" if str(value).isascii() else super().fold(name, value)


POLICY = _Unfolded(linesep=SMTP.linesep, max_line_length=LINE)
_PART = b'\r\nContent-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9.-]+")


def wire_address(email: str) -> str:
    """Return the address in the form that every mail server accepts, with the domain in ASCII (RFC 5891).

    Raises BadAddress.
    """
    if email.isascii():
        return email
    try:
        found = validate_email(email, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise BadAddress("Enter a valid email address") from error
    if found.ascii_email is None:
        raise BadAddress("Enter a valid email address")
    return found.ascii_email


class BadAddress(ValueError):
    """An address that no email can be sent to."""

    code = "bad_address"


def checked_address(text: str) -> str:
    """Return the normalized address, without any DNS lookup. Raises BadAddress."""
    try:
        return validate_email(text, check_deliverability=False, test_environment=True, allow_smtputf8=False).normalized
    except EmailNotValidError as error:
        raise BadAddress("Enter a valid email address") from error


def email_message(
    written: Written,
    *,
    sender_name: str,
    sender: str,
    recipient: str,
    message_id: str,
    list_id: str,
    unsubscribe_url: str,
    date: datetime,
) -> bytes:
    """Build the message as bytes with CRLF line endings. Raises ValueError for a line break in a header value.

    Sources: RFC 5322 (Date, From, Message-ID), RFC 2919 (List-Id), RFC 2369 and RFC 8058 (one-click unsubscribe), RFC
    2046 (5.1.4, multipart/alternative).
    """
    boundary = f"=={secrets.token_hex(16)}=="  # Quoted-printable text has no "==".
    headers = [
        ("From", _sender(_one_line(sender_name), sender)),
        ("To", _recipient(wire_address(recipient))),
        ("Subject", _one_line(written.subject)),
        ("Date", format_datetime(date)),
        ("Message-ID", message_id),
        (EMAIL_ID, message_id),
        ("Auto-Submitted", "auto-generated"),
    ]
    if unsubscribe_url:
        headers += [
            ("List-Id", list_id),
            ("List-Unsubscribe", f"<{unsubscribe_url}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]
    kind = f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'
    edge = f"\r\n--{boundary}".encode()
    return b"".join(
        (
            *(_header(name, value) for name, value in headers),
            kind.encode(),
            edge,
            _PART % b"plain",
            quoted_printable(written.text),
            edge,
            _PART % b"html",
            written.html_encoded or quoted_printable(written.html),
            edge,
            b"--\r\n",
        )
    )


def _header(name: str, value: str) -> bytes:
    """Return one header. Folding and encoding take a millisecond, and most values need neither."""
    if value.isascii() and value.isprintable():
        short = len(name) + len(value) + 2 <= LINE
        if short or " " not in value or name.startswith("List-"):
            return f"{name}: {value}\r\n".encode()
    return _folded(name, value)


@lru_cache(maxsize=256)
def _folded(name: str, value: str) -> bytes:
    if name == "Subject" and not value.isascii():
        # The policy loses spaces between encoded words; Header keeps them.
        encoded = Header(value, "utf-8", maxlinelen=LINE, header_name=name).encode(linesep=POLICY.linesep)
        return f"{name}: {encoded}{POLICY.linesep}".encode("ascii")
    return POLICY.fold_binary(*POLICY.header_store_parse(name, value))


@lru_cache(maxsize=256)
def _sender(name: str, address: str) -> str:
    """Return a display name and address, quoted where RFC 5322 requires it. Raises ValueError."""
    return str(Address(name, addr_spec=address))


def _recipient(address: str) -> str:
    return address if _PLAIN_ADDRESS.fullmatch(address) else str(Address(addr_spec=address))


def _one_line(text: str) -> str:
    return " ".join(text.split())
