"""Composition of an email's two parts from its frame and its blocks."""

from __future__ import annotations

from collections.abc import Sequence

from widget.email.blocks import Block
from widget.email.content import EmailFrame, Written
from widget.email.html import html_part
from widget.email.text import text_part


def compose(frame: EmailFrame, blocks: Sequence[Block]) -> Written:
    """Return the email with an HTML part and a text part of the same content."""
    parts = list(blocks)
    html, encoded = html_part(frame, parts)
    return Written(frame.subject, html, text_part(frame, parts), encoded)
