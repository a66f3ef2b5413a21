"""The frame around a letter's blocks, and the finished letter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LetterFrame:
    """What stands around the blocks: head, subject, why it came, how to stop it."""

    shop: str
    subject: str
    preview: str
    locale: str
    dir: str
    because: str
    notice: str
    postal_address: str
    preferences_url: str
    unsubscribe_url: str
    mark_url: str


@dataclass(frozen=True, slots=True)
class Written:
    """A letter ready to send: both parts say the same."""

    subject: str
    html: str
    text: str
