"""Carry out or cancel waiting privacy requests."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.errors import ActionError
from widget.actions.privacy.answer_privacy import carry_out, event_of, release_hold
from widget.crypto import InvalidToken
from widget.deadline import is_time_limit
from widget.domain.orders.order import UNINSTALL, PrivacyEvent
from widget.services import Services
from widget.storage import audit
from widget.storage.connections import connection_of
from widget.storage.database import scrub
from widget.storage.privacy import REQUEST_CANCELED, REQUEST_WAITING, PrivacyRequest
from widget.storage.shops import Shop
from widget.storage.users import User
from widget.telemetry import log

BATCH = 20


class NotWaiting(ActionError):
    code = "not_waiting"

    def __init__(self) -> None:
        super().__init__("This request was already carried out or canceled.")


def carry_out_due(services: Services) -> int:
    """Carry out the due requests, each in its own transaction; return how many were due."""
    due = (PrivacyRequest.state == REQUEST_WAITING, PrivacyRequest.due_at <= services.now())
    with services.reads() as session:
        waiting = list(session.scalars(select(PrivacyRequest.id).where(*due).order_by(PrivacyRequest.id).limit(BATCH)))
    for number in waiting:
        try:
            _carry_out_one(services, number)
        except Exception as error:  # One request must not block the others; it is tried again.
            if is_time_limit(error):
                raise
            log("privacy").error("request_failed", request=number, exc_info=True)
    if waiting:
        scrub(services.database)
    return len(waiting)


def _carry_out_one(services: Services, number: int) -> None:
    with services.sessions.begin() as session:
        row = session.get_one(PrivacyRequest, number, with_for_update=True)
        if row.state == REQUEST_WAITING:
            _carry_out(services, session, session.get_one(Shop, row.shop_id), row)


def carry_out_now(services: Services, *, shop_id: int, number: int, by: User) -> None:
    """Carry out a waiting request at once. Raises NotWaiting."""
    with services.sessions.begin() as session:
        row = _waiting(session, shop_id, number)
        done = _carry_out(services, session, session.get_one(Shop, shop_id), row)
        _note(services, session, row, by, "privacy_request_carried_out" if done else "privacy_request_cancelled")
    scrub(services.database)


def cancel_privacy_request(services: Services, *, shop_id: int, number: int, by: User) -> None:
    """Cancel a waiting request: nothing is deleted, and suppressed or paused emails resume. Raises NotWaiting."""
    with services.sessions.begin() as session:
        row = _waiting(session, shop_id, number)
        shop = session.get_one(Shop, shop_id, with_for_update=True)
        event = _readable(services, row)
        if event is not None:
            release_hold(services, session, shop, event, row.id)
        if event is not None and row.kind == UNINSTALL:
            connection = connection_of(session, shop_id, event.store, lock=True)
            if connection is not None and connection.uninstalled_at is not None:
                connection.uninstalled_at = None
                connection.due_at = services.now() if connection.address and connection.encrypted_key else None
                shop.paused = shop.paused and not connection.paused_shop
                connection.paused_shop = False
        row.state, row.done_at, row.encrypted_event = REQUEST_CANCELED, services.now(), ""
        _note(services, session, row, by, "privacy_request_cancelled")


def _carry_out(services: Services, session: Session, shop: Shop, row: PrivacyRequest) -> bool:
    """Carry out a request and return True; cancel one that cannot be read."""
    event = _readable(services, row)
    if event is None:
        row.state, row.done_at = REQUEST_CANCELED, services.now()
        return False
    carry_out(services, session, shop, event, row)
    return True


def _readable(services: Services, row: PrivacyRequest) -> PrivacyEvent | None:
    try:
        return event_of(services, row)
    except InvalidToken:
        log("privacy").error("request_unreadable", request=row.id)
        return None


def _waiting(session: Session, shop_id: int, number: int) -> PrivacyRequest:
    row = session.get(PrivacyRequest, number, with_for_update=True)
    if row is None or row.shop_id != shop_id or row.state != REQUEST_WAITING:
        raise NotWaiting
    return row


def _note(services: Services, session: Session, row: PrivacyRequest, by: User, what: str) -> None:
    about = f"request {row.id}: {row.kind.replace('_', ' ')}"
    audit.record(
        session, shop_id=row.shop_id, at=services.now(), user_id=by.id, actor=by.display_name, action=what, detail=about
    )
