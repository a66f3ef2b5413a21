"""Simulate which emails an order would lead to."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from widget.actions.errors import ActionError
from widget.domain.content.pack import ENDS_EARLY
from widget.domain.email.schedule import Bought, answered_uses, known_zone
from widget.domain.email.simulation import Case, Simulated, simulate
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.live import Engine
from widget.domain.orders.order import OrderEvent, kept_lines
from widget.domain.orders.webhook import Unreadable
from widget.stores import shopify, standard, woocommerce

Answers = dict[str, list[str]]


class NoSuchOrder(ActionError):
    code = "unreadable_order"


def order_in(body: bytes) -> OrderEvent:
    """Parse an order: a generic event, a Shopify order, or a WooCommerce order. Raises NoSuchOrder."""
    try:
        data = json.loads(body, parse_int=str, parse_float=str)
        if not isinstance(data, dict):
            raise Unreadable("it is not a JSON object")
        if "type" in data:
            events = standard.parse("", body, received_at=datetime.now(UTC))
        elif "date_created_gmt" in data:
            events = woocommerce.parse("order.updated", body, received_at=datetime.now(UTC))
        else:
            events = shopify.parse("orders/updated", body, received_at=datetime.now(UTC))
    except (ValueError, RecursionError) as error:
        raise NoSuchOrder(f"the order cannot be read: {error}") from error
    (event,) = events
    assert isinstance(event, OrderEvent)
    return event


def simulate_emails(
    engine: Engine,
    order: OrderEvent,
    start: datetime,
    *,
    answers: Answers | None = None,
    health_data: bool = False,
    marketing: bool | None = None,
    zone: str = "UTC",
    quiet: tuple[str, str] = ("", ""),
) -> list[Simulated]:
    """Return each email with its sending time, or the reason it would not be sent. Raises Refused.

    ``answers``: the quiz answers that led to the order. ``marketing`` None: use the order's consent. ``health_data``:
    the buyer consented to the use of the answers.
    """
    case = Case(
        moments=dict(order.moments),
        bought=(),
        test=order.test,
        marketing=order.accepts_marketing is True if marketing is None else marketing,
        health_data=health_data,
        zone=known_zone(order.timezone, zone),
        quiet_from=quiet[0],
        quiet_to=quiet[1],
        emails_per_month=engine.rules.pack.emails_per_month,
    )
    refunds = {refund.refund_id: {"lines": dict(refund.lines)} for refund in order.refunds}
    lines = [asdict(line) for line in order.lines]
    case = replace(case, bought=_bought(engine, kept_lines(lines, refunds)))
    if not case.bought and (all_of_it := _bought(engine, lines)):
        case = replace(case, bought=all_of_it, returned=True)
    return simulate(engine.rules.pack.sequences, _with_answers(engine, case, answers), start)


def _bought(engine: Engine, lines: list[dict[str, Any]]) -> tuple[Bought, ...]:
    by_sku = {item.sku: item for item in engine.catalog.products}
    by_variant = {item.variant_id: item for item in engine.catalog.products if item.variant_id}
    found = ((by_sku.get(line["sku"]) or by_variant.get(line["variant_id"]), line["quantity"]) for line in lines)
    return tuple(Bought(product, quantity) for product, quantity in found if product)


def _with_answers(engine: Engine, case: Case, answers: Answers | None) -> Case:
    """Add the answers to the case.

    A red flag, or no product for these answers, rules out product emails regardless of consent; everything else is
    added only if the answers may be used.
    """
    if answers is None:
        return case
    found = evaluate(engine.rules, engine.catalog, answers)
    case = replace(case, eligible=found.outcome not in ENDS_EARLY and bool(found.shown), asked_for_result=True)
    if not case.health_data:
        return case
    return replace(
        case,
        outcome=found.outcome,
        answers={name: frozenset(given) for name, given in answers.items()},
        uses_a_week=answered_uses(engine.rules.pack.quiz.questions, answers),
    )
