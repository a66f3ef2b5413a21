"""Merge an order event into its row, and plan its emails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from widget.actions.emails.plan_emails import VISIT_OF, plan_order_emails
from widget.domain.content.pack import ENDS_EARLY
from widget.domain.email.send_policy import ERASED
from widget.domain.engine.evaluation import screen
from widget.domain.orders.attribution import day_of, quiz_had_part
from widget.domain.orders.order import (
    REFUNDED,
    OrderEvent,
    OrderLine,
    Quantity,
    agreed,
    earliest,
    kept_lines,
    stored_quantity,
)
from widget.email.message import BadAddress, checked_address
from widget.services import Services
from widget.storage.contacts import Contact, contact_for, suppressed
from widget.storage.daily_metrics import BOUGHT, DailyMetricKey, add_daily_metrics
from widget.storage.orders import ERASED_MARK, Order, order_by_external_id
from widget.storage.responses import Response, response_by_visit
from widget.storage.shops import Shop


def record_order(services: Services, session: Session, shop: Shop, event: OrderEvent) -> Order:
    """Merge one event into its order and plan emails, in the caller's transaction."""
    event = replace(event, email=_usable(event.email))
    if _erased(services, session, shop, event):
        event = _without_person(event)
    order = order_by_external_id(session, shop.id, event.external_id, lock=True)
    if order is None:
        order = new_order(shop.id, event)
        session.add(order)
    if order.field_timestamps.get(ERASED_MARK):
        event = _without_person(event)
    contact = session.get(Contact, order.contact_id) if order.contact_id else None
    if fold(order, event, email_now=contact.email if contact else ""):
        _link_contact(services, session, shop, order, event)
    _note_red_flag(services, session, shop, order, event)
    session.flush()  # The emails below need the order's id.
    plan_order_emails(services, session, shop, order, visit=event.visit)
    return order


def _without_person(event: OrderEvent) -> OrderEvent:
    """Return the event without personal data: an erased person stays erased, whatever the store sends later."""
    return replace(event, email="", customer_id="", timezone="", lines=(), number="", visit="")


def _usable(email: str) -> str:
    """Return the normalized address; "" for an address that no email can be sent to."""
    try:
        return checked_address(email) if email else ""
    except BadAddress:
        return ""


def _erased(services: Services, session: Session, shop: Shop, event: OrderEvent) -> bool:
    """Return whether the buyer has been erased."""
    if not event.email:
        return False
    address_hash = services.crypto.address_hash(shop.slug, event.email)
    known = suppressed(session, shop.id, address_hash, services.now())
    return known is not None and known.reason == ERASED


def new_order(shop_id: int, event: OrderEvent) -> Order:
    """Return an empty order, to merge the event into."""
    return Order(
        shop_id=shop_id,
        external_id=event.external_id,
        updated_at=event.at,
        eligible=True,
        attributed=False,
        test=False,
        number="",
        locale="",
        currency="",
        customer_id="",
        timezone="",
        lines=[],
        refunded=0,
        refunds={},
        field_timestamps={},
    )


def fold(order: Order, event: OrderEvent, *, email_now: str = "") -> bool:
    """Merge an event into an order; return whether the event has the newest email address.

    The result does not depend on the order of events or on repeats. Moments are the earliest reported; other fields are
    the newest reported (of two values with the same timestamp, the greater one as text); refunds are a set.
    """
    if (
        order.refunded_at is not None
        and REFUNDED not in order.field_timestamps
        and (not order.refunds or ERASED_MARK in order.field_timestamps)
    ):
        # The order was refunded before refunds were stored as a set.
        order.field_timestamps = {
            **order.field_timestamps,
            REFUNDED: order.refunded_at.timestamp(),
        }
    since = order.updated_at.timestamp()
    for name, moment in event.moments.items():
        if name == REFUNDED:
            known = order.field_timestamps.get(REFUNDED)
            first = moment.timestamp() if known is None else min(known, moment.timestamp())
            order.field_timestamps = {**order.field_timestamps, REFUNDED: first}
        else:
            setattr(order, f"{name}_at", earliest(getattr(order, f"{name}_at"), moment))
    order.accepts_marketing = agreed(order.accepts_marketing, event.accepts_marketing)
    order.test = bool(order.test) or event.test
    order.updated_at = max(order.updated_at, event.at)
    for field, value in _words(event).items():
        if value not in ("", None, []) and _newer(order, event, field, value, getattr(order, field), since):
            setattr(order, field, value)
    _fold_refunds(order, event)
    return bool(event.email) and _newer(order, event, "email", event.email, email_now, since)


