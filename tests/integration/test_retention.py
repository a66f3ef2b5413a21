"""Data retention: every table has a rule, the purge enforces it, and an erased address remains in no file."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text

from tests.load.emails import plan_emails
from tests.support.console_forms import client_in
from tests.support.deliveries import BUYER, connected, shopify, shopify_order
from tests.support.orders import EMAIL
from tests.support.packs import ROOT
from tests.support.services import client_of
from tests.support.shoppers import ask
from widget.actions.accounts.add_user import change_member
from widget.actions.accounts.invite_user import invite_user
from widget.actions.emails.send_email import send_due_emails
from widget.actions.emails.send_outbox import send_outbox
from widget.actions.privacy.change_consent import confirm_consent, erase
from widget.actions.privacy.purge_expired import RETENTION, purge_expired
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.crypto import CONFIRM, PREFERENCES
from widget.services import Services
from widget.storage.contacts import Contact, Suppression
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.tables import TABLES
from widget.storage.users import user_by_email

YEARS = timedelta(days=3 * 366)


def everything(services: Services) -> dict[str, str]:
    """Return all rows of each table as text."""
    found = {}
    with services.reads() as session:
        for table in TABLES:
            rows = session.execute(text(f"SELECT * FROM {table.__tablename__}")).all()
            found[table.__tablename__] = "\n".join(map(str, rows))
    return found


def count(services: Services, table: Any) -> int:
    with services.reads() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_every_table_has_a_retention_rule_that_matches_the_readme() -> None:
    assert set(RETENTION) == {table.__tablename__ for table in TABLES}
    readme = (ROOT / "README.md").read_text()
    stated = dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \|$", readme, re.MULTILINE))
    assert {name: stated.get(name) for name in RETENTION} == RETENTION


def test_purge_leaves_no_personal_data_after_three_years(services: Services) -> None:
    """Covers a buyer, a shopper who confirmed, an invited user who never signed in, and a removed user."""
    connected(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    ask(services, health_data=True)
    owner, _ = client_in(services), client_in(services, "editor", email="left@team.example")
    with services.reads() as session:
        by, gone = user_by_email(session, "owner@demo.example"), user_by_email(session, "left@team.example")
        contact = session.scalars(select(Contact).where(Contact.email == EMAIL)).one()
    assert by is not None
    assert gone is not None
    confirm_consent(services, CONFIRM, services.crypto.token(CONFIRM, contact.id))
    invite_user(services, shop="demo", email="never@team.example", role="viewer", name="", by=by)
    change_member(services, shop="demo", user_id=gone.id, role=None, by=by)
    send_due_emails(services)
    send_outbox(services)
    before = "\n".join(everything(services).values())
    assert all(address in before for address in (BUYER, EMAIL, "left@team.example"))
    for _ in range(10):
        services.clock.move_to(services.now() + YEARS / 10)
        send_due_emails(services)
        purge_expired(services)
    after = everything(services)

    for address in (BUYER, EMAIL, "left@team.example"):
        holds = [name for name, rows in after.items() if address in rows and name != "audit_log"]
        assert holds == []
    for name in (
        "responses",
        "webhook_deliveries",
        "emails",
        "orders",
        "contacts",
        "consents",
        "outbox",
        "sessions",
        "invitations",
    ):
        assert after[name] == "", name
    assert owner.get("/console/account").status_code == 303


def test_unconfirmed_contact_is_purged_after_a_month(services: Services) -> None:
    ask(services)
    send_due_emails(services)
    services.clock.move_to(services.now() + timedelta(days=20))
    purge_expired(services)
    assert count(services, Contact) == 1
    services.clock.move_to(services.now() + timedelta(days=20))
    send_due_emails(services)
    services.clock.move_to(services.now() + timedelta(days=31))
    purge_expired(services)

    assert (count(services, Contact), count(services, Email)) == (0, 0)


def test_each_idle_contact_is_looked_at_within_a_day(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """With many contacts, each hour looks at one in 24 of them."""
    monkeypatch.setattr("widget.actions.privacy.purge_expired.ALL_AT_ONCE", 10)
    plan_emails(services, 60)
    with services.sessions.begin() as session:
        session.execute(delete(Email))
        session.execute(delete(Order))
    services.clock.move_to(services.now() + timedelta(days=31))
    purge_expired(services)
    assert 0 < count(services, Contact) < 60

    for _ in range(24):
        services.clock.move_to(services.now() + timedelta(hours=1))
        purge_expired(services)
    assert count(services, Contact) == 0


def test_result_code_of_an_email_is_purged_after_a_month(services: Services) -> None:
    ask(services, health_data=True)
    send_due_emails(services)
    services.clock.move_to(services.now() + timedelta(days=31))
    send_due_emails(services)
    services.clock.move_to(services.now() + timedelta(days=31))
    purge_expired(services)
    with services.reads() as session:
        assert set(session.scalars(select(Email.result_code))) <= {""}


def in_files(services: Services, address: str) -> list[str]:
    """Return the names of the files in the database's folder that contain an address."""
    folder = Path(services.database.url.database or "").parent
    return [path.name for path in folder.rglob("*") if path.is_file() and address.encode() in path.read_bytes()]


