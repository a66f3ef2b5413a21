"""The frequency cap: one number in the pack, shown in every consent text and enforced by the send policy."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.support.database import rows
from tests.support.deliveries import connected, shopify, shopify_order
from tests.support.packs import GOOD, LEG_DAY, ROOT, leg_day_files, publish_files
from tests.support.services import client_of
from widget.actions.emails.send_email import send_due_emails
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.crypto import CONFIRM, PREFERENCES
from widget.email.transport import MemoryTransport
from widget.services import Services
from widget.storage.contacts import Consent, Contact
from widget.storage.emails import Email


def with_cap(services: Services, number: int) -> None:
    files = leg_day_files()
    publish_files(services, {**files, "pack.yaml": f"emails_per_month: {number}\n{files['pack.yaml']}"})


def played(services: Services, days: int, step: int = 1) -> list[float]:
    """Send due emails for a number of days; return when each marketing email was sent, in days."""
    start = services.now()
    for _ in range(0, days, step):
        services.clock.move_to(services.now() + timedelta(days=step))
        send_due_emails(services)
    sent = [row.sent_at for row in rows(services, Email) if row.sent_at is not None and row.kind == "marketing"]
    return sorted((at - start).total_seconds() / 86400 for at in sent)


def bought(services: Services, orders: int = 3) -> None:
    connected(services)
    for number in range(1, orders + 1):
        shopify(services, "orders/create", shopify_order(number))
    process_webhooks(services)


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_no_thirty_day_window_exceeds_the_frequency_cap(services: Services, cap: int) -> None:
    with_cap(services, cap)
    bought(services)
    went = played(services, 60)

    assert went
    for first in went:
        assert sum(first <= at < first + 30 for at in went) <= cap


def test_email_held_back_by_the_frequency_cap_expires_with_a_reason(services: Services) -> None:
    files = leg_day_files()
    name = "emails/sequences.yaml"
    publish_files(services, {**files, name: files[name].replace("valid_days: 21", "valid_days: 10")})
    bought(services, orders=1)
    played(services, 45)
    states = {row.step: (row.state, row.reason) for row in rows(services, Email)}

    assert (states["how-to-use"][0], states["check-in"][0]) == ("sent", "sent")
    assert states["review"] == ("expired", "frequency_cap")


def test_frequency_cap_promised_at_consent_outlasts_a_higher_cap(services: Services) -> None:
    with_cap(services, 1)
    client = client_of(services)
    code = client.post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": GOOD}).json["result"]["code"]
    body = {"email": "buyer@shop.example", "consents": {"result": True, "marketing": True}, "text_version": "1"}
    assert client.post(f"/v1/shops/demo/quizzes/leg-day/results/{code}/emails", json=body).status_code == 202
    contact = rows(services, Contact)[0].id
    client.post(f"/c/{services.crypto.token(CONFIRM, contact)}")
    with_cap(services, 9)
    bought(services)

    assert {row.emails_per_month for row in rows(services, Consent) if row.kind == "marketing"} >= {1}
    went = played(services, 29)
    assert len(went) == 1


def test_consent_texts_show_the_frequency_cap_of_the_pack(sqlite_services: Services) -> None:
    services = sqlite_services
    with_cap(services, 7)
    client = client_of(services)
    made = client.post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": GOOD}).json["result"]
    assert made["emails_per_month"] == 7
    body = {"email": "a@shop.example", "consents": {"result": True, "marketing": True}, "text_version": "1"}
    client.post(f"/v1/shops/demo/quizzes/leg-day/results/{made['code']}/emails", json=body)
    with services.reads() as session:
        contact = session.scalars(select(Contact.id)).one()
    for locale in ("en", "es", "ar"):
        with services.sessions.begin() as session:
            session.get_one(Contact, contact).locale = locale
        pages = [
            client.get(f"/demo/r/{made['code']}?locale={locale}").text,
            client.get(f"/c/{services.crypto.token(CONFIRM, contact)}").text,
            client.get(f"/p/{services.crypto.token(PREFERENCES, contact)}").text,
        ]
        for page in pages:
            assert re.search(r"\b7\b[^<]{0,20}30", page), (locale, page[:200])


CAP_AS_TEXT = re.compile(r"\b(two|2) (emails )?a month|dos (cartas|correos)|رسالتان|رسالتين", re.IGNORECASE)


def test_interface_strings_and_shipped_emails_hard_code_no_frequency_cap() -> None:
    texts = [*(ROOT / "widget" / "i18n" / "locales").glob("*.yaml"), *(LEG_DAY / "locales").glob("*.yaml")]
    for path in [*texts, *(LEG_DAY / "emails").rglob("*.md")]:
        assert not CAP_AS_TEXT.search(path.read_text(encoding="utf-8")), path


def test_requested_result_email_ignores_the_frequency_cap(services: Services) -> None:
    """A result email that a shopper has just requested is not marketing."""
    from tests.support.shoppers import ask

    bought(services, orders=1)
    played(services, 10)
    assert isinstance(services.transport, MemoryTransport)
    services.transport.sent.clear()
    ask(services)
    send_due_emails(services)

    assert services.transport.sent


def test_shipped_sequence_sends_every_email_within_the_frequency_cap(services: Services) -> None:
    bought(services, orders=1)
    went = played(services, 90)

    assert len(went) == 4
    assert {row.state for row in rows(services, Email)} == {"sent"}
    assert all(sum(first <= at < first + 30 for at in went) <= 2 for first in went)
