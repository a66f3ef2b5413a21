"""Plan the emails of a trigger as rows with a due date. Planning again only updates the dates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from widget.actions.errors import UnknownResult
from widget.actions.quiz.result_links import open_result, result_code
from widget.content.languages import negotiate_locale
from widget.domain.email.schedule import Bought, ConditionFacts, answered_uses, condition_holds, due_at, known_zone
from widget.domain.email.sequence import (
    BOUNCED,
    COMPLAINED,
    DELIVERED,
    EXPIRED,
    FAILED,
    PLANNED,
    SENT,
    SKIPPED,
    Sequence,
    Step,
)
from widget.domain.engine.evaluation import evaluate, screen
from widget.domain.orders.order import kept_lines, quantity_in, tidy
from widget.nudges import EMAILS, nudge
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.storage.contacts import GRANTED, HEALTH_DATA, MARKETING, Contact, consent_state
from widget.storage.content import live_quizzes
from widget.storage.emails import Email, add_email, emails_of_order
from widget.storage.orders import Order
from widget.storage.responses import response_by_visit
from widget.storage.shops import Shop

ORDER_TRIGGER, RESULT_TRIGGER = "order", "result"
VISIT_OF = "visit_of"
"""Key in ``Order.field_timestamps``: id of the contact whose answers the order's visit leads to."""
_EVENT_OF = {
    "order.placed": "placed_at",
    "order.paid": "paid_at",
    "order.fulfilled": "fulfilled_at",
    "order.delivered": "delivered_at",
}


def plan_order_emails(services: Services, session: Session, shop: Shop, order: Order, *, visit: str) -> None:
    """Plan the order's emails, and update the due dates of those not yet attempted. Test orders get no emails."""
    if order.contact_id is None or order.test:
        return
    planned = {(email.sequence, email.step): email for email in emails_of_order(session, order.id)}
    loaded = _content_for(services, session, shop, visit, list(planned.values()))
    if loaded is None:
        return
    _hand_over(planned.values(), order.contact_id)
    if order.field_timestamps.get(VISIT_OF, order.contact_id) != order.contact_id:
        visit = ""  # The recipient is not the person who took the quiz: the answers are not used.
    bought = bought_products(loaded, order.lines, order.refunds)
    zone = zone_of(session, shop, order.contact_id, order)
    uses = _answered_uses(services, session, loaded, order.contact_id, visit, list(planned.values()))
    events = {name: getattr(order, f"{name}_at") for name in ("placed", "fulfilled", "delivered")}
    for sequence in loaded.engine.rules.pack.sequences:
        if sequence.trigger not in _EVENT_OF or getattr(order, _EVENT_OF[sequence.trigger]) is None:
            continue
        for step in sequence.steps:
            moment = due_at(step, events, bought, zone, uses_a_week=uses)
            known = planned.get((sequence.id, step.id))
            if known and known.state == PLANNED:
                if moment and known.attempts == 0:
                    known.due_at, known.valid_until = moment, moment + timedelta(days=step.valid_days)
            elif known is None and moment and _concerns(step, bought):
                code = _agreed_code(services, session, loaded, order.contact_id, visit)
                row = _row(services, shop, loaded, sequence, step, moment)
                row |= {"contact_id": order.contact_id, "order_id": order.id, "trigger_kind": ORDER_TRIGGER}
                # Store the language of the email itself, so that the results page counts it with its clicks.
                locale = negotiate_locale(loaded.engine.rules.pack, order.locale)
                row |= {"trigger_id": order.external_id, "locale": locale, "result_code": code}
                row["variant"] = variant_of(step, order.external_id)
                add_email(session, row)


def _hand_over(emails: Iterable[Email], contact_id: int) -> None:
    """Move planned emails to the order's corrected contact, without the answers of the previous contact."""
    for email in emails:
        if email.state == PLANNED and email.contact_id != contact_id:
            email.contact_id, email.result_code = contact_id, ""


