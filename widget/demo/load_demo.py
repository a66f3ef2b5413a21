"""Generate sample traffic for the demo store: visits, answers, orders, and emails."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from widget.actions.errors import ActionError
from widget.actions.privacy.purge_expired import MONTH
from widget.demo.set_up_demo import SHOP
from widget.demo.shoppers import Bought, Visit, visits
from widget.domain.catalog.product import Product
from widget.domain.content.pack import PRODUCTS
from widget.domain.orders.attribution import day_of, quiz_had_part
from widget.domain.orders.order import OrderLine
from widget.quiz_registry import LoadedQuiz
from widget.recorder import DailyEventKey, counted_row
from widget.services import Services
from widget.storage.contacts import GRANTED, MARKETING, WITHDRAWN, Consent, Contact
from widget.storage.content import live_quizzes
from widget.storage.daily_metrics import BOUGHT, EMAIL_CLICKED, DailyMetricKey, add_daily_metrics, daily_metrics_of
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.responses import add_daily_events, add_responses
from widget.storage.shops import shop_by_slug

PREFIX = "sample-"
DAYS, VISITS = 60, 30_000
BATCH = 2_000
EMAILS = (("how-to-use", 5), ("check-in", 7), ("review", 18), ("replenish", 27))
"""(email, days after the order); emails that the pack does not have are skipped."""
CLICKED = {"how-to-use": 24, "review": 7, "replenish": 13}
"""Percentage of recipients who follow the email's link; answers to the check-in do not count as clicks."""
STOPPED = (6, 8, 8, 19)
"""Days after the order on which some contacts withdraw their consent."""
Progress = Callable[[int, int], None] | None


