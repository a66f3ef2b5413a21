"""Revenue by direct and assisted attribution, net of refunds, by currency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from widget.i18n.money import money_text
from widget.storage.figures import Ordered


@dataclass(frozen=True, slots=True)
class AttributedRevenue:
    """Revenue by one kind of attribution, in minor units. ``net`` is ``total`` less ``refunded``."""

    orders: int
    total: int
    refunded: int

    @property
    def net(self) -> int:
        return self.total - self.refunded


@dataclass(frozen=True, slots=True)
class Money:
    """Both attributions in one currency, with the numbers of people that they are compared with."""

    currency: str
    direct: AttributedRevenue
    assisted: AttributedRevenue
    completed: int
    seen: int

    def text(self, amount: int) -> str:
        """Format an amount, from 100 units up without cents, which are irrelevant there."""
        message = money_text(amount, self.currency, "en")
        return message.partition(".")[0] if abs(amount) >= 10_000 and message[-3:-2] == "." else message

    @property
    def each(self) -> list[tuple[str, str, str]]:
        """Net revenue per order, completed quiz, and visitor, as (label, direct, assisted)."""
        rows = (
            ("order", self.direct.orders, self.assisted.orders),
            ("completed quiz", self.completed, self.completed),
            ("visitor who saw it", self.seen, self.seen),
        )
        return [(name, self._each(self.direct, a), self._each(self.assisted, b)) for name, a, b in rows]

    def _each(self, count: AttributedRevenue, of: int) -> str:
        return self.text(round(count.net / of)) if of else "–"


def money_of(orders: Iterable[Ordered], *, completed: int, seen: int) -> list[Money]:
    """Return the revenue by currency, the one with the most orders first."""
    by_currency: dict[str, list[Ordered]] = {}
    for row in orders:
        by_currency.setdefault(row.currency or "USD", []).append(row)
    found = [
        Money(currency, _count(row for row in rows if row.direct), _count(rows), completed, seen)
        for currency, rows in by_currency.items()
    ]
    return sorted(found, key=lambda item: (-item.assisted.orders, item.currency))


def _count(rows: Iterable[Ordered]) -> AttributedRevenue:
    listed = list(rows)
    return AttributedRevenue(
        sum(row.number for row in listed),
        sum(row.total for row in listed),
        sum(row.total if row.gone else row.refunded for row in listed),
    )
