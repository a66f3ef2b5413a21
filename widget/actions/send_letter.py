"""Send what is due: claim, check everything again, hand over, note what came of it.

Two short transactions with the carrier's answer between them: no connection to the database is held while a
stranger answers. A process that dies in between leaves a letter in ``sending``; it is told as unconfirmed and
never repeated by itself.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from widget.actions.plan_letters import RESULT, bought_products, outcome_of, usable_answers, zone_of
from widget.actions.write_letter import letter_products, write_letter
from widget.domain.engine.evaluation import screen
from widget.domain.gatekeeper import DEFER, Decision, Facts, decide
from widget.domain.letter import (
    BOUNCED,
    COMPLAINED,
    DELIVERED,
    EXPIRED,
    FAILED,
    MARKETING,
    PLANNED,
    QUEUED,
    SENDING,
    SENT,
    SKIPPED,
    TRANSACTIONAL,
    UNCONFIRMED,
    Step,
    moved,
)
from widget.domain.schedule import LetterFacts, condition_holds, next_morning, quiet_until, start_of_day
from widget.live import Served
from widget.mail.carrier import Later, Never, Unclear
from widget.mail.message import letter_message
from widget.parts import Parts
from widget.storage.contacts import GRANTED, HEALTH_DATA, PENDING, Contact, consent_state, suppressed
from widget.storage.contacts import MARKETING as MARKETING_CONSENT
from widget.storage.letters import Letter, claim_due, letters_gone
from widget.storage.orders import Order, count_orders, later_orders
from widget.storage.send_limits import give_back, take_leave
from widget.storage.shops import Shop
from widget.telemetry import LETTERS, log

BATCH = 50
SECONDS = 20.0
"""How long one look goes on while letters are due."""
MOST_ATTEMPTS = 12
FIRST_RETRY = timedelta(minutes=2)
LONGEST_RETRY = timedelta(hours=6)


def send_due_letters(parts: Parts, *, seconds: float = SECONDS) -> int:
    """Claim what is due and send it, letter by letter, until nothing is left or so much time is over; how many."""
    sent, end = 0, time.monotonic() + seconds
    while claimed := _claimed(parts):
        for letter_id in claimed:
            try:
                send_letter(parts, letter_id)
            except Exception:  # One letter must not hold up the others; rescue finds what it left.
                log("letters").error("letter_raised", letter_id=letter_id, exc_info=True)
        sent += len(claimed)
        if time.monotonic() >= end:
            break
    return sent


def _claimed(parts: Parts) -> list[int]:
    """The next letters, as many as the carrier takes now."""
    now, limit = parts.now(), parts.settings.most_letters
    with parts.sessions.begin() as session:
        if limit is None:
            return claim_due(session, now, BATCH)
        most, per = limit
        # By the real clock: the carrier knows no other.
        leave = take_leave(session, "mail", wanted=BATCH, most=most, seconds=per, now=datetime.now(UTC))
        claimed = claim_due(session, now, leave) if leave else []
        give_back(session, "mail", leave - len(claimed), most=most, seconds=per)
        return claimed


def send_letter(parts: Parts, letter_id: int) -> None:
    """Send one claimed letter, or note why it does not go. Any other state: nothing happens."""
    ready = _prepare(parts, letter_id)
    if ready is None:
        return
    message, recipient = ready
    try:
        parts.carrier.send(message, recipient)
    except Later as error:
        _come_back(parts, letter_id, str(error))
    except Never as error:
        _note(parts, letter_id, FAILED, str(error))
    except Unclear as error:
        _note(parts, letter_id, UNCONFIRMED, str(error))
    else:
        _note(parts, letter_id, SENT, "taken_by_carrier")


def _prepare(parts: Parts, letter_id: int) -> tuple[EmailMessage, str] | None:
    """Write the letter, then, in one transaction over the latest state, decide and mark it as sending.

    Writing costs milliseconds and needs no lock; whether it may go is decided afterwards, on fresh rows.
    """
    try:
        served, message, recipient, code = _written(parts, letter_id)
    except Exception as error:  # Whatever keeps a letter from being written is told with the letter.
        reason = f"{getattr(error, 'code', 'cannot_write')}: {type(error).__name__}"
        log("letters").warning("cannot_write", letter_id=letter_id, exc_info=True)
        _note(parts, letter_id, SKIPPED, reason, only_from=QUEUED)
        return None
    with parts.sessions.begin() as session:
        letter = session.get_one(Letter, letter_id, with_for_update=True)
        if letter.state != QUEUED:
            return None
        # The lock on the contact keeps two workers from sending one person two letters at once.
        contact = session.get_one(Contact, letter.contact_id, with_for_update=True)
        if letter.result_code != code or contact.email != recipient:
            settle(parts, letter, PLANNED, "what it is written from has just changed")
            return None
        decision = decide(_facts(parts, session, served, letter, contact))
        if decision.verdict != SENDING:
            _keep_back(parts, letter, decision)
            return None
        letter.message_id = str(message["Message-ID"])
        letter.attempts += 1
        settle(parts, letter, SENDING, decision.reason)
        return message, recipient


def _written(parts: Parts, letter_id: int) -> tuple[Served, EmailMessage, str, str]:
    """(content, message, recipient, the result code it was written from)."""
    with parts.reads() as session:
        letter = session.get_one(Letter, letter_id)
        contact = session.get_one(Contact, letter.contact_id)
        served, written, frame = write_letter(parts, session, letter)
        shop = session.get_one(Shop, letter.shop_id)
    domain = parts.settings.mail_from.rsplit("@", 1)[-1]
    message = letter_message(
        written,
        sender_name=shop.name,
        sender=parts.settings.mail_from,
        recipient=contact.email or "erased@invalid.example",  # The gatekeeper stops it for the right reason.
        message_id=letter.message_id or f"<{parts.seals.token('m', letter.id)}@{domain}>",
        list_id=f"{shop.name} <letters.{domain}>".replace('"', ""),
        unsubscribe_url=frame.unsubscribe_url,
        date=parts.now(),
    )
    return served, message, contact.email, letter.result_code


def _facts(parts: Parts, session: Session, served: Served, letter: Letter, contact: Contact) -> Facts:
    shop = session.get_one(Shop, letter.shop_id)
    order = session.get(Order, letter.order_id) if letter.order_id else None
    barred = suppressed(session, shop.id, contact.address_hash)
    agreed = consent_state(session, contact.id, MARKETING_CONSENT)
    now = parts.now()
    # Somebody waits for a letter they have just asked for: quiet hours are not meant for it.
    asked = letter.trigger_kind == RESULT and letter.kind == TRANSACTIONAL
    step = step_of(served, letter)
    reminds = step is not None and step.after.uses is not None
    zone = zone_of(session, shop, contact.id, order)
    return Facts(
        now=now,
        valid_until=letter.valid_until,
        kind=letter.kind,
        shop_paused=shop.paused,
        has_address=bool(contact.email),
        suppressed=barred.reason if barred else None,
        consent=agreed == GRANTED
        or (agreed in (None, PENDING) and order is not None and order.accepts_marketing is True),
        order_cancelled=order is not None and order.cancelled_at is not None,
        order_refunded=order is not None and order.refunded_at is not None,
        order_test=order is not None and order.test,
        eligible=(order is None or order.eligible) and not _ruled_out(parts, served, letter, order),
        felt_worse=order is not None and _felt_worse(session, order),
        product_withheld=_withheld(parts, served, order),
        product_returned=_returned(served, order),
        reordered=reminds and _reordered(session, served, order),
        out_of_stock=reminds and _out_of_stock(parts, served, order),
        condition_holds=_condition(parts, session, served, letter, order, agreed),
        last_marketing_at=_last_marketing(session, contact.id),
        quiet_until=None if asked else quiet_until(now, shop.quiet_from, shop.quiet_to, zone),
        full_until=_full_until(session, shop, now),
    )


def _full_until(session: Session, shop: Shop, now: datetime) -> datetime | None:
    """When letters may go again, if as many went today as the shop allows. The shop's row is locked to count."""
    if not shop.letters_a_day:
        return None
    session.refresh(shop, with_for_update=True)
    went = letters_gone(session, shop.id, start_of_day(now, shop.timezone))
    return next_morning(now, shop.timezone) if went >= shop.letters_a_day else None


