"""Send due emails: claim, check everything again, hand over to the provider, record the outcome.

The outcome of an email is recorded in the transaction that marks the next one as ``sending``, so a process has at most
one email in that state, and no transaction is open while it waits for the provider. If the process dies, that email
stays in ``sending``; it is then marked ``delivery_unknown`` and never resent automatically.

On PostgreSQL a batch is decided about and composed at once, and each mark checks that nothing has changed since. An
email for which something has, or that is not to be sent, goes the long way: locked, read, and decided about by itself.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from widget.actions.emails.build_send_context import send_context_of
from widget.actions.emails.keep_unsettled import Unsettled, keep, settle
from widget.actions.emails.plan_emails import RESULT_TRIGGER
from widget.actions.emails.ready_emails import Ready, message_id_of, message_of, ready_emails
from widget.actions.emails.store_outcome import Outcome, note_outcome, settled_by, store_outcome, tell, transition
from widget.actions.emails.write_email import content_of
from widget.deadline import is_time_limit
from widget.domain.email.bounce import Bounce, refusal_of
from widget.domain.email.send_policy import DEFER, Decision, decide
from widget.domain.email.sequence import (
    DELIVERY_UNKNOWN,
    FAILED,
    PLANNED,
    QUEUED,
    SENDING,
    SENT,
    SKIPPED,
)
from widget.email.transport import PermanentFailure, TemporaryFailure, UnknownOutcome
from widget.services import Services
from widget.storage.database import is_lost
from widget.storage.email_context import email_context_of, note_mark
from widget.storage.email_marks import Marker, marker
from widget.storage.emails import Email, claim_due
from widget.storage.rate_limits import acquire, release, retry_after
from widget.telemetry import EMAILS, log

BATCH = 50
SECONDS = 20.0
"""How long one run continues while emails are due."""


def send_due_emails(services: Services, *, seconds: float = SECONDS) -> int:
    """Claim and send due emails one by one until none are left or ``seconds`` have passed; return how many."""
    if not settle(services):
        return 0
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end or not done:
        claimed_at = services.now()
        claimed, wait = _claimed(services)
        if not claimed and not wait:
            break
        if not claimed:
            if time.monotonic() + wait > end:
                break
            time.sleep(wait)
        _send_all(services, claimed, claimed_at)
        done += len(claimed)
    return done


def _send_all(services: Services, claimed: list[int], claimed_at: datetime) -> None:
    with ExitStack() as stack:
        _send_each(_Batch(services, claimed, stack), services, claimed, claimed_at)


def _send_each(batch: _Batch, services: Services, claimed: list[int], claimed_at: datetime) -> None:
    before: Outcome | None = None
    for place, email_id in enumerate(claimed):
        previous, before = before, None
        try:
            before = batch.send(email_id, previous)
        except Exception as error:  # One email must not block the others; ``rescue_emails`` recovers it.
            if is_time_limit(error):
                raise
            if is_lost(error):
                keep(services, Unsettled(previous, claimed[place:], claimed_at, services.now()))
                return
            log("emails").error("email_raised", email_id=email_id, exc_info=True)
            with suppress(SQLAlchemyError):
                store_outcome(services, previous)
    try:
        store_outcome(services, before)
    except DBAPIError as error:
        if not is_lost(error):
            raise
        keep(services, Unsettled(before, [], claimed_at, services.now()))


class _Batch:
    """Sends the emails of one batch; what is ready takes the short way, everything else the long one.

    ``stack`` closes its database connection, which is in no transaction while the provider is waited for.
    """

    def __init__(self, services: Services, claimed: list[int], stack: ExitStack) -> None:
        self._services, self._claimed, self._stack = services, claimed, stack
        self._ready: dict[int, Ready] | None = None
        self._marker: Marker | None = None

    def send(self, email_id: int, before: Outcome | None) -> Outcome | None:
        """Record the outcome of the previous email, then send this one and return its outcome."""
        if self._ready is None:  # Here, where a lost database is handled.
            self._ready = self._get_ready()
        ready = self._ready.get(email_id)
        if ready is None or ready.is_old():
            return _send(self._services, email_id, before)
        if before is not None and before.state != SENT:
            store_outcome(self._services, before)
            before = None
        mark = ready.mark(self._services.now())
        settled = None if before is None else settled_by(before, self._services.now())
        self._marker = self._marker or self._stack.enter_context(marker(self._services.database))
        marked = self._marker.mark(settled, mark, self._services.now())
        if before is not None:
            tell(before.email_id, SENT, before.reason)
        if not marked:
            return _send(self._services, email_id, None)
        EMAILS.labels(SENDING).inc()
        email = ready.known.email
        state, reason, refusal = _handed_over(self._services, ready.message, ready.known.contact.email)
        asked_for = email.trigger_kind == RESULT_TRIGGER
        return Outcome(email_id, mark.history, email.attempts + 1, asked_for, state, reason, refusal)

    def _get_ready(self) -> dict[int, Ready]:
        """Return the emails that are ready. Raises DBAPIError if the database is lost; another error readies none."""
        try:
            return ready_emails(self._services, self._claimed)
        except SQLAlchemyError as error:
            if is_lost(error):
                raise
            log("emails").error("batch_not_readied", exc_info=True)
            return {}


def _claimed(services: Services) -> tuple[list[int], float]:
    """Return (ids of claimed emails within the provider's rate limit, seconds to wait if the limit is used up)."""
    now, limit = services.now(), services.settings.max_sending_rate
    with services.sessions.begin() as session:
        if limit is None:
            return claim_due(session, now, BATCH), 0.0
        most, per = limit
        # Use the real clock rather than the movable one: the provider's rate limit follows real time.
        leave = acquire(session, "mail", wanted=BATCH, most=most, seconds=per, now=datetime.now(UTC))
        claimed = claim_due(session, now, leave) if leave else []
        release(session, "mail", leave - len(claimed), most=most, seconds=per)
        return claimed, 0.0 if leave else retry_after(most, per)


def send_email(services: Services, email_id: int) -> None:
    """Send one claimed email, or record why it is not sent. Does nothing for an email in any other state."""
    store_outcome(services, _send(services, email_id, None))


def _send(services: Services, email_id: int, before: Outcome | None) -> Outcome | None:
    """Record the outcome of the previous email, then send this one and return its outcome."""
    ready = _prepare(services, email_id, before)
    if ready is None:
        return None
    email, message, recipient = ready
    state, reason, refusal = _handed_over(services, message, recipient)
    asked_for = email.trigger_kind == RESULT_TRIGGER
    return Outcome(email_id, email.history, email.attempts, asked_for, state, reason, refusal)


def _handed_over(services: Services, message: bytes, recipient: str) -> tuple[str, str, Bounce | None]:
    """Hand the message to the provider; return (new state, reason, what a permanent refusal is about)."""
    try:
        services.transport.send(message, recipient)
    except TemporaryFailure as error:
        return PLANNED, str(error), None
    except PermanentFailure as error:
        return FAILED, str(error), refusal_of(error.reply, of_sender=error.of_sender) if error.reply else None
    except UnknownOutcome as error:
        return DELIVERY_UNKNOWN, str(error), None
    return SENT, "accepted_by_provider", None


def _prepare(services: Services, email_id: int, before: Outcome | None) -> tuple[Email, bytes, str] | None:
    """Decide, compose, and mark as sending, in one transaction on the latest state; None if the email is not sent."""
    with services.sessions.begin() as session:
        if before is not None:
            note_outcome(services, session, before)
        # The lock on the contact keeps two workers from sending two emails to one person at once.
        known = email_context_of(session, email_id, services.now(), lock=True)
        if known is None or known.email.state != QUEUED:
            return None
        email = known.email
        try:
            loaded = content_of(services, known.shop, email)
            decision = decide(send_context_of(services, session, loaded, known))
            message = message_of(services, loaded, known) if decision.verdict == SENDING else None
        except SQLAlchemyError:
            raise
        except Exception as error:  # The email's history records whatever prevented it from being composed.
            if is_time_limit(error):
                raise  # Not the email's fault: it stays queued, and ``rescue_emails`` frees it.
            reason = f"{getattr(error, 'code', 'cannot_write')}: {type(error).__name__}"
            log("emails").warning("cannot_write", email_id=email_id, exc_info=True)
            transition(services, email, SKIPPED, reason)
            return None
        if message is None:
            _keep_back(services, email, decision)
            return None
        email.message_id = message_id_of(services, email)
        email.attempts += 1
        note_mark(session, known.contact.id)
        transition(services, email, SENDING, decision.reason)
        return email, message, known.contact.email


def _keep_back(services: Services, email: Email, decision: Decision) -> None:
    if decision.verdict == DEFER and decision.until:
        email.due_at = decision.until
        transition(services, email, PLANNED, f"deferred: {decision.reason}")
    else:
        transition(services, email, decision.verdict, decision.reason)