class CannotLoad(ActionError):
    code = "cannot_load"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Number of rows generated. ``responses``: only those within the retention period."""

    run: int
    visits: int
    completed: int
    responses: int
    orders: int
    emails: int


def load_demo(
    services: Services, *, days: int = DAYS, number: int = VISITS, again: bool = False, progress: Progress = None
) -> Loaded | None:
    """Generate about ``number`` visits over the last ``days`` days; return None if done before, unless ``again``.

    Daily metrics and orders cover all of these days, single responses only their retention period. Raises CannotLoad.
    """
    if not services.settings.local:
        raise CannotLoad("sample traffic can be loaded only in local mode")
    with services.reads() as session:
        shop = shop_by_slug(session, SHOP)
        quizzes = live_quizzes(session, shop.id) if shop else []
        run = _runs(session, shop.id) if shop else 0
    loaded = services.quizzes.live(SHOP, quizzes[0]) if quizzes else None
    if loaded is None:
        raise CannotLoad("there is no demo shop yet: run 'recovery-quiz run' first")
    if run and not again:
        return None
    loading = _Loading(services, loaded, run + 1)
    for at, visit in enumerate(visits(loaded.engine, now=services.now(), days=days, number=number, seed=f"leg-{run}")):
        loading.take(visit)
        if at % BATCH == BATCH - 1:
            loading.store()
            if progress:
                progress(at, number)
    loading.store()
    return Loaded(run + 1, **loading.made)


def _runs(session: Session, shop_id: int) -> int:
    """Return the number of earlier runs: each run starts by adding a marker contact."""
    made = select(func.count()).where(Contact.shop_id == shop_id, Contact.address_hash.like(f"{PREFIX}%-begin"))
    return int(session.scalar(made) or 0)


class _Loading:
    """A collector that turns visits into rows and stores them in batches."""

    def __init__(self, services: Services, loaded: LoadedQuiz, run: int) -> None:
        self.services, self.loaded, self.now = services, loaded, services.now()
        self.prefix = f"{PREFIX}{run}-"
        self.products = {product.sku: product for product in loaded.engine.catalog.products}
        self.emails = {email.id: email for email in loaded.engine.rules.pack.emails}
        self.made = dict.fromkeys(("visits", "completed", "responses", "orders", "emails"), 0)
        self._clear()
        self.users.append(self._contact("begin", self.now))

    def _clear(self) -> None:
        self.responses: list[dict[str, Any]] = []
        self.daily_metrics: Counter[DailyMetricKey] = Counter()
        self.counts: Counter[DailyEventKey] = Counter()
        self.users: list[dict[str, Any]] = []
        self.orders: list[tuple[dict[str, Any], int]] = []

    def take(self, visit: Visit) -> None:
        self.made["visits"] += 1
        self._count(visit)
        if visit.answers is None:
            return
        self.made["completed"] += 1
        row = self._response(visit)
        self.daily_metrics.update(daily_metrics_of([row]))
        if self.now - visit.at < MONTH:
            self.made["responses"] += 1
            self.responses.append(row)
        if visit.bought:
            self._order(visit, visit.bought)

    def _count(self, visit: Visit) -> None:
        lines = [("seen", "", "")]
        if visit.started:
            lines.append(("started", "", ""))
        lines += [("answered", question, "") for question in visit.answered]
        if visit.answers is not None:
            lines.append(("completed", "", ""))
        for event, skus in (("product_clicked", visit.clicked), ("added_to_cart", visit.added)):
            lines += [(event, "", sku) for sku in ("", *skus) if skus]
        day, version = visit.at.date(), self.loaded.version
        for event, question, sku in lines:
            key = (self.loaded.shop.id, self.loaded.quiz, day, event, question, sku, version, visit.locale)
            self.counts[key] += 1

    def _response(self, visit: Visit) -> dict[str, Any]:
        return {
            "shop_id": self.loaded.shop.id,
            "quiz": self.loaded.quiz,
            "version": self.loaded.version,
            "visit": f"{self.prefix}{self.made['completed']}",
            "answers": visit.answers,
            "outcome": visit.outcome,
            "products": visit.products,
            "locale": visit.locale,
            "created_at": visit.at,
        }

    def _order(self, visit: Visit, bought: Bought) -> None:
        direct = quiz_had_part(visit.at, bought.at, shown=visit.products, bought=bought.skus)
        if direct is None:
            return
        self.made["orders"] += 1
        number = self.made["orders"]
        goods = [(self.products[sku], many) for sku, many in bought.skus.items()]
        self.users.append(self._contact(str(number), visit.at, visit.locale))
        row = self._order_row(number, visit, bought, goods)
        row |= {"completed_at": day_of(visit.at), "direct": direct, "quiz": self.loaded.quiz}
        row |= {"quiz_version": self.loaded.version, "quiz_locale": visit.locale}
        self.orders.append((row, len(self.users) - 1))
        key = DailyMetricKey(
            self.loaded.shop.id, self.loaded.quiz, BOUGHT, bought.at.date(), self.loaded.version, visit.locale, ""
        )
        self.daily_metrics.update(key._replace(name=sku) for sku in bought.skus)

    def _order_row(self, number: int, visit: Visit, bought: Bought, goods: list[tuple[Product, int]]) -> dict[str, Any]:
        def past(days: float) -> datetime | None:
            moment = bought.at + timedelta(days=days)
            return moment if moment < self.now and bought.cancelled_at is None else None

        lines = [
            OrderLine(str(at), product.sku, "", "", product.name, many, product.price)
            for at, (product, many) in enumerate(goods, 1)
        ]
        return {
            "shop_id": self.loaded.shop.id,
            "external_id": f"{self.prefix}{number}",
            "number": f"S{self.prefix.removeprefix(PREFIX)}{number:04}",
            "locale": visit.locale,
            "currency": next((product.currency for product, _ in goods if product.currency), "USD"),
            "total": sum((product.price or 0) * many for product, many in goods),
            "accepts_marketing": True,
            "test": False,
            "eligible": visit.outcome == PRODUCTS and bool(visit.products),
            "attributed": True,
            "lines": [asdict(line) for line in lines],
            "placed_at": bought.at,
            "paid_at": past(0),
            "fulfilled_at": past(1),
            "delivered_at": past(4),
            "cancelled_at": bought.cancelled_at,
            "refunded_at": bought.refunded_at,
            "updated_at": bought.at,
        }

    def _contact(self, name: str, at: datetime, locale: str = "en") -> dict[str, Any]:
        """Return a contact row without an address, so that no email can ever be sent to it."""
        hashed = f"{self.prefix}{name}"
        return {
            "shop_id": self.loaded.shop.id,
            "address_hash": hashed,
            "email": "",
            "locale": locale,
            "confirmed_at": at,
            "created_at": at,
        }

    def store(self) -> None:
        """Store the collected rows in one transaction."""
        with self.services.sessions.begin() as session:
            if self.responses:
                add_responses(session, self.responses)
            add_daily_metrics(session, self.daily_metrics)
            add_daily_events(session, [counted_row(key, n) for key, n in sorted(self.counts.items())])
            if self.users:
                self._store_people(session)
        self._clear()

    def _store_people(self, session: Session) -> None:
        made = insert(Contact).returning(Contact.id, sort_by_parameter_order=True)
        ids = list(session.scalars(made, self.users))
        if not self.orders:
            return
        rows = [{**row, "contact_id": ids[at]} for row, at in self.orders]
        order_ids = list(session.scalars(insert(Order).returning(Order.id, sort_by_parameter_order=True), rows))
        emails = [
            email
            for row, order_id in zip(rows, order_ids, strict=True)
            if row["cancelled_at"] is None
            for email in self._emails(row, order_id)
        ]
        if emails:
            session.execute(insert(Email), emails)
            add_daily_metrics(session, self._clicks(emails))
        self.made["emails"] += len(emails)
        session.execute(insert(Consent), list(self._consents(rows)))

    def _emails(self, order: dict[str, Any], order_id: int) -> Iterable[dict[str, Any]]:
        for name, days in EMAILS:
            sent_at = order["placed_at"] + timedelta(days=days)
            known = self.emails.get(name)
            # Some contacts have unsubscribed by then: the later the email, the more of them.
            if known and sent_at < self.now and (order_id * 7 + days) % 40 > days:
                state = "bounced" if (order_id + days) % 83 == 0 else "sent" if order_id % 29 == 0 else "delivered"
                yield {
                    "shop_id": order["shop_id"],
                    "contact_id": order["contact_id"],
                    "order_id": order_id,
                    "trigger_kind": "order",
                    "trigger_id": order["external_id"],
                    "quiz": self.loaded.quiz,
                    "version": self.loaded.version,
                    "sequence": "after-purchase",
                    "step": name,
                    "template": name,
                    "kind": "marketing",
                    "locale": order["locale"],
                    "state": state,
                    "reason": "sample",
                    "due_at": sent_at,
                    "valid_until": sent_at + timedelta(days=5),
                    "changed_at": sent_at,
                    "sent_at": sent_at,
                    "attempts": 1,
                    "message_id": "",
                    "answer": "better" if name == "check-in" and order_id % 3 else "",
                    "history": [{"at": sent_at.isoformat(), "state": state, "reason": "sample"}],
                }

    def _clicks(self, emails: list[dict[str, Any]]) -> Counter[DailyMetricKey]:
        """Return clicks as daily metrics: most on the day the email was sent, some on the next."""
        found: Counter[DailyMetricKey] = Counter()
        for row in emails:
            drawn = zlib.crc32(f"{row['trigger_id']} {row['template']}".encode()) % 1000
            day = (row["sent_at"] + timedelta(days=drawn % 4 // 3)).date()
            if row["state"] != "bounced" and drawn < 10 * CLICKED.get(row["template"], 0) and day <= self.now.date():
                where = (row["shop_id"], row["quiz"], EMAIL_CLICKED, day, row["version"], row["locale"])
                found[DailyMetricKey(*where, row["template"])] += 1
        return found

    def _consents(self, orders: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        for row in orders:
            data = {"shop_id": row["shop_id"], "contact_id": row["contact_id"], "kind": MARKETING}
            data |= {"text_version": "1", "source": "sample"}
            yield {**data, "state": GRANTED, "at": row["placed_at"]}
            stopped = row["placed_at"] + timedelta(days=STOPPED[row["contact_id"] // 31 % len(STOPPED)])
            if row["contact_id"] % 31 == 0 and stopped < self.now:
                yield {**data, "state": WITHDRAWN, "at": stopped}