def _condition(
    parts: Parts, session: Session, served: Served, letter: Letter, order: Order | None, agreed: str | None
) -> bool:
    step = step_of(served, letter)
    if step is None:
        return False
    sent = select(Letter.letter).where(Letter.contact_id == letter.contact_id, Letter.sent_at.is_not(None))
    if order is not None:
        sent = sent.where(Letter.order_id == order.id)
    # What was ticked with a request counts for the letter that asks to confirm it, before it is confirmed.
    enough = (GRANTED,) if order is not None else (GRANTED, PENDING)
    granted = {MARKETING_CONSENT} if agreed in enough else set()
    if consent_state(session, letter.contact_id, HEALTH_DATA) in enough:
        granted.add(HEALTH_DATA)
    answers = usable_answers(parts, served, letter) if HEALTH_DATA in granted or order is None else None
    facts = LetterFacts(
        bought=bought_products(served, order.lines, order.refunds) if order else (),
        outcome=outcome_of(parts, served, answers) if answers else None,
        answers={name: frozenset(given) for name, given in (answers or {}).items()},
        order_count=count_orders(session, letter.shop_id, letter.contact_id),
        letters_sent=frozenset(session.scalars(sent)),
        consents=frozenset(granted),
    )
    return condition_holds(step.when, facts)


def step_of(served: Served, letter: Letter) -> Step | None:
    """The step of its sequence that a letter was planned by."""
    sequence = served.engine.rules.pack.sequence_by_id.get(letter.sequence)
    return next((each for each in sequence.steps if each.id == letter.step), None) if sequence else None


