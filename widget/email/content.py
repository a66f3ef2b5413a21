"""The frame around an email's blocks, and the finished email."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from widget.domain.engine.result import direction


@dataclass(frozen=True, slots=True)
class EmailFrame:
    """The parts around the blocks: sender, subject, the reason for this email, and links to opt out (empty: none)."""

    shop: str
    postal_address: str
    subject: str
    preview: str
    because: str
    locale: str
    strings: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Interface strings in the language of the email, by key."""
    notice: str = ""
    preferences_url: str = ""
    unsubscribe_url: str = ""
    mark_url: str = ""

    @property
    def dir(self) -> str:
        """The text direction: ``ltr`` or ``rtl``."""
        return direction(self.locale)

    @property
    def sender(self) -> str:
        """The shop and its postal address, which the law requires (CAN-SPAM, 16 CFR 316)."""
        return ", ".join(filter(None, (self.shop, self.postal_address)))


@dataclass(frozen=True, slots=True)
class Written:
    """A written email: an HTML part and a text part of the same content.

    ``html_encoded``: the HTML part as quoted-printable; empty if it has not been encoded yet.
    """

    subject: str
    html: str
    text: str
    html_encoded: bytes = b""
