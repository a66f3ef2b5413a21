"""An email frame and messages for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from widget.email.content import EmailFrame, Written
from widget.email.message import email_message
from widget.i18n.strings import strings_for

FRAME = EmailFrame(
    strings=strings_for("en"),
    shop="Stride & Salve",
    subject="Your roll-on is here",
    preview="Three steps",
    locale="en",
    because="You bought it.",
    notice="General advice.",
    postal_address="12 Example Lane",
    preferences_url="https://quiz.example/p/x",
    unsubscribe_url="https://quiz.example/u/x",
)


def message_with(written: Written, **changes: Any) -> bytes:
    """Return a message with this content; ``changes`` replace arguments of ``email_message``."""
    usual: dict[str, Any] = {
        "sender_name": "Shop",
        "sender": "hello@shop.example",
        "recipient": "a@shop.example",
        "message_id": "<1@shop.example>",
        "list_id": "Shop <emails.shop.example>",
        "unsubscribe_url": "https://quiz.example/u/abcdefghijklmnopqrstuvwxyz",
        "date": datetime(2026, 11, 22, 12, tzinfo=UTC),
    }
    return email_message(written, **{**usual, **changes})
