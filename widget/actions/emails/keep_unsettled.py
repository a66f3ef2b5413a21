"""Keep what a batch knows while the database is lost, and store it as soon as that answers."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError

from widget.actions.emails.store_outcome import Outcome, note_outcome, transition
from widget.domain.email.sequence import PLANNED, QUEUED, SENDING
from widget.services import Services
from widget.storage.database import is_lost
from widget.storage.emails import Email
from widget.telemetry import log

OURS_FOR = timedelta(minutes=4)
PATIENCE_SECONDS = 120.0
"""How long a run waits for a lost database, in order to store what it knows."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What a batch has not stored because the database was lost: an outcome, and claimed emails that were not sent."""

    outcome: Outcome | None
    not_sent: list[int]
    claimed_at: datetime
    lost_at: datetime

    def still_ours(self, email: Email) -> bool:
        """Return whether nobody else can have claimed this email since: ``rescue_emails`` frees it after five minutes.

        A minute is left for clocks that differ.
        """
        soon = self.lost_at - self.claimed_at < OURS_FOR
        return soon and email.changed_at <= self.lost_at and email.state in (QUEUED, SENDING)


def keep(services: Services, batch: Unsettled) -> None:
    """Keep what this process knows, and store it as soon as the database answers, for PATIENCE_SECONDS at most.

    After that the next run tries again. If the process ends first, ``rescue_emails`` does what it can: the email is
    ``delivery_unknown`` then, though this process knew better.
    """
    log("emails").warning("database_lost_in_batch", not_sent=len(batch.not_sent))
    services.unsettled.append(batch)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and not settle(services):
        time.sleep(1)


def settle(services: Services) -> bool:
    """Store what was kept: outcomes first, then unsent emails become planned again. Return whether all is stored."""
    while services.unsettled:
        batch = services.unsettled[0]
        try:
            with services.sessions.begin() as session:
                if batch.outcome is not None:
                    note_outcome(services, session, batch.outcome)
                # An email that was marked in a transaction whose end we did not see was not sent either.
                for email_id in batch.not_sent:
                    email = session.get(Email, email_id, with_for_update=True)
                    if email is not None and batch.still_ours(email):
                        transition(services, email, PLANNED, "the database was lost before it was sent")
        except DBAPIError as error:
            if is_lost(error):
                return False
            _forget(services, batch)  # It would fail again each time; ``rescue_emails`` recovers its emails.
            raise
        _forget(services, batch)
    return True


def _forget(services: Services, batch: Unsettled) -> None:
    with suppress(ValueError):  # Another thread of this process has stored it meanwhile, which has the same effect.
        services.unsettled.remove(batch)