def _words(event: OrderEvent) -> dict[str, Any]:
    return {
        "number": event.number,
        "customer_id": event.customer_id,
        "locale": event.locale,
        "timezone": event.timezone,
        "currency": event.currency,
        "total": event.total,
        "lines": [_line_row(line) for line in event.lines],
    }


def _line_row(line: OrderLine) -> dict[str, Any]:
    quantities = {"quantity": stored_quantity(line.quantity), "returned": stored_quantity(line.returned)}
    return {**asdict(line), **quantities}


def _newer(order: Order, event: OrderEvent, field: str, value: Any, now: Any, since: float) -> bool:
    """Return whether the event's value is newer than the stored one (``now``); if so, store its timestamp.

    ``since``: the time of the stored value if no timestamp was stored for the field.
    """
    at, known = event.at.timestamp(), order.field_timestamps.get(field, since if now not in ("", None, []) else None)
    if known is not None and (known, _as_text(now)) >= (at, _as_text(value)):
        return False
    order.field_timestamps = {**order.field_timestamps, field: at}
    return True


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _fold_refunds(order: Order, event: OrderEvent) -> None:
    """Merge the refunds, a set by id. An order is also refunded when all of its lines were returned."""
    refunds = dict(order.refunds or {})
    for refund in event.refunds:
        row = {"at": refund.at.timestamp(), "lines": _stored(refund.lines), "amount": refund.amount}
        known = refunds.get(refund.refund_id)
        refunds[refund.refund_id] = row if known is None else max(known, row, key=_knows_more)
    order.refunds = refunds
    order.refunded = sum(row["amount"] or 0 for row in refunds.values())
    moments = [order.field_timestamps[REFUNDED]] if REFUNDED in order.field_timestamps else []
    if refunds and order.lines and not kept_lines(order.lines, refunds):
        moments.append(max(row["at"] for row in refunds.values()))
    order.refunded_at = datetime.fromtimestamp(min(moments), UTC) if moments else None


def _knows_more(row: Mapping[str, Any]) -> tuple[bool, str]:
    """Return a sort key: a report with lines knows more than one without, whichever came first."""
    return bool(row["lines"]), _as_text(row)


def _stored(lines: Mapping[str, Quantity]) -> dict[str, int | str]:
    return {line_id: stored_quantity(quantity) for line_id, quantity in lines.items()}


def _link_contact(services: Services, session: Session, shop: Shop, order: Order, event: OrderEvent) -> None:
    """Link the contact of the newest address. An address may be corrected later; this affects emails not yet sent."""
    email = event.email
    contact = contact_for(
        session,
        shop_id=shop.id,
        address_hash=services.crypto.address_hash(shop.slug, email),
        email=email,
        locale=event.locale,
        at=services.now(),
    )
    order.contact_id = contact.id


def _note_red_flag(services: Services, session: Session, shop: Shop, order: Order, event: OrderEvent) -> None:
    """Record whether product emails may follow: this and the attribution are all that an order keeps of a visit.

    The safety rules of today apply as well as those of the visit; an unknown visit may have been a red flag.
    """
    if not event.visit or order.attributed:
        return
    order.attributed = True
    if order.contact_id is not None:
        order.field_timestamps = {**order.field_timestamps, VISIT_OF: order.contact_id}
    response = response_by_visit(session, shop.id, event.visit)
    live = services.quizzes.live(shop.slug, response.quiz) if response else None
    flagged = live is not None and response is not None and screen(live.engine.rules, response.answers).triage
    if response is None or flagged or response.outcome in ENDS_EARLY or not response.products:
        order.eligible = False
    if response is not None:
        _note_part(session, order, response, event)


def _note_part(session: Session, order: Order, response: Response, event: OrderEvent) -> None:
    """Record the order's attribution to the quiz, without answers; once, when the visit is first reported."""
    placed_at = order.placed_at or event.at
    bought = {line["sku"] for line in order.lines or () if line["sku"]}
    direct = quiz_had_part(response.created_at, placed_at, shown=response.products, bought=bought)
    if direct is None:
        return
    order.quiz, order.quiz_version, order.quiz_locale = response.quiz, response.version, response.locale
    order.completed_at, order.direct = day_of(response.created_at), direct
    if not order.test:
        key = DailyMetricKey(
            order.shop_id, response.quiz, BOUGHT, placed_at.date(), response.version, response.locale, ""
        )
        add_daily_metrics(session, {key._replace(name=sku): 1 for sku in bought})
