"""Send what is due: claim, check everything again, hand over, note what came of it.

Two short transactions with the carrier's answer between them: no connection to the database is held while a
stranger answers. What came of a letter is noted together with the marking of the next one, so that one letter at most
is on its way in a process at any time. A process that dies leaves that one in ``sending``; it is told as unconfirmed
and never repeated by itself.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from widget.actions.plan_letters import RESULT, bought_products, outcome_of, usable_answers
from widget.actions.write_letter import compose_letter, content_of, letter_products
from widget.domain.engine.evaluation import screen
from widget.domain.gatekeeper import DEFER, Decision, Facts, decide
from widget.domain.letter import (
    EXPIRED,
    FAILED,
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
from widget.domain.schedule import LetterFacts, condition_holds, known_zone, next_morning, quiet_until, start_of_day
from widget.live import Served
from widget.mail.carrier import Later, Never, Unclear
from widget.mail.message import letter_message
from widget.parts import Parts
from widget.storage.contacts import GRANTED, HEALTH_DATA, PENDING
from widget.storage.contacts import MARKETING as MARKETING_CONSENT
from widget.storage.letter_facts import Known, known_of_letter
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
    done, end = 0, time.monotonic() + seconds
    while claimed := _claimed(parts):
        before: Outcome | None = None
        for letter_id in claimed:
            previous, before = before, None
            try:
                before = _send(parts, letter_id, previous)
            except Exception:  # One letter must not hold up the others; rescue finds what it left.
                log("letters").error("letter_raised", letter_id=letter_id, exc_info=True)
                with suppress(SQLAlchemyError):
                    _note(parts, previous)
        _note(parts, before)
        done += len(claimed)
        if time.monotonic() >= end:
            break
    return done


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the carrier said of a letter, not noted yet; ``decisions`` up to then, ``attempts`` with this one."""

    letter_id: int
    decisions: list[dict[str, Any]]
    attempts: int
    asked_for: bool
    state: str
    reason: str


def send_letter(parts: Parts, letter_id: int) -> None:
    """Send one claimed letter, or note why it does not go. Any other state: nothing happens."""
    _note(parts, _send(parts, letter_id, None))


def _send(parts: Parts, letter_id: int, before: Outcome | None) -> Outcome | None:
    """Note what came of the one before, then send this one."""
    ready = _prepare(parts, letter_id, before)
    if ready is None:
        return None
    letter, message, recipient = ready
    state, reason = _handed_over(parts, message, recipient)
    asked_for = letter.trigger_kind == RESULT
    return Outcome(letter_id, letter.decisions, letter.attempts, asked_for, state, reason)


def _handed_over(parts: Parts, message: EmailMessage, recipient: str) -> tuple[str, str]:
    """(the state it comes to, why)"""
    try:
        parts.carrier.send(message, recipient)
    except Later as error:
        return PLANNED, str(error)
    except Never as error:
        return FAILED, str(error)
    except Unclear as error:
        return UNCONFIRMED, str(error)
    return SENT, "taken_by_carrier"


def _prepare(parts: Parts, letter_id: int, before: Outcome | None) -> tuple[Letter, EmailMessage, str] | None:
    """In one transaction over the latest state: decide, write, and mark as sending."""
    with parts.sessions.begin() as session:
        if before is not None:
            _note_in(parts, session, before)
        # The lock on the contact keeps two workers from sending one person two letters at once.
        known = known_of_letter(session, letter_id, lock=True)
        if known is None or known.letter.state != QUEUED:
            return None
        letter = known.letter
        try:
            served = content_of(parts, known.shop, letter)
            decision = decide(_facts(parts, session, served, known))
            message = _message(parts, served, known) if decision.verdict == SENDING else None
        except SQLAlchemyError:
            raise
        except Exception as error:  # Whatever keeps a letter from being written is told with the letter.
            reason = f"{getattr(error, 'code', 'cannot_write')}: {type(error).__name__}"
            log("letters").warning("cannot_write", letter_id=letter_id, exc_info=True)
            settle(parts, letter, SKIPPED, reason)
            return None
        if message is None:
            _keep_back(parts, letter, decision)
            return None
        letter.message_id = str(message["Message-ID"])
        letter.attempts += 1
        settle(parts, letter, SENDING, decision.reason)
        return letter, message, known.contact.email


def _message(parts: Parts, served: Served, known: Known) -> EmailMessage:
    letter, shop = known.letter, known.shop
    written, frame = compose_letter(parts, served, letter, known.order)
    domain = parts.settings.mail_from.rsplit("@", 1)[-1]
    return letter_message(
        written,
        sender_name=shop.name,
        sender=parts.settings.mail_from,
        recipient=known.contact.email,
        message_id=letter.message_id or f"<{parts.seals.token('m', letter.id)}@{domain}>",
        list_id=f"{shop.name} <letters.{domain}>".replace('"', ""),
        unsubscribe_url=frame.unsubscribe_url,
        date=parts.now(),
    )


