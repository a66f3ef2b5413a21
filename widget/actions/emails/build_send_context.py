"""Build the context from which the send policy decides about an email that is due."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.emails.plan_emails import RESULT_TRIGGER, bought_products, outcome_of, usable_answers
from widget.actions.emails.write_email import email_products
from widget.domain.email.markets import soft_opt_in_applies
from widget.domain.email.schedule import (
    ConditionFacts,
    condition_holds,
    known_zone,
    next_morning,
    quiet_until,
    start_of_day,
)
from widget.domain.email.send_policy import CAP_WINDOW, SendContext
from widget.domain.email.sequence import MARKETING, TRANSACTIONAL, Step
from widget.domain.engine.evaluation import screen
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.storage.contacts import GRANTED, HEALTH_DATA, PENDING, promised_emails
from widget.storage.contacts import MARKETING as MARKETING_CONSENT
from widget.storage.email_context import EmailContext, nth_marketing_at
from widget.storage.emails import Email, emails_gone
from widget.storage.orders import Order, count_orders, later_orders
from widget.storage.shops import Shop


def send_context_of(services: Services, session: Session, loaded: LoadedQuiz, known: EmailContext) -> SendContext:
    """Return everything that the send policy considers, from the latest state."""
    email, shop, order, agreed = known.email, known.shop, known.order, known.marketing
    now = services.now()
    # The shopper has just requested this email and is waiting for it: quiet hours do not apply.
    asked = email.trigger_kind == RESULT_TRIGGER and email.kind == TRANSACTIONAL
    step = step_of(loaded, email)
    reminds = step is not None and step.after.uses is not None
    zone = known_zone(order.timezone if order else "", known.contact.timezone, shop.timezone)
    said_yes = order is not None and order.accepts_marketing is True
    softly = order is not None and soft_opt_in_applies(
        loaded.engine.rules.pack.market,
        allowed=shop.soft_opt_in,
        asked=order.accepts_marketing,
        bought_at=order.placed_at,
        now=now,
    )
    return SendContext(
        now=now,
        valid_until=email.valid_until,
        kind=email.kind,
        shop_paused=shop.paused,
        has_address=bool(known.contact.email),
        suppressed=known.suppressed,
        consent=agreed == GRANTED or (agreed in (None, PENDING) and (said_yes or softly)),
        order_cancelled=order is not None and order.cancelled_at is not None,
        order_refunded=order is not None and order.refunded_at is not None,
        order_test=order is not None and order.test,
        eligible=(order is None or order.eligible) and not _ruled_out(services, loaded, email, order),
        felt_worse=known.felt_worse,
        product_blocked=_blocked(services, loaded, order),
        product_returned=_returned(loaded, order),
        reordered=reminds and _reordered(session, loaded, order),
        out_of_stock=reminds and _out_of_stock(services, loaded, order),
        condition_holds=step is not None and _condition(services, session, loaded, known, step),
        last_marketing_at=known.last_marketing_at,
        capped_by=_capped_by(session, loaded, known, now) if email.kind == MARKETING else None,
        asked_for=asked,
        quiet_until=None if asked else quiet_until(now, shop.quiet_from, shop.quiet_to, zone),
        full_until=_full_until(session, shop, now),
    )


def _capped_by(session: Session, loaded: LoadedQuiz, known: EmailContext, now: datetime) -> datetime | None:
    """Return when the nth latest marketing email was sent; None if that can no longer matter.

    n is the monthly maximum promised to the contact, or the pack's current maximum if that is lower.
    """
    if known.last_marketing_at is None or now - known.last_marketing_at > CAP_WINDOW:
        return None
    of_pack, contact_id = loaded.engine.rules.pack.emails_per_month, known.email.contact_id
    most = min(of_pack, promised_emails(session, contact_id) or of_pack)
    return nth_marketing_at(session, contact_id, most)


def _full_until(session: Session, shop: Shop, now: datetime) -> datetime | None:
    """Return when sending may resume if the shop's daily limit is used up, else None. Locks the shop's row to count."""
    if not shop.emails_per_day:
        return None
    session.refresh(shop, with_for_update=True)
    went = emails_gone(session, shop.id, start_of_day(now, shop.timezone))
    return next_morning(now, shop.timezone) if went >= shop.emails_per_day else None


def _condition(services: Services, session: Session, loaded: LoadedQuiz, known: EmailContext, step: Step) -> bool:
    email, order = known.email, known.order
    looked_at = {term.field for clause in step.when.clauses for term in clause}
    # For emails without an order, a consent ticked with a request counts before it is confirmed: one of these emails
    # asks for the confirmation.
    enough = (GRANTED,) if order is not None else (GRANTED, PENDING)
    granted = {MARKETING_CONSENT} if known.marketing in enough else set()
    if known.health_data in enough:
        granted.add(HEALTH_DATA)
    answers = usable_answers(services, loaded, email) if HEALTH_DATA in granted or order is None else None
    facts = ConditionFacts(
        bought=bought_products(loaded, order.lines, order.refunds) if order else (),
        outcome=outcome_of(services, loaded, answers) if answers else None,
        answers={name: frozenset(given) for name, given in (answers or {}).items()},
        order_count=count_orders(session, email.shop_id, email.contact_id) if "order.count" in looked_at else 0,
        emails_sent=_sent_before(session, email) if "email.sent" in looked_at else frozenset(),
        consents=frozenset(granted),
    )
    return condition_holds(step.when, facts)


def _sent_before(session: Session, email: Email) -> frozenset[str]:
    sent = select(Email.template).where(Email.contact_id == email.contact_id, Email.sent_at.is_not(None))
    if email.order_id is not None:
        sent = sent.where(Email.order_id == email.order_id)
    return frozenset(session.scalars(sent))


def step_of(loaded: LoadedQuiz, email: Email) -> Step | None:
    """Return the sequence step that an email was planned from; None if the pack no longer has it."""
    sequence = loaded.engine.rules.pack.sequence_by_id.get(email.sequence)
    return next((step for step in sequence.steps if step.id == email.step), None) if sequence else None


def _returned(loaded: LoadedQuiz, order: Order | None) -> bool:
    """Return whether products of the pack were bought and all of them were returned."""
    if order is None or not order.lines:
        return False
    return bool(bought_products(loaded, order.lines)) and not bought_products(loaded, order.lines, order.refunds)


def _reordered(session: Session, loaded: LoadedQuiz, order: Order | None) -> bool:
    """Return whether a later order of the same contact contains one of the same products."""
    if order is None or order.contact_id is None or order.placed_at is None:
        return False
    mine = {email_product.sku for email_product in email_products(loaded, order)}
    later = later_orders(session, order)
    return any(mine & {email_product.sku for email_product in email_products(loaded, other)} for other in later)


def _out_of_stock(services: Services, loaded: LoadedQuiz, order: Order | None) -> bool:
    """Return whether all of the products bought are out of stock today."""
    catalog = (services.quizzes.live(loaded.shop.slug, loaded.quiz) or loaded).engine.catalog
    bought = {email_product.sku for email_product in email_products(loaded, order)}
    now = [place for place, product in enumerate(catalog.products) if product.sku in bought]
    return bool(now) and not any(catalog.in_stock >> place & 1 for place in now)


def _blocked(services: Services, loaded: LoadedQuiz, order: Order | None) -> bool:
    """Return whether a product of this email is blocked, inactive, or no longer in the live pack."""
    live = services.quizzes.live(loaded.shop.slug, loaded.quiz)
    catalog = (live or loaded).engine.catalog
    now = {product.sku: product for product in catalog.products}
    bought = email_products(loaded, order)
    return any(item.sku in catalog.blocked or item.sku not in now or not now[item.sku].active for item in bought)


def _ruled_out(services: Services, loaded: LoadedQuiz, email: Email, order: Order | None) -> bool:
    """Return whether the live safety rules, applied to the answers that may be used, exclude this email's products."""
    answers = usable_answers(services, loaded, email)
    live = services.quizzes.live(loaded.shop.slug, loaded.quiz)
    if order is None or answers is None or live is None:
        return False
    screening = screen(live.engine.rules, answers)
    bought = {email_product.sku for email_product in email_products(loaded, order)}
    return screening.triage is not None or bool(bought & screening.without_products)
