"""Decide about and compose the emails of a batch at once, from one query, before any of them is marked as sending."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from widget.actions.emails.build_send_context import send_context_of, step_of
from widget.actions.emails.write_email import compose_email, content_of
from widget.deadline import is_time_limit
from widget.domain.email.send_policy import decide
from widget.domain.email.sequence import SENDING, next_state
from widget.email.message import email_message
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.storage.email_context import EmailContext, email_contexts_of
from widget.storage.email_marks import Mark
from widget.storage.emails import Email

OLD_SECONDS = 10.0
"""How long a decision holds, although the mark checks that the data are the same: it depends on the time, too."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An email that may be sent as far as was known when it was decided about."""

    known: EmailContext
    message: bytes
    message_id: str
    reason: str
    made_at: float = field(default_factory=time.monotonic)

    def is_old(self) -> bool:
        return time.monotonic() - self.made_at > OLD_SECONDS

    def mark(self, now: datetime) -> Mark:
        """Return the mark as sending. Raises WrongState."""
        state = next_state(self.known.email.state, SENDING)
        entry = {"at": now.isoformat(), "state": state, "reason": self.reason}
        return Mark(self.known, self.message_id, self.reason, [*self.known.email.history, entry])


def ready_emails(services: Services, email_ids: Sequence[int]) -> dict[int, Ready]:
    """Return those of these emails that may be sent, by id; on SQLite, none.

    Left out: what is not to be sent, and what depends on more than the mark of an email can check. SQLite has a single
    writer and no row versions; a transaction for each email is what it needs anyway.
    """
    if services.database.dialect.name != "postgresql":
        return {}
    found: dict[int, Ready] = {}
    with services.reads() as session:
        for known in email_contexts_of(session, email_ids, services.now()):
            try:
                loaded = content_of(services, known.shop, known.email)
                if _is_checked_alone(loaded, known):
                    continue
                decision = decide(send_context_of(services, session, loaded, known))
                if decision.verdict == SENDING:
                    message = message_of(services, loaded, known)
                    message_id = message_id_of(services, known.email)
                    found[known.email.id] = Ready(known, message, message_id, decision.reason)
            except SQLAlchemyError:
                raise
            except Exception as error:  # The long way meets it again and records it.
                if is_time_limit(error):
                    raise
    return found


def _is_checked_alone(loaded: LoadedQuiz, known: EmailContext) -> bool:
    """Return whether the decision needs a lock on the shop, or other orders of the contact."""
    step = step_of(loaded, known.email)
    if step is None or known.shop.emails_per_day or step.after.uses is not None:
        return True
    return any(term.field == "order.count" for clause in step.when.clauses for term in clause)


def message_of(services: Services, loaded: LoadedQuiz, known: EmailContext) -> bytes:
    """Compose an email and return it as a message. Raises NoContent, CannotWrite, TooLarge, BadAddress."""
    email, shop = known.email, known.shop
    written, frame = compose_email(services, loaded, email, known.order)
    domain = services.settings.mail_from.rsplit("@", 1)[-1]
    return email_message(
        written,
        sender_name=shop.name,
        sender=services.settings.mail_from,
        recipient=known.contact.email,
        message_id=message_id_of(services, email),
        list_id=f"{shop.name} <emails.{domain}>".replace('"', ""),
        unsubscribe_url=frame.unsubscribe_url,
        date=services.now(),
    )


def message_id_of(services: Services, email: Email) -> str:
    """Return the Message-ID of an email, the same at each attempt."""
    domain = services.settings.mail_from.rsplit("@", 1)[-1]
    return email.message_id or f"<{services.crypto.token('m', email.id)}@{domain}>"
