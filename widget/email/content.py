"""The frame around an email's blocks, and the finished email."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EmailFrame:
    """What stands around the blocks: head, subject, why it came, how to stop it (empty: nothing to stop)."""

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
    strings: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The program's own strings in the language of the email, by key."""

    @property
    def sender(self) -> str:
        """Who writes, as the law asks: the shop and its postal address."""
        return ", ".join(filter(None, (self.shop, self.postal_address)))


@dataclass(frozen=True, slots=True)
class Written:
    """An email ready to send: both parts say the same."""

    subject: str
    html: str
    text: str