def plan_result_emails(
    services: Services,
    session: Session,
    loaded: LoadedQuiz,
    *,
    contact_id: int,
    code: str,
    locale: str,
    consents: frozenset[str],
) -> int:
    """Plan the emails that a shopper requested with a result; return how many were added.

    A repeated request adds nothing while the email is pending, and a new email afterwards.
    """
    answers = _opened(services, loaded, code) if HEALTH_DATA in consents else None
    facts = ConditionFacts(
        consents=consents,
        outcome=outcome_of(services, loaded, answers) if answers else None,
        answers={name: frozenset(given) for name, given in (answers or {}).items()},
    )
    # Equal answers have equal codes. A part of the code, or a fingerprint shared by two people, would therefore reveal
    # the answers to anyone who requests all possible results. Hence the fingerprint includes the contact.
    about = f"{contact_id}:{services.crypto.fingerprint(f'{contact_id} {code}')}"
    trigger_id = f"{about}:{_finished(session, loaded.shop.id, about)}"
    return _plan_now(
        services, session, loaded, "result.requested", facts, contact_id, locale, trigger_id=trigger_id, code=code
    )


def plan_confirmed_emails(services: Services, session: Session, shop: Shop, *, contact_id: int, locale: str) -> int:
    """Plan the emails that follow a confirmed consent, once per contact; return how many were added."""
    made = 0
    for quiz in live_quizzes(session, shop.id):
        loaded = services.quizzes.live(shop.slug, quiz)
        facts = ConditionFacts(consents=frozenset({MARKETING}))
        if loaded:
            made += _plan_now(
                services, session, loaded, "consent.confirmed", facts, contact_id, locale, trigger_id=str(contact_id)
            )
    return made


def _plan_now(
    services: Services,
    session: Session,
    loaded: LoadedQuiz,
    trigger: str,
    facts: ConditionFacts,
    contact_id: int,
    locale: str,
    *,
    trigger_id: str,
    code: str = "",
) -> int:
    made = 0
    zone = zone_of(session, loaded.shop, contact_id)
    for sequence in loaded.engine.rules.pack.sequences:
        for step in sequence.steps if sequence.trigger == trigger else ():
            moment = due_at(step, {"placed": services.now()}, (), zone)
            if moment and condition_holds(step.when, facts):
                row = _row(services, loaded.shop, loaded, sequence, step, moment)
                chosen = negotiate_locale(loaded.engine.rules.pack, locale)
                row |= {"contact_id": contact_id, "locale": chosen, "result_code": code, "trigger_id": trigger_id}
                row["trigger_kind"] = RESULT_TRIGGER if trigger == "result.requested" else trigger
                row["variant"] = variant_of(step, trigger_id)
                made += add_email(session, row)
                if moment <= services.now():
                    nudge(session, EMAILS)
    return made


def _finished(session: Session, shop_id: int, about: str) -> int:
    """Return how many emails with this trigger prefix are finished: sent, skipped, expired, or failed."""
    over = (SENT, SKIPPED, EXPIRED, FAILED, DELIVERED, BOUNCED, COMPLAINED)
    query = select(func.count()).select_from(Email)
    query = query.where(Email.shop_id == shop_id, Email.trigger_kind == RESULT_TRIGGER, Email.state.in_(over))
    return int(session.scalar(query.where(Email.trigger_id.startswith(about, autoescape=True))) or 0)


def usable_answers(services: Services, loaded: LoadedQuiz, email: Email) -> dict[str, list[str]] | None:
    """Return the answers of the result that an email refers to, or None if there are none that may be used."""
    return _opened(services, loaded, email.result_code) if email.result_code else None


def _opened(services: Services, loaded: LoadedQuiz, code: str) -> dict[str, list[str]] | None:
    try:
        return open_result(services, loaded.shop.slug, code)[1]
    except UnknownResult:
        return None  # The keys were replaced meanwhile: treat the answers as missing.


def outcome_of(services: Services, loaded: LoadedQuiz, answers: dict[str, list[str]]) -> str:
    """Return the outcome of these answers, with the live version's safety rules applied as well."""
    live = services.quizzes.live(loaded.shop.slug, loaded.quiz)
    screening = screen(live.engine.rules, answers) if live else None
    return evaluate(loaded.engine.rules, loaded.engine.catalog, answers, screening).outcome


