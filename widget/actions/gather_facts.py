"""Gather what the gatekeeper looks at when a letter is about to go."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.plan_letters import RESULT, bought_products, outcome_of, usable_answers
from widget.actions.write_letter import letter_products
from widget.domain.engine.evaluation import screen
from widget.domain.gatekeeper import Facts
from widget.domain.letter import MARKETING, TRANSACTIONAL, Step
from widget.domain.markets import softly_agreed
from widget.domain.schedule import LetterFacts, condition_holds, known_zone, next_morning, quiet_until, start_of_day
from widget.live import Served
from widget.services import Services
from widget.storage.contacts import GRANTED, HEALTH_DATA, PENDING, promised_emails
from widget.storage.contacts import MARKETING as MARKETING_CONSENT
from widget.storage.letter_facts import Known, nth_marketing_at
from widget.storage.letters import Letter, letters_gone
from widget.storage.orders import Order, count_orders, later_orders
from widget.storage.shops import Shop


def facts_of(services: Services, session: Session, served: Served, known: Known) -> Facts:
    """Everything the gatekeeper looks at, over the latest state."""
    letter, shop, order, agreed = known.letter, known.shop, known.order, known.marketing
    now = services.now()
    # Somebody waits for a letter they have just asked for: quiet hours are not meant for it.
    asked = letter.trigger_kind == RESULT and letter.kind == TRANSACTIONAL
    step = step_of(served, letter)
    reminds = step is not None and step.after.uses is not None
    zone = known_zone(order.timezone if order else "", known.contact.timezone, shop.timezone)
    said_yes = order is not None and order.accepts_marketing is True
    softly = order is not None and softly_agreed(
        served.engine.rules.pack.market,
        allowed=shop.soft_opt_in,
        asked=order.accepts_marketing,
        bought_at=order.placed_at,
        now=now,
    )
    return Facts(
        now=now,
        valid_until=letter.valid_until,
        kind=letter.kind,
        shop_paused=shop.paused,
        has_address=bool(known.contact.email),
        suppressed=known.suppressed,
        consent=agreed == GRANTED or (agreed in (None, PENDING) and (said_yes or softly)),
        order_cancelled=order is not None and order.cancelled_at is not None,
        order_refunded=order is not None and order.refunded_at is not None,
        order_test=order is not None and order.test,
        eligible=(order is None or order.eligible) and not _ruled_out(services, served, letter, order),
        felt_worse=known.felt_worse,
        product_withheld=_withheld(services, served, order),
        product_returned=_returned(served, order),
        reordered=reminds and _reordered(session, served, order),
        out_of_stock=reminds and _out_of_stock(services, served, order),
        condition_holds=step is not None and _condition(services, session, served, known, step),
        last_marketing_at=known.last_marketing_at,
        capped_by=_capped_by(session, served, letter) if letter.kind == MARKETING else None,
        asked_for=asked,
        quiet_until=None if asked else quiet_until(now, shop.quiet_from, shop.quiet_to, zone),
        full_until=_full_until(session, shop, now),
    )


def _capped_by(session: Session, served: Served, letter: Letter) -> datetime | None:
    """When the nth latest marketing email went: n is what the person was promised, or less if the pack says so now."""
    now = served.engine.rules.pack.emails_per_month
    most = min(now, promised_emails(session, letter.contact_id) or now)
    return nth_marketing_at(session, letter.contact_id, most)


def _full_until(session: Session, shop: Shop, now: datetime) -> datetime | None:
    """When letters may go again, if as many went today as the shop allows. The shop's row is locked to count."""
    if not shop.letters_a_day:
        return None
    session.refresh(shop, with_for_update=True)
    went = letters_gone(session, shop.id, start_of_day(now, shop.timezone))
    return next_morning(now, shop.timezone) if went >= shop.letters_a_day else None


def _condition(services: Services, session: Session, served: Served, known: Known, step: Step) -> bool:
    letter, order = known.letter, known.order
    looked_at = {term.field for clause in step.when.clauses for term in clause}
    # What was ticked with a request counts for the letter that asks to confirm it, before it is confirmed.
    enough = (GRANTED,) if order is not None else (GRANTED, PENDING)
    granted = {MARKETING_CONSENT} if known.marketing in enough else set()
    if known.health_data in enough:
        granted.add(HEALTH_DATA)
    answers = usable_answers(services, served, letter) if HEALTH_DATA in granted or order is None else None
    facts = LetterFacts(
        bought=bought_products(served, order.lines, order.refunds) if order else (),
        outcome=outcome_of(services, served, answers) if answers else None,
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


def _out_of_stock(services: Services, served: Served, order: Order | None) -> bool:
    """Whether nothing of what was bought can be bought again today."""
    shelf = (services.live.live(served.shop.slug, served.quiz) or served).engine.shelf
    bought = {each.sku for each in letter_products(served, order)}
    now = [place for place, each in enumerate(shelf.products) if each.sku in bought]
    return bool(now) and not any(shelf.in_stock >> place & 1 for place in now)


def _withheld(services: Services, served: Served, order: Order | None) -> bool:
    """Whether the shop's block list, a withdrawal, or the live pack takes a product of this letter out."""
    live = services.live.live(served.shop.slug, served.quiz)
    shelf = (live or served).engine.shelf
    now = {product.sku: product for product in shelf.products}
    bought = letter_products(served, order)
    return any(each.sku in shelf.blocked or each.sku not in now or not now[each.sku].active for each in bought)


def _ruled_out(services: Services, served: Served, letter: Letter, order: Order | None) -> bool:
    """Whether today's safety, on the answers that may be used, leaves no product or not this one."""
    answers = usable_answers(services, served, letter)
    live = services.live.live(served.shop.slug, served.quiz)
    if order is None or answers is None or live is None:
        return False
    screening = screen(live.engine.rules, answers)
    bought = {each.sku for each in letter_products(served, order)}
    return screening.triage is not None or bool(bought & screening.without_products)
