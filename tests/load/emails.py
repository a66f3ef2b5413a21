"""Emails in bulk: planning many for a shop, and an SMTP sink that counts the messages it accepts."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text

from widget.domain.email.sequence import PLANNED
from widget.services import Services
from widget.storage.contacts import Contact
from widget.storage.content import live_quizzes
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.shops import shop_by_slug

CHUNK = 2000


class Sink:
    """A mail server on loopback that counts the Message-IDs it accepts and refuses a share ``refuse`` of messages.

    ``keep``: how many accepted messages to store. Written on plain sockets, since it is the remote end in measurements
    and must not dominate them.
    """

    def __init__(self, *, refuse: float = 0.0, seed: int = 5, keep: int = 0) -> None:
        self.taken: Counter[str] = Counter()
        self.kept: list[bytes] = []
        self.refuse, self.keep = refuse, keep
        self._dice = random.Random(seed)  # Chooses the messages to refuse; not security-relevant.
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20))
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 sink\r\n")
            while line := await reader.readline():
                word = line[:4].upper()
                if word == b"EHLO":
                    writer.write(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif word == b"DATA":
                    writer.write(b"354 go on\r\n")
                    self._take(await reader.readuntil(b"\r\n.\r\n"), writer)
                elif word == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 OK\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _take(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        if self._dice.random() < self.refuse:
            writer.write(b"451 4.3.0 try later\r\n")
            return
        start = body.lower().find(b"message-id:")
        self.taken[body[start : body.index(b"\r\n", start)].partition(b":")[2].strip().decode()] += 1
        if len(self.kept) < self.keep:
            self.kept.append(body)
        writer.write(b"250 OK\r\n")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._server.close()


@contextmanager
def sink(**options: Any) -> Iterator[Sink]:
    made = Sink(**options)
    try:
        yield made
    finally:
        made.close()


def plan_emails(services: Services, many: int, *, due: bool = True, shop: str = "demo", first: int = 0) -> None:
    """Plan ``many`` how-to emails, each for an order of a different contact.

    They were due five minutes ago if ``due`` is set, otherwise they are due in 30 days. ``first``: the number of the
    first contact and order.
    """
    now = datetime.now(UTC)
    at = now - timedelta(minutes=5) if due else now + timedelta(days=30)
    with services.reads() as session:
        owner = shop_by_slug(session, shop)
        assert owner is not None
        loaded = services.quizzes.live(shop, live_quizzes(session, owner.id)[0])
        assert loaded is not None
    for start in range(first, first + many, CHUNK):
        numbers = range(start, min(start + CHUNK, first + many))
        with services.sessions.begin() as session:
            session.execute(insert(Contact), [_contact(owner.id, number, now) for number in numbers])
            mine = select(Contact.address_hash, Contact.id).where(Contact.shop_id == owner.id)
            known = dict(session.execute(mine.where(Contact.address_hash.in_([f"h{item}" for item in numbers]))).all())
            session.execute(insert(Order), [_order(owner.id, number, known[f"h{number}"], now) for number in numbers])
            mine = select(Order.external_id, Order.id).where(Order.shop_id == owner.id)
            orders = dict(session.execute(mine.where(Order.external_id.in_([f"o{item}" for item in numbers]))).all())
            rows = [
                {
                    "shop_id": owner.id,
                    "contact_id": known[f"h{number}"],
                    "order_id": orders[f"o{number}"],
                    "trigger_kind": "order",
                    "trigger_id": f"o{number}",
                    "quiz": loaded.quiz,
                    "version": loaded.version,
                    "sequence": "after-purchase",
                    "step": "how-to-use",
                    "template": "how-to-use",
                    "kind": "marketing",
                    "state": PLANNED,
                    "due_at": at,
                    "valid_until": at + timedelta(days=30),
                    "changed_at": now,
                    "locale": "en",
                    "history": [],
                }
                for number in numbers
            ]
            session.execute(insert(Email), rows)


def plan_waiting(services: Services, many: int) -> None:
    """Plan ``many`` emails due in 30 days, as copies of one email that the database makes itself."""
    names = [column.name for column in Email.__table__.columns if column.name not in ("id", "trigger_id", "due_at")]
    later = datetime.now(UTC) + timedelta(days=30)
    copied = ", ".join(names)
    statement = text(
        f"INSERT INTO emails (trigger_id, due_at, {copied}) "  # Only names of our own columns are interpolated.
        f"SELECT 'later-' || number, :later, {copied.replace('state', chr(39) + PLANNED + chr(39), 1)} "
        "FROM (SELECT * FROM emails ORDER BY id LIMIT 1) AS one, generate_series(1, :many) AS number"
    )
    with services.sessions.begin() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))  # A million rows take longer than any request may.
        session.execute(statement, {"later": later, "many": many})
        session.execute(text("ANALYZE emails"))


def _contact(shop_id: int, number: int, now: datetime) -> dict[str, Any]:
    email = f"person{number}@shop.example"
    return {"shop_id": shop_id, "address_hash": f"h{number}", "email": email, "locale": "en", "created_at": now}


def _order(shop_id: int, number: int, contact_id: int, now: datetime) -> dict[str, Any]:
    return {
        "shop_id": shop_id,
        "external_id": f"o{number}",
        "number": str(number),
        "contact_id": contact_id,
        "locale": "en",
        "accepts_marketing": True,
        "lines": [{"line_id": "1", "sku": "ROLL-75", "quantity": 1, "title": "Roll-on"}],
        "placed_at": now - timedelta(days=6),
        "updated_at": now,
    }


def raw_speed(url_port: int, body: bytes, many: int) -> float:
    """Return the messages per second that smtplib alone sends on one connection, with the same bytes."""
    with smtplib.SMTP("127.0.0.1", url_port) as line:
        line.ehlo()
        started = time.perf_counter()
        for _ in range(many):
            line.sendmail("hello@shop.example", ["person@shop.example"], body)
        return many / (time.perf_counter() - started)


def _serve(pipe: Any, options: dict[str, Any]) -> None:
    loaded = Sink(**options)
    pipe.send(loaded.port)
    while pipe.recv() != "end":
        pipe.send((dict(loaded.taken), loaded.kept))
    loaded.close()


class SinkProcess:
    """A sink in its own process, so that it takes no time from the code being measured."""

    def __init__(self, **options: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, options), daemon=True)
        self._process.start()
        self.port = int(self._pipe.recv())

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def taken(self) -> tuple[Counter[str], list[bytes]]:
        """Return (how often each Message-ID was accepted, the first accepted messages)."""
        self._pipe.send("tell")
        taken, kept = self._pipe.recv()
        return Counter(taken), kept

    def close(self) -> None:
        self._pipe.send("end")
        self._process.join(10)
