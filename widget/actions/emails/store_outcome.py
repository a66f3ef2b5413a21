"""Store what became of an email: the provider's response, or any other new state."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from widget.actions.emails.note_refusal import note_refusal
from widget.actions.emails.plan_emails import RESULT_TRIGGER
from widget.domain.email.bounce import Bounce
from widget.domain.email.sequence import EXPIRED, FAILED, PLANNED, SENDING, SENT, SKIPPED, next_state
from widget.services import Services
from widget.storage.email_marks import Settled
from widget.storage.emails import Email
from widget.telemetry import EMAILS, log

MAX_ATTEMPTS = 12
FIRST_RETRY = timedelta(minutes=2)
LONGEST_RETRY = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The provider's response to an email, not stored yet. ``history``: before it; ``attempts``: including this one."""

    email_id: int
    history: list[dict[str, Any]]
    attempts: int
    asked_for: bool
    state: str
    reason: str
    refusal: Bounce | None = None


def settled_by(outcome: Outcome, now: datetime) -> Settled:
    """Return the row values of an email that the provider accepted, for the statement that marks the next one."""
    history = [*outcome.history, {"at": now.isoformat(), "state": SENT, "reason": outcome.reason}]
    return Settled(outcome.email_id, outcome.reason, history, clear=outcome.asked_for)


def store_outcome(services: Services, outcome: Outcome | None) -> None:
    """Record the outcome of an email, if there is one."""
    if outcome is not None:
        with services.sessions.begin() as session:
            note_outcome(services, session, outcome)


def note_outcome(services: Services, session: Session, outcome: Outcome) -> None:
    """Record an outcome with a single update that applies only in state ``sending``.

    An email no longer in that state was marked ``delivery_unknown`` meanwhile, and stays so.
    """
    now, state, reason = services.now(), outcome.state, outcome.reason
    values: dict[str, Any] = {"changed_at": now}
    if state == PLANNED:
        state, reason, due = _come_back(outcome, now)
        values |= {"due_at": due} if due else {}
    if state == SENT:
        values["sent_at"] = now
    if outcome.asked_for and state in (SENT, FAILED):
        values["result_code"] = ""  # It contains the answers, which are no longer needed.
    values |= {"state": next_state(SENDING, state), "reason": reason}
    values["history"] = [*outcome.history, {"at": now.isoformat(), "state": state, "reason": reason}]
    mine = update(Email).where(Email.id == outcome.email_id, Email.state == SENDING)
    changed = session.execute(mine.values(**values).execution_options(synchronize_session=False))
    if outcome.refusal is not None and changed.rowcount:  # type: ignore[attr-defined]  # A CursorResult has it.
        note_refusal(session, outcome.email_id, outcome.attempts, outcome.refusal, now)
    tell(outcome.email_id, state, reason)


def _come_back(outcome: Outcome, now: datetime) -> tuple[str, str, datetime | None]:
    """Return (state, reason, next attempt): exponential backoff with jitter; ``failed`` after MAX_ATTEMPTS."""
    if outcome.attempts >= MAX_ATTEMPTS:
        return FAILED, f"gave up after {outcome.attempts} attempts: {outcome.reason}", None
    wait = min(FIRST_RETRY * 2 ** (outcome.attempts - 1), LONGEST_RETRY)
    return PLANNED, f"will retry: {outcome.reason}", now + wait * random.uniform(0.8, 1.2)  # noqa: S311  # Jitter.


def transition(services: Services, email: Email, state: str, reason: str) -> None:
    """Change the state of an email and record the reason. Raises WrongState for a transition that does not exist."""
    email.state = next_state(email.state, state)
    email.reason, email.changed_at = reason, services.now()
    if state == SENT:
        email.sent_at = services.now()
    if email.trigger_kind == RESULT_TRIGGER and state in (SENT, SKIPPED, EXPIRED, FAILED):
        email.result_code = ""  # It contains the answers, which are no longer needed.
    email.history = [*email.history, {"at": services.now().isoformat(), "state": state, "reason": reason}]
    tell(email.id, state, reason)


def tell(email_id: int, state: str, reason: str) -> None:
    """Count and log a new state. That an email is being sent is only counted: its outcome follows."""
    EMAILS.labels(state).inc()
    if state != SENDING:
        log("emails").info("email", email_id=email_id, state=state, reason=reason.split(":")[0])
