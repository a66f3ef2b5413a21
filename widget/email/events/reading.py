"""Parsing of untrusted values in providers' reports."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from widget.domain.email.bounce import Bounce
from widget.domain.email.email_event import EmailReport

MAX_TEXT = 4000


class ReportUnreadable(ValueError):
    """An invalid report, or one with an invalid signature. The message repeats no part of it."""


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Numbers stay text. Raises NotReadable."""
    data = json_value(body)
    if not isinstance(data, dict):
        raise ReportUnreadable("the body is not a JSON object")
    return data


def json_value(body: bytes) -> Any:
    """Return the JSON value in a body. Numbers stay text. Raises NotReadable."""
    try:
        return json.loads(body, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise ReportUnreadable("the body is not valid JSON") from error


def items_of(value: Any) -> list[dict[str, Any]]:
    return [item for item in value[:1000] if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any, *, most: int = MAX_TEXT) -> str:
    plain = value if isinstance(value, str) else ""
    return plain[:most].replace("\x00", "").encode("utf-8", "replace").decode()


def moment(value: str) -> datetime | None:
    """Parse ISO 8601 or seconds since 1970. Return None for anything else: the time of receipt serves as well."""
    try:
        if value.isascii() and value.isdigit() and len(value) < 12:
            return datetime.fromtimestamp(int(value), UTC)
        found = datetime.fromisoformat(value)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if 1990 <= found.year < 9000 else None


def same(given: str, known: Sequence[str]) -> bool:
    """Return whether a value is one of ``known``, comparing each in constant time."""
    good = False
    for item in known:
        good |= hmac.compare_digest(given.encode(), item.encode())
    return good and bool(given)


def bounce_report(bounce: Bounce, email: str, *, event_id: str = "") -> EmailReport:
    """Return the email event of a bounce. A refusal names the domain that refused."""
    provider = email.rpartition("@")[2].lower()[:253] if bounce.cause else ""
    return EmailReport(bounce.event, event_id, email, category=bounce.category, cause=bounce.cause, provider=provider)