def test_erased_address_is_in_no_sqlite_file(sqlite_services: Services) -> None:
    services = sqlite_services
    ask(services, health_data=True)
    assert in_files(services, EMAIL)
    with services.reads() as session:
        contact = session.scalars(select(Contact)).one()
    erase(services, PREFERENCES, services.crypto.token(PREFERENCES, contact.id))

    assert in_files(services, EMAIL) == []


# Delete my data ----------------------------------------------------------------------------------------


@pytest.fixture
def asked(services: Services) -> str:
    """Return the preference page of a person who requested a result."""
    ask(services, marketing=True)
    send_due_emails(services)
    with services.reads() as session:
        return f"/p/{services.crypto.token(PREFERENCES, session.scalars(select(Contact.id)).one())}"


def test_deleting_my_data_asks_for_confirmation_and_can_be_canceled(services: Services, asked: str) -> None:
    client = client_of(services)
    page = client.post(asked, data={"do": "erase"})
    assert page.status_code == 200
    assert "cannot be undone" in page.text
    assert [EMAIL in rows for name, rows in everything(services).items() if name == "contacts"] == [True]
    assert client.post(asked, data={"do": "keep"}).status_code == 200
    assert client.post(asked, data={"do": "erase-now"}).status_code == 200

    assert [name for name, rows in everything(services).items() if EMAIL in rows] == []
    assert client.get(asked).status_code == 404


def test_result_can_be_requested_again_after_deleting_my_data(services: Services, asked: str) -> None:
    from widget.email.transport import MemoryTransport

    client_of(services).post(asked, data={"do": "erase-now"})
    assert isinstance(services.transport, MemoryTransport)
    services.transport.sent.clear()
    ask(services, marketing=True)
    send_due_emails(services)
    with services.reads() as session:
        contact = session.scalars(select(Contact)).one()
        assert [row.reason for row in session.scalars(select(Suppression))] == ["erased"]

    # The requested result and the request to confirm.
    assert {recipient for recipient, _ in services.transport.sent} == {EMAIL}
    confirm_consent(services, CONFIRM, services.crypto.token(CONFIRM, contact.id))
    assert count(services, Suppression) == 0


def test_order_webhook_after_deleting_my_data_stores_no_contact(services: Services, asked: str) -> None:
    client_of(services).post(asked, data={"do": "erase-now"})
    connected(services)
    shopify(services, "orders/create", shopify_order(email=EMAIL))
    process_webhooks(services)
    services.clock.move_to(services.now() + timedelta(days=10))
    send_due_emails(services)

    assert [row for row in everything(services)["contacts"].split("\n") if EMAIL in row] == []


def test_link_in_an_old_email_never_opens_another_contacts_page(services: Services) -> None:
    """The ID of a purged contact is never reused."""
    ask(services)
    with services.reads() as session:
        old = services.crypto.token(PREFERENCES, session.scalars(select(Contact.id)).one())
    send_due_emails(services)
    for _ in range(3):
        services.clock.move_to(services.now() + timedelta(days=31))
        send_due_emails(services)
        purge_expired(services)
    assert count(services, Contact) == 0
    ask(services)

    assert client_of(services).get(f"/p/{old}").status_code == 404


def test_requested_data_copy_is_not_sent_after_deleting_my_data(services: Services, asked: str) -> None:
    client = client_of(services)
    client.post(asked, data={"do": "export"})
    client.post(asked, data={"do": "erase-now"})

    assert send_outbox(services) == 0