def variant_of(step: Step, trigger_id: str) -> str:
    """Return which of two subjects this email gets ("a" or "b"); "" if the step has only one.

    Half of the emails get each; the same trigger always gets the same one.
    """
    if not step.subject_b:
        return ""
    drawn = hashlib.blake2b(f"{step.email}\n{step.id}\n{trigger_id}".encode(), digest_size=1).digest()[0]
    return "b" if drawn & 1 else "a"


def zone_of(session: Session, shop: Shop, contact_id: int, order: Order | None = None) -> str:
    """Return the recipient's time zone: that of the order, else of the requesting browser, else of the shop."""
    contact = session.get(Contact, contact_id)
    return known_zone(order.timezone if order else "", contact.timezone if contact else "", shop.timezone)


def _answered_uses(
    services: Services, session: Session, loaded: LoadedQuiz, contact_id: int, visit: str, planned: list[Email]
) -> Decimal | None:
    """Return the uses per week from the answers, if they may be used.

    Answers already encrypted with one of the order's emails take precedence over those of the visit.
    """
    code = next((item.result_code for item in planned if item.result_code), "")
    code = code or _agreed_code(services, session, loaded, contact_id, visit)
    answers = _opened(services, loaded, code) if code else None
    return answered_uses(loaded.engine.rules.pack.quiz.questions, answers) if answers else None


def bought_products(
    loaded: LoadedQuiz, lines: list[dict[str, Any]], refunds: Mapping[str, Any] | None = None
) -> tuple[Bought, ...]:
    """Return the order's lines that are products of the pack, by SKU or else variant id, without returned items."""
    lines = kept_lines(lines, refunds or {})
    by_variant = {item.variant_id: item for item in loaded.engine.catalog.products if item.variant_id}
    by_sku = {item.sku: item for item in loaded.engine.catalog.products}
    found = []
    for line in lines:
        product = by_sku.get(line.get("sku", "")) or by_variant.get(line.get("variant_id", ""))
        if product:
            found.append(Bought(product, tidy(quantity_in(line, "quantity", 1))))
    return tuple(found)


def _content_for(
    services: Services, session: Session, shop: Shop, visit: str, planned: list[Email]
) -> LoadedQuiz | None:
    """Return the version that the order's emails were planned with.

    Without planned emails: the version that the shopper saw, else the first live quiz.
    """
    if planned:
        return services.quizzes.version(shop.slug, planned[0].quiz, planned[0].version)
    response = response_by_visit(session, shop.id, visit) if visit else None
    if response:
        return services.quizzes.version(shop.slug, response.quiz, response.version)
    quizzes = live_quizzes(session, shop.id)
    return services.quizzes.live(shop.slug, quizzes[0]) if quizzes else None


def _concerns(step: Step, bought: tuple[Bought, ...]) -> bool:
    """Return whether the products bought allow this step at all; other conditions are checked when it is due."""
    clauses = [[term for term in clause if term.field == "order.contains"] for clause in step.when.clauses]
    facts = ConditionFacts(bought=bought)
    return any(all(condition_holds(type(step.when)(((term,),)), facts) for term in clause) for clause in clauses)


def _agreed_code(services: Services, session: Session, loaded: LoadedQuiz, contact_id: int, visit: str) -> str:
    """Return the visit's answers as an encrypted code; "" unless the contact consented to their use."""
    response = response_by_visit(session, loaded.shop.id, visit) if visit else None
    if response is None or consent_state(session, contact_id, HEALTH_DATA) != GRANTED:
        return ""
    return result_code(services, loaded, response.answers)


def _row(
    services: Services, shop: Shop, loaded: LoadedQuiz, sequence: Sequence, step: Step, moment: datetime
) -> dict[str, Any]:
    return {
        "shop_id": shop.id,
        "quiz": loaded.quiz,
        "version": loaded.version,
        "sequence": sequence.id,
        "step": step.id,
        "template": step.email,
        "kind": sequence.kind,
        "state": PLANNED,
        "reason": "",
        "due_at": moment,
        "valid_until": moment + timedelta(days=step.valid_days),
        "changed_at": services.now(),
        "attempts": 0,
        "message_id": "",
        "variant": "",
        "answer": "",
        "history": [{"at": services.now().isoformat(), "state": PLANNED, "reason": "planned"}],
    }
