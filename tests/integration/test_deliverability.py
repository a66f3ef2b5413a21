"""Deliverability: refusals raise an alert and suppress nobody; suppressions end, or are lifted by a person."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import generate_latest

from tests.support.console_forms import client_in, post
from tests.support.database import rows
from tests.support.emails import Refusing, emails, go_to, sent, with_transport
from tests.support.orders import EMAIL, webhook
from tests.support.packs import GOOD, ROOT
from widget.actions.email_events.lift_suppression import lift_suppression
from widget.actions.emails.request_email import request_email
from widget.actions.emails.send_email import send_due_emails
from widget.actions.errors import NotPermitted
from widget.actions.privacy.change_consent import confirm_consent
from widget.actions.privacy.purge_expired import purge_expired
from widget.actions.quiz.submit_answers import submit_answers
from widget.actions.shops.add_shop import add_shop
from widget.actions.webhooks.collect_bounces import take_message
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.cli import main
from widget.domain.email.email_event import BOUNCED, COMPLAINED
from widget.email.transport import MemoryTransport, PermanentFailure
from widget.services import Services
from widget.storage.audit import AuditEntry
from widget.storage.contacts import Contact, Suppression, suppress, suppressed
from widget.storage.email_events import EmailEvent
from widget.storage.shops import Shop
from widget.storage.unmatched_reports import UnmatchedReport
from widget.telemetry import REGISTRY

REAL = ROOT / "tests" / "payloads" / "real-world"
PAGE = "/console/shops/demo/orders/deliverability"


@pytest.fixture
def mailing(services: Services) -> Services:
    """Return the services of a shop that has sent one email."""
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)
    assert len(sent(services)) == 1
    return services


def report(services: Services, name: str = "dsn-report-without-report-type", number: int = 0) -> bytes:
    """Return a report about the email that was sent."""
    mine = emails(services)["how-to-use"].message_id.encode()
    raw = (REAL / f"{name}.eml").read_bytes()
    raw = raw.replace(b"<letter-1@store.example.com>", mine).replace(b"sam@example.com", EMAIL.encode())
    today = format_datetime(services.now()).encode()
    return re.sub(rb"Date: [^\r\n]+", b"Date: %s\r\nX-Number: %d" % (today, number), raw, count=1)


def take(services: Services, *raw: bytes) -> None:
    for one in raw:
        assert take_message(services, one) == 1
    process_webhooks(services)


def only(services: Services, table: type) -> Any:
    [row] = rows(services, table)
    return row


def test_refusals_suppress_nobody_and_are_shown_with_their_cause(mailing: Services) -> None:
    take(mailing, *(report(mailing, "dsn-dmarc-5.7.26", number) for number in range(3)))
    client = client_in(mailing)
    listing, page = client.get("/console/shops/demo/orders").text, client.get(PAGE).text

    assert rows(mailing, Suppression) == []
    assert emails(mailing)["how-to-use"].state == "bounced"
    assert "3 refusals: DMARC" in listing
    assert "3 refusals: DMARC" in page
    assert "Publish SPF and DKIM records" in page
    assert "Mail servers refused 3 emails in the last 7 days" in client.get("/console/shops/demo/team").text
    assert b'recovery_email_events_total{cause="dmarc",kind="blocked"}' in generate_latest(REGISTRY)


def test_refusals_are_not_shown_to_those_who_may_not_see_orders(mailing: Services) -> None:
    take(mailing, report(mailing, "dsn-dmarc-5.7.26"))
    client = client_in(mailing, role="editor")

    assert "refused" not in client.get("/console/shops/demo/quizzes/leg-day/quiz").text
    assert client.get(PAGE).status_code == 403


def test_bounce_suppression_is_lifted_by_a_person_with_a_reason(mailing: Services) -> None:
    take(mailing, report(mailing))
    client, row = client_in(mailing), only(mailing, Suppression)
    page = client.get(PAGE).text
    refused = post(client, f"{PAGE}/{row.id}/lift", why=" ")
    assert only(mailing, Suppression).reason == "bounced"
    assert "Enter why" in client.get(refused.headers["Location"]).text

    post(client, f"{PAGE}/{row.id}/lift", why="The customer fixed the typo in a forwarding rule")
    go_to(mailing, "review")
    send_due_emails(mailing)

    assert "the address does not exist" in page
    assert EMAIL not in page
    assert rows(mailing, Suppression) == []
    assert emails(mailing)["review"].state == "sent"
    assert [entry.action for entry in rows(mailing, AuditEntry) if "forwarding" in entry.detail] == [
        "suppression_lifted"
    ]


def test_lifting_twice_says_so(mailing: Services) -> None:
    take(mailing, report(mailing))
    client, row = client_in(mailing), only(mailing, Suppression)
    for _ in range(2):
        answer = post(client, f"{PAGE}/{row.id}/lift", why="It works again")

    assert "no longer suppressed" in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize(("name", "reason"), [("arf-opt-out", "unsubscribed"), ("arf-abuse", "complained")])
def test_what_the_recipient_said_is_not_lifted_by_the_shop(mailing: Services, name: str, reason: str) -> None:
    raw = report(mailing, "arf-opt-out")
    take(mailing, raw if name == "arf-opt-out" else raw.replace(b"opt-out", b"abuse"))
    client, row = client_in(mailing), only(mailing, Suppression)
    answer = post(client, f"{PAGE}/{row.id}/lift", why="We would like to")

    assert "Only the recipient" in client.get(answer.headers["Location"]).text
    assert only(mailing, Suppression).reason == reason


def test_suppression_of_another_shop_cannot_be_lifted(mailing: Services) -> None:
    take(mailing, report(mailing))
    add_shop(mailing, "other", name="Other", postal_address="1 Lane", cart={"kind": "event"})
    shop = next(shop for shop in rows(mailing, Shop) if shop.slug == "other")
    with pytest.raises(NotPermitted):
        lift_suppression(mailing, shop_id=shop.id, suppression_id=only(mailing, Suppression).id, why="Mine", by=None)

    assert only(mailing, Suppression).reason == "bounced"


def test_soft_bounces_suppress_for_thirty_days(mailing: Services) -> None:
    take(mailing, *(report(mailing, "dsn-mailbox-full-5.2.2", number) for number in range(3)))
    row = only(mailing, Suppression)
    client = client_in(mailing)
    assert row.reason == "unreachable"
    assert "ends " in client.get(PAGE).text

    mailing.clock.move_to(row.at + timedelta(days=31))
    with mailing.reads() as session:
        assert suppressed(session, row.shop_id, row.address_hash, mailing.now()) is None
    purge_expired(mailing)
    assert rows(mailing, Suppression) == []


def test_soft_bounces_do_not_shorten_a_hard_suppression(mailing: Services) -> None:
    take(mailing, report(mailing))
    take(mailing, *(report(mailing, "dsn-mailbox-full-5.2.2", number) for number in range(3)))

    assert only(mailing, Suppression).expires_at is None


def test_lifted_address_is_not_suppressed_again_by_one_soft_bounce(mailing: Services) -> None:
    take(mailing, *(report(mailing, "dsn-mailbox-full-5.2.2", number) for number in range(3)))
    post(client_in(mailing), f"{PAGE}/{only(mailing, Suppression).id}/lift", why="The mailbox was emptied")
    take(mailing, report(mailing, "dsn-mailbox-full-5.2.2", 9))

    assert rows(mailing, Suppression) == []


def test_own_double_opt_in_lifts_a_bounce(mailing: Services) -> None:
    take(mailing, report(mailing))
    loaded, known = submit_answers(mailing, shop="demo", quiz="leg-day", answers=GOOD)
    code, consents = json.loads(known.body)["code"], {"result": True, "marketing": True}
    request_email(mailing, loaded=loaded, code=code, email=EMAIL, consents=consents, text_version="1")
    send_due_emails(mailing)
    assert len(sent(mailing)) > 1  # The email with the link goes to the suppressed address: its owner asked for it.
    assert only(mailing, Suppression).reason == "bounced"

    confirm_consent(mailing, "c", mailing.crypto.token("c", only(mailing, Contact).id))
    assert rows(mailing, Suppression) == []


def test_messages_that_led_to_no_event_are_counted_and_can_be_read(
    mailing: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = b"From: sam@example.com\r\nSubject: Re: hello\r\n\r\nThank you, the cream arrived."
    unknown = (REAL / "dsn-content-5.7.1.eml").read_bytes()
    for raw in (reply, reply, unknown, b"\xff\xfe"):
        assert take_message(mailing, raw) == 0
    for name in ("home", "database_url", "suppression_key"):
        monkeypatch.setenv(f"RECOVERY_{name.upper()}", str(getattr(mailing.settings, name)))
    monkeypatch.setenv("RECOVERY_SECRET_KEYS", ",".join(mailing.settings.secret_keys))
    listed = CliRunner().invoke(main, ["emails", "unmatched"]).output

    assert "a report about an email that was not sent from here" in listed
    assert listed.count("not a report") == 2
    number = next(row.id for row in rows(mailing, UnmatchedReport) if row.size == len(reply))
    assert "the cream arrived" in CliRunner().invoke(main, ["emails", "unmatched", str(number)]).output
    assert "There is no message 999" in CliRunner().invoke(main, ["emails", "unmatched", "999"]).output
    assert b"cream" not in only_message(mailing, number)
    assert b'recovery_bounce_messages_total{outcome="unknown_email"}' in generate_latest(REGISTRY)

    mailing.clock.move_to(mailing.now() + timedelta(days=31))
    purge_expired(mailing)
    assert rows(mailing, UnmatchedReport) == []


def only_message(services: Services, number: int) -> bytes:
    return next(bytes(row.encrypted_message) for row in rows(services, UnmatchedReport) if row.id == number)


def test_event_is_matched_by_our_header_if_a_provider_changed_the_message_id(mailing: Services) -> None:
    mine = emails(mailing)["how-to-use"].message_id.encode()
    raw = report(mailing).replace(
        b"Message-ID: " + mine, b"Message-ID: <changed@ses.example>\r\nX-Recovery-Email-ID: " + mine
    )
    transport = mailing.transport
    assert isinstance(transport, MemoryTransport)
    take(mailing, raw)

    assert transport.sent[0][1]["X-Recovery-Email-ID"] == mine.decode()
    assert only(mailing, Suppression).reason == "bounced"


def test_report_that_names_other_addresses_counts_for_the_recipient_only(mailing: Services) -> None:
    block = b"Final-Recipient: rfc822; helpdesk@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
    raw = report(mailing, "dsn-mailbox-full-5.2.2")
    start = raw.index(b"Final-Recipient")
    take(mailing, raw[:start] + block + raw[start:])

    assert [event.kind for event in rows(mailing, EmailEvent)] == ["soft_bounce"]
    assert rows(mailing, Suppression) == []


def test_long_list_is_paged_and_keeps_its_filter(mailing: Services) -> None:
    now = mailing.now()
    with mailing.sessions.begin() as session:
        for number in range(25):
            suppress(session, shop_id=1, address_hash=f"bounced{number}", reason=BOUNCED, at=now)
        suppress(session, shop_id=1, address_hash="other", reason=COMPLAINED, at=now)
    client = client_in(mailing)

    first = client.get(f"{PAGE}?reason={BOUNCED}").text
    assert first.count('data-label="Since"') == 20
    assert "Newest</a>" not in first
    older = html.unescape(re.search(r'href="([^"]+)">Older</a>', first)[1])  # type: ignore[index]  # None fails the test.
    second = client.get(older).text
    assert second.count('data-label="Since"') == 5
    assert "Older</a>" not in second
    assert f'href="{PAGE}?reason={BOUNCED}">Newest</a>' in second


@pytest.mark.parametrize(
    ("reply", "of_sender", "kind", "cause", "suppressed_for"),
    [
        (
            "550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy",
            False,
            "blocked",
            "dmarc",
            "",
        ),
        ("550 5.1.1 <a@shop.example> no such user here", False, "hard_bounce", "", "bounced"),
        ("552 5.2.2 mailbox full", False, "soft_bounce", "", ""),
        ("550 sorry", False, "soft_bounce", "", ""),
        ("550 sorry", True, "blocked", "sender", ""),
    ],
)
def test_refusal_at_the_handover_counts_like_a_bounce(
    services: Services, reply: str, of_sender: bool, kind: str, cause: str, suppressed_for: str
) -> None:
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    refusing = Refusing(PermanentFailure(reply[:9], reply=reply, of_sender=of_sender))
    send_due_emails(with_transport(services, refusing))
    event = only(services, EmailEvent)

    assert (event.kind, event.cause) == (kind, cause)
    assert [row.reason for row in rows(services, Suppression)] == ([suppressed_for] if suppressed_for else [])
    assert emails(services)["how-to-use"].state == "failed"


def test_address_is_found_without_appearing_in_a_url(mailing: Services) -> None:
    take(mailing, report(mailing))
    client = client_in(mailing)

    def found(address: str) -> str:
        answer = post(client, f"{PAGE}/find", address=address)
        return " ".join(html.unescape(re.findall(r'<p id="found".*?</p>', answer.text, re.DOTALL)[0]).split())

    assert "gets no emails: the address does not exist" in found(EMAIL.upper())
    assert "is not suppressed" in found("somebody.else@shop.example")
    assert "Enter a whole email address" in found("nobody")
