"""Turn stored hooks into orders and planned letters."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy.exc import DataError, SQLAlchemyError
from sqlalchemy.orm import Session

from widget.actions.plan_letters import plan_order_letters
from widget.domain.attribution import day_of, quiz_had_part
from widget.domain.engine.evaluation import screen
from widget.domain.gatekeeper import ERASED
from widget.domain.order import CANCELLED, REFUNDED, OrderEvent, agreed, earliest
from widget.domain.pack import ENDS_EARLY
from widget.mail.message import BadAddress, checked_address
from widget.parts import Parts
from widget.storage.contacts import contact_for, suppressed
from widget.storage.hooks import DONE, FAILED, WAITING, Hook, waiting_hooks
from widget.storage.orders import Order, order_by_external_id
from widget.storage.responses import Response, response_by_visit
from widget.storage.shops import Shop
from widget.storage.tallies import BOUGHT, TallyKey, add_tallies
from widget.stores.standard import Unreadable, parse
from widget.telemetry import HOOKS, log

BATCH = 100


def record_orders(parts: Parts) -> int:
    """Work through waiting hooks, each in a transaction of its own; how many were done or given up."""
    with parts.reads() as session:
        waiting = waiting_hooks(session, BATCH)
    for hook_id in waiting:
        try:
            record_order(parts, hook_id)
        except SQLAlchemyError:
            log("orders").warning("hook_waits", hook_id=hook_id, exc_info=True)  # The others go on meanwhile.
    return len(waiting)


def record_order(parts: Parts, hook_id: int) -> None:
    """Fold one hook into its order and plan letters: all of it or nothing. Twice is as good as once.

    A signed body that cannot be read is kept as failed, with the reason, for people to see.
    """
    try:
        with parts.sessions.begin() as session:
            hook = session.get(Hook, hook_id, with_for_update=True)
            if hook is None or hook.state != WAITING:
                return
            _fold_hook(parts, session, hook)
            # What was understood stands in tables now; address and visit in one body would tie answers to a person.
            hook.state, hook.done_at, hook.body = DONE, parts.now(), b""
    except DataError as error:
        _give_up(parts, hook_id, type(error).__name__)  # Values that no table takes: waiting would change nothing.
    except SQLAlchemyError:
        raise  # The database's trouble, not the hook's: it stays waiting and is tried again.
    except Unreadable as error:
        _give_up(parts, hook_id, str(error))
    except Exception as error:  # One odd body must not stop the others; it is kept and shown.
        log("orders").error("hook_failed", hook_id=hook_id, exc_info=True)
        _give_up(parts, hook_id, type(error).__name__)


def _give_up(parts: Parts, hook_id: int, reason: str) -> None:
    HOOKS.labels("orders", FAILED).inc()
    with parts.sessions.begin() as session:
        hook = session.get_one(Hook, hook_id, with_for_update=True)
        hook.state, hook.error, hook.done_at = FAILED, reason[:500], parts.now()


def _fold_hook(parts: Parts, session: Session, hook: Hook) -> None:
    event = parse(hook.body)
    shop = session.get_one(Shop, hook.shop_id)
    if _erased(parts, session, shop, event):
        event = replace(event, email="", lines=(), number="", visit="")  # Forgotten means forgotten.
    order = order_by_external_id(session, shop.id, event.external_id, lock=True)
    if order is None:
        order = Order(
            shop_id=shop.id, external_id=event.external_id, updated_at=event.at, eligible=True, attributed=False
        )
        session.add(order)
    fold(order, event)
    _link_contact(parts, session, shop, order, event)
    _note_red_flag(parts, session, shop, order, event)
    session.flush()  # The letters below need the order's id.
    plan_order_letters(parts, session, shop, order, visit=event.visit)


def _erased(parts: Parts, session: Session, shop: Shop, event: OrderEvent) -> bool:
    """Whether the person of this order had everything deleted."""
    known = suppressed(session, shop.id, parts.seals.address_hash(shop.slug, event.email)) if event.email else None
    return known is not None and known.reason == ERASED


def fold(order: Order, event: OrderEvent) -> None:
    """Add an event to an order, whatever order they arrive in: moments are the earliest told, words the newest."""
    name = f"{event.kind}_at"
    setattr(order, name, earliest(getattr(order, name), event.at))
    if event.kind not in (CANCELLED, REFUNDED):
        # An event of any other kind says that the order was placed, also when that hook never came.
        order.placed_at = earliest(order.placed_at, event.placed_at or event.at)
    order.accepts_marketing = agreed(order.accepts_marketing, event.accepts_marketing)
    order.test = bool(order.test) or event.test
    if event.at >= order.updated_at:
        order.updated_at = event.at
        for field, value in _words(event).items():
            if value not in ("", None, []):
                setattr(order, field, value)
    elif not order.lines:
        order.lines = [asdict(line) for line in event.lines]


def _words(event: OrderEvent) -> dict[str, Any]:
    return {
        "number": event.number,
        "locale": event.locale,
        "currency": event.currency,
        "total": event.total,
        "lines": [asdict(line) for line in event.lines],
    }


def _link_contact(parts: Parts, session: Session, shop: Shop, order: Order, event: OrderEvent) -> None:
    if order.contact_id is not None or not event.email:
        return
    try:
        email = checked_address(event.email)
    except BadAddress:
        return
    contact = contact_for(
        session,
        shop_id=shop.id,
        address_hash=parts.seals.address_hash(shop.slug, email),
        email=email,
        locale=event.locale,
        at=parts.now(),
    )
    order.contact_id = contact.id


def _note_red_flag(parts: Parts, session: Session, shop: Shop, order: Order, event: OrderEvent) -> None:
    """Of the answers behind a visit only this much stays with the order: whether product letters may follow.

    Today's safety counts as well as that of the day; a visit we know nothing of may have been a red flag.
    """
    if not event.visit or order.attributed:
        return
    order.attributed = True
    response = response_by_visit(session, shop.id, event.visit)
    live = parts.live.live(shop.slug, response.quiz) if response else None
    flagged = live is not None and response is not None and screen(live.engine.rules, response.answers).triage
    if response is None or flagged or response.outcome in ENDS_EARLY or not response.products:
        order.eligible = False
    if response is not None:
        _note_part(session, order, response, event)


def _note_part(session: Session, order: Order, response: Response, event: OrderEvent) -> None:
    """What the quiz had to do with this order, without what was answered: noted once, when the visit is first told."""
    placed_at = order.placed_at or event.at
    bought = {line["sku"] for line in order.lines or () if line["sku"]}
    strict = quiz_had_part(response.created_at, placed_at, shown=response.products, bought=bought)
    if strict is None:
        return
    order.quiz, order.quiz_version, order.quiz_locale = response.quiz, response.version, response.locale
    order.completed_at, order.strict = day_of(response.created_at), strict
    if not order.test:
        key = TallyKey(order.shop_id, response.quiz, BOUGHT, placed_at.date(), response.version, response.locale, "")
        add_tallies(session, {key._replace(name=sku): 1 for sku in bought})
