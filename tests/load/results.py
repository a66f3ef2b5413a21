"""Response times of console pages: the results page with a million responses, and large mapping tables.

Daily metrics, event counts, and orders are inserted directly.
"""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from tests.support.console import signed_in
from tests.support.packs import leg_day_files, publish_files
from tests.support.services import settings_for
from widget.actions.shops.add_shop import add_shop
from widget.email.transport import MemoryTransport
from widget.recorder import counted_row
from widget.services import Services, build_services
from widget.storage.daily_metrics import (
    ANSWER,
    ANSWERED,
    BOUGHT,
    COMPLETED,
    ENDED,
    OUTCOME,
    SHOWN,
    DailyMetricKey,
    add_daily_metrics,
)
from widget.storage.migrate import upgrade
from widget.storage.orders import Order
from widget.storage.responses import add_daily_events

RESPONSES, DAYS, VERSIONS, LOCALES = 1_000_000, 60, (1, 2, 3), ("en", "es", "ar")
ORDERS = 60_000
PAGE = "/console/shops/demo/quizzes/leg-day/results"
TABLE = "/console/shops/demo/quizzes/leg-day/mappings"
ROUNDS = 15


def first_byte(folder: Path) -> tuple[float, int]:
    """Return (median milliseconds, size in bytes) of the results page, on SQLite and in this process."""
    settings = settings_for(folder, f"sqlite:///{folder / 'results.db'}")
    settings.home.mkdir(parents=True, exist_ok=True)
    services = build_services(settings, transport=MemoryTransport())
    try:
        upgrade(services.database)
        add_shop(services, "demo", name="Stride & Salve", postal_address="12 Example Lane", cart={"kind": "event"})
        publish_files(services, leg_day_files())
        _fill(services)
        client = signed_in(services, "owner")
        size = len(client.get(PAGE).data)
        return statistics.median(_took(client) for _ in range(ROUNDS)), size
    finally:
        services.close()


def table_first_byte(folder: Path, rows: int) -> tuple[float, int]:
    """Return (median milliseconds, size in bytes) of the mapping table with this many rows."""
    settings = settings_for(folder, f"sqlite:///{folder / f'table-{rows}.db'}")
    settings.home.mkdir(parents=True, exist_ok=True)
    services = build_services(settings, transport=MemoryTransport())
    files = leg_day_files()
    lines = files["mappings.csv"].splitlines()
    more = [f"more-{at}-{lines[1 + at % (len(lines) - 1)]}" for at in range(rows - len(lines) + 1)]
    try:
        upgrade(services.database)
        add_shop(services, "demo", name="Stride & Salve", postal_address="12 Example Lane", cart={"kind": "event"})
        publish_files(services, {**files, "mappings.csv": "\n".join([*lines, *more]) + "\n"})
        client = signed_in(services, "owner")
        size = len(client.get(TABLE).data)
        return statistics.median(_took(client, TABLE) for _ in range(ROUNDS)), size
    finally:
        services.close()


def _took(client, page: str = PAGE) -> float:  # type: ignore[no-untyped-def]
    started = time.perf_counter()
    client.get(page)
    return (time.perf_counter() - started) * 1000


def _fill(services: Services) -> None:
    loaded = services.quizzes.live("demo", "leg-day")
    assert loaded is not None
    pack, shop_id = loaded.engine.rules.pack, loaded.shop.id
    today = services.now().date()
    each = RESPONSES // (DAYS * len(VERSIONS) * len(LOCALES))
    lines = [(COMPLETED, ""), *((OUTCOME, name) for name in ("products", "tips_only", "see_doctor", "emergency"))]
    lines += [(what, product.sku) for product in pack.products for what in (SHOWN, BOUGHT)]
    for question in pack.quiz.questions:
        lines += [(ANSWERED, question.id), (ENDED, question.id)]
        lines += [(ANSWER, f"{question.id}={option}") for option in question.option_ids]
    events = [(name, "", "") for name in ("seen", "started", "completed", "product_clicked", "added_to_cart")]
    events += [("answered", question.id, "") for question in pack.quiz.questions]
    events += [(name, "", product.sku) for product in pack.products for name in ("product_clicked", "added_to_cart")]
    for back in range(DAYS):
        day = today - timedelta(days=back)
        splits = [(version, locale) for version in VERSIONS for locale in LOCALES]
        daily_metrics = {
            DailyMetricKey(shop_id, "leg-day", w, day, v, o, name): each for v, o in splits for w, name in lines
        }
        counts = [counted_row((shop_id, "leg-day", day, *event, v, o), each) for v, o in splits for event in events]
        with services.sessions.begin() as session:
            add_daily_metrics(session, daily_metrics)
            add_daily_events(session, counts)
    with services.sessions.begin() as session:
        session.execute(insert(Order), [_order(shop_id, at, services.now()) for at in range(ORDERS)])


def _order(shop_id: int, at: int, now: datetime) -> dict[str, object]:
    placed = now.astimezone(UTC) - timedelta(days=DAYS * at / ORDERS)
    return {
        "shop_id": shop_id,
        "external_id": str(at),
        "currency": "USD",
        "total": 2400,
        "attributed": True,
        "lines": [{"sku": "CREAM-60", "quantity": 1, "price": 2400, "title": "Trail Cream", "line_id": "1"}],
        "placed_at": placed,
        "updated_at": placed,
        "completed_at": placed,
        "quiz": "leg-day",
        "quiz_version": VERSIONS[at % 3],
        "quiz_locale": LOCALES[at % 3],
        "direct": bool(at % 3),
    }