def _returned(served: Served, order: Order | None) -> bool:
    """Whether products were bought and nothing of them is kept."""
    if order is None or not order.lines:
        return False
    return bool(bought_products(served, order.lines)) and not bought_products(served, order.lines, order.refunds)


def _reordered(session: Session, served: Served, order: Order | None) -> bool:
    """Whether a later order of the same person holds one of the same products."""
    if order is None or order.contact_id is None or order.placed_at is None:
        return False
    mine = {each.sku for each in letter_products(served, order)}
    later = later_orders(session, order)
    return any(mine & {each.sku for each in letter_products(served, other)} for other in later)


def _out_of_stock(parts: Parts, served: Served, order: Order | None) -> bool:
    """Whether nothing of what was bought can be bought again today."""
    shelf = (parts.live.live(served.shop.slug, served.quiz) or served).engine.shelf
    bought = {each.sku for each in letter_products(served, order)}
    now = [place for place, each in enumerate(shelf.products) if each.sku in bought]
    return bool(now) and not any(shelf.in_stock >> place & 1 for place in now)


def _withheld(parts: Parts, served: Served, order: Order | None) -> bool:
    """Whether the shop's block list, a withdrawal, or the live pack takes a product of this letter out."""
    live = parts.live.live(served.shop.slug, served.quiz)
    shelf = (live or served).engine.shelf
    now = {product.sku: product for product in shelf.products}
    bought = letter_products(served, order)
    return any(each.sku in shelf.blocked or each.sku not in now or not now[each.sku].active for each in bought)


def _ruled_out(parts: Parts, served: Served, letter: Letter, order: Order | None) -> bool:
    """Whether today's safety, on the answers that may be used, leaves no product or not this one."""
    answers = usable_answers(parts, served, letter)
    live = parts.live.live(served.shop.slug, served.quiz)
    if order is None or answers is None or live is None:
        return False
    screening = screen(live.engine.rules, answers)
    bought = {each.sku for each in letter_products(served, order)}
    return screening.triage is not None or bool(bought & screening.without_products)


def _felt_worse(session: Session, order: Order) -> bool:
    query = select(func.count()).select_from(Letter).where(Letter.order_id == order.id, Letter.answer == "worse")
    return bool(session.scalar(query))


def _last_marketing(session: Session, contact_id: int) -> Any:
    """The latest of all that went or may have gone."""
    gone = (SENDING, SENT, UNCONFIRMED, DELIVERED, BOUNCED, COMPLAINED)
    moment = func.coalesce(Letter.sent_at, Letter.changed_at)
    query = select(func.max(moment)).where(
        Letter.contact_id == contact_id, Letter.kind == MARKETING, Letter.state.in_(gone)
    )
    found = session.scalar(query)
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _keep_back(parts: Parts, letter: Letter, decision: Decision) -> None:
    if decision.verdict == DEFER and decision.until:
        letter.due_at = decision.until
        settle(parts, letter, PLANNED, f"deferred: {decision.reason}")
    else:
        settle(parts, letter, decision.verdict, decision.reason)


def _come_back(parts: Parts, letter_id: int, reason: str) -> None:
    """Later: wait longer each time, with some chance in it; past the end of its use it is given up, visibly."""
    with parts.sessions.begin() as session:
        letter = session.get_one(Letter, letter_id, with_for_update=True)
        if letter.state != SENDING:
            return
        if letter.attempts >= MOST_ATTEMPTS:
            settle(parts, letter, FAILED, f"gave up after {letter.attempts} attempts: {reason}")
            return
        wait = min(FIRST_RETRY * 2 ** (letter.attempts - 1), LONGEST_RETRY)
        letter.due_at = parts.now() + wait * random.uniform(0.8, 1.2)  # noqa: S311  # Jitter, no secret.
        settle(parts, letter, PLANNED, f"later: {reason}")


def _note(parts: Parts, letter_id: int, state: str, reason: str, only_from: str = SENDING) -> None:
    with parts.sessions.begin() as session:
        letter = session.get_one(Letter, letter_id, with_for_update=True)
        if letter.state == only_from:
            settle(parts, letter, state, reason)


def settle(parts: Parts, letter: Letter, state: str, reason: str) -> None:
    """Move a letter on and write down why. Raises WrongState for a way that does not exist."""
    letter.state = moved(letter.state, state)
    letter.reason, letter.changed_at = reason, parts.now()
    if state == SENT:
        letter.sent_at = parts.now()
    if letter.trigger_kind == RESULT and state in (SENT, SKIPPED, EXPIRED, FAILED):
        letter.result_code = ""  # It held the answers; nothing needs them any more.
    letter.decisions = [*letter.decisions, {"at": parts.now().isoformat(), "state": state, "reason": reason}]
    LETTERS.labels(state).inc()
    log("letters").info("letter", letter_id=letter.id, state=state, reason=reason.split(":")[0])
