"""An email frame for tests."""

from __future__ import annotations

from widget.email.content import EmailFrame
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
