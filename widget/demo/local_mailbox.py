"""The local mailbox: receives email over SMTP and stores it as files, displayed at /mailbox/."""

from __future__ import annotations

import mailbox
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Keeper:
    """An SMTP handler that stores every message in a Maildir."""

    def __init__(self, folder: Path) -> None:
        self._box = mailbox.Maildir(folder, create=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        self._box.add(content)
        return "250 2.0.0 kept"


def start_mailbox(folder: Path, port: int) -> Any:
    """Start an SMTP server on this machine; return the controller that stops it."""
    controller = Controller(Keeper(folder), hostname="127.0.0.1", port=port, data_size_limit=2_000_000)
    controller.start()
    return controller