def _facts(parts: Parts, session: Session, served: Served, known: Known) -> Facts:
    letter, shop, order, agreed = known.letter, known.shop, known.order, known.marketing
    now = parts.now()
    # Somebody waits for a letter they have just asked for: quiet hours are not meant for it.
    asked = letter.trigger_kind == RESULT and letter.kind == TRANSACTIONAL
    step = step_of(served, letter)
    reminds = step is not None and step.after.uses is not None
    zone = known_zone(order.timezone if order else "", known.contact.timezone, shop.timezone)
    said_yes = order is not None and order.accepts_marketing is True
    return Facts(
        now=now,
        valid_until=letter.valid_until,
        kind=letter.kind,
        shop_paused=shop.paused,
        has_address=bool(known.contact.email),
        suppressed=known.suppressed,
        consent=agreed == GRANTED or (agreed in (None, PENDING) and said_yes),
        order_cancelled=order is not None and order.cancelled_at is not None,
        order_refunded=order is not None and order.refunded_at is not None,
        order_test=order is not None and order.test,
        eligible=(order is None or order.eligible) and not _ruled_out(parts, served, letter, order),
        felt_worse=known.felt_worse,
        product_withheld=_withheld(parts, served, order),
        product_returned=_returned(served, order),
        reordered=reminds and _reordered(session, served, order),
        out_of_stock=reminds and _out_of_stock(parts, served, order),
        condition_holds=step is not None and _condition(parts, session, served, known, step),
        last_marketing_at=known.last_marketing_at,
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


def _condition(parts: Parts, session: Session, served: Served, known: Known, step: Step) -> bool:
    letter, order = known.letter, known.order
    looked_at = {term.field for clause in step.when.clauses for term in clause}
    # What was ticked with a request counts for the letter that asks to confirm it, before it is confirmed.
    enough = (GRANTED,) if order is not None else (GRANTED, PENDING)
    granted = {MARKETING_CONSENT} if known.marketing in enough else set()
    if known.health_data in enough:
        granted.add(HEALTH_DATA)
    answers = usable_answers(parts, served, letter) if HEALTH_DATA in granted or order is None else None
    facts = LetterFacts(
        bought=bought_products(served, order.lines, order.refunds) if order else (),
        outcome=outcome_of(parts, served, answers) if answers else None,
        answers={name: frozenset(given) for name, given in (answers or {}).items()},
        order_count=count_orders(session, letter.shop_id, letter.contact_id) if "order.count" in looked_at else 0,
        letters_sent=_sent_before(session, letter) if "letter.sent" in looked_at else frozenset(),
        consents=frozenset(granted),
    )
    return condition_holds(step.when, facts)


def _sent_before(session: Session, letter: Letter) -> frozenset[str]:
    sent = select(Letter.letter).where(Letter.contact_id == letter.contact_id, Letter.sent_at.is_not(None))
    if letter.order_id is not None:
        sent = sent.where(Letter.order_id == letter.order_id)
    return frozenset(session.scalars(sent))


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


def _keep_back(parts: Parts, letter: Letter, decision: Decision) -> None:
    if decision.verdict == DEFER and decision.until:
        letter.due_at = decision.until
        settle(parts, letter, PLANNED, f"deferred: {decision.reason}")
    else:
        settle(parts, letter, decision.verdict, decision.reason)


def _note(parts: Parts, outcome: Outcome | None) -> None:
    """Write down what came of a letter."""
    if outcome is not None:
        with parts.sessions.begin() as session:
            _note_in(parts, session, outcome)


def _note_in(parts: Parts, session: Session, outcome: Outcome) -> None:
    """One statement: a letter that is not in ``sending`` any more was told as unconfirmed meanwhile, and stays so."""
    now, state, reason = parts.now(), outcome.state, outcome.reason
    values: dict[str, Any] = {"changed_at": now}
    if state == PLANNED:
        state, reason, due = _come_back(outcome, now)
        values |= {"due_at": due} if due else {}
    if state == SENT:
        values["sent_at"] = now
    if outcome.asked_for and state in (SENT, FAILED):
        values["result_code"] = ""  # It held the answers; nothing needs them any more.
    values |= {"state": moved(SENDING, state), "reason": reason}
    values["decisions"] = [*outcome.decisions, {"at": now.isoformat(), "state": state, "reason": reason}]
    mine = update(Letter).where(Letter.id == outcome.letter_id, Letter.state == SENDING)
    session.execute(mine.values(**values).execution_options(synchronize_session=False))
    LETTERS.labels(state).inc()
    log("letters").info("letter", letter_id=outcome.letter_id, state=state, reason=reason.split(":")[0])


def _come_back(outcome: Outcome, now: datetime) -> tuple[str, str, datetime | None]:
    """(state, reason, when): wait longer each time, with some chance in it; in the end it is given up, visibly."""
    if outcome.attempts >= MOST_ATTEMPTS:
        return FAILED, f"gave up after {outcome.attempts} attempts: {outcome.reason}", None
    wait = min(FIRST_RETRY * 2 ** (outcome.attempts - 1), LONGEST_RETRY)
    return PLANNED, f"later: {outcome.reason}", now + wait * random.uniform(0.8, 1.2)  # noqa: S311  # Jitter.


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
