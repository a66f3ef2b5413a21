"""Email events reported by providers: verified, recorded once, and applied at once."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.support.database import rows
from tests.support.deliveries import PAYLOADS
from tests.support.email_reports import bounce, event
from tests.support.emails import emails, go_to, sent
from tests.support.orders import EMAIL, webhook
from tests.support.services import client_of
from widget.actions.emails.send_email import send_due_emails
from widget.actions.shops.connect_store import connect_store
from widget.actions.webhooks.collect_bounces import collect_bounces, take_message
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.actions.webhooks.receive_webhook import receive_email_event
from widget.domain.email.email_event import HARD_BOUNCE, SOFT_BOUNCE
from widget.domain.orders.webhook import BadSignature
from widget.email.events.ses import string_to_sign
from widget.services import Services
from widget.storage.contacts import Suppression
from widget.storage.email_events import EmailEvent
from widget.storage.emails import Email
from widget.storage.webhook_deliveries import WebhookDelivery

TOPIC = "arn:aws:sns:us-east-1:123456789012:ses-events"
CERTIFICATE_AT = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def certificate(key: rsa.RSAPrivateKey = KEY, days: int = 10) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(now - timedelta(days=20)).not_valid_after(now + timedelta(days=days))
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def sns(message: Any, **change: Any) -> dict[str, Any]:
    """Return a notification signed as Amazon's guide describes."""
    data = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": json.dumps(message),
        "Timestamp": datetime.now(UTC).isoformat(),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_AT,
        **change,
    }
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{data[name]}\n" for name in names if name in data)
    algorithm = SHA1() if data["SignatureVersion"] == "1" else SHA256()  # Signature version 1 uses SHA-1.
    return {**data, "Signature": base64.b64encode(KEY.sign(text.encode(), PKCS1v15(), algorithm)).decode()}


def ses(services: Services, data: dict[str, Any], fetch: Any = lambda address: certificate()) -> bool:
    return receive_email_event(
        services, shop="demo", headers={}, body=json.dumps(data).encode(), provider="ses", fetch=fetch
    )


@pytest.fixture
def mailing(services: Services) -> Services:
    """Return the services of a shop with all providers connected and one email sent."""
    connect_store(services, shop="demo", platform="ses", secret=TOPIC)
    public = CURVE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    connect_store(services, shop="demo", platform="sendgrid", secret=base64.b64encode(public).decode())
    connect_store(services, shop="demo", platform="postmark", secret="webhooks:a long password")
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)
    assert len(sent(services)) == 1
    return services


def reasons(services: Services) -> list[str]:
    return [suppression.reason for suppression in rows(services, Suppression)]


# Amazon ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
def test_hard_bounce_suppresses_the_address(mailing: Services, version: str) -> None:
    mine = emails(mailing)["how-to-use"].message_id
    ses(mailing, sns(bounce(message_id=mine), SignatureVersion=version))
    process_webhooks(mailing)
    go_to(mailing, "review")
    send_due_emails(mailing)

    assert reasons(mailing) == ["bounced"]
    assert emails(mailing)["how-to-use"].state == "bounced"
    assert emails(mailing)["review"].reason == "bounced"
    assert all(webhook_delivery.body == b"" for webhook_delivery in rows(mailing, WebhookDelivery))


def test_complaint_suppresses_every_possible_complainer(mailing: Services) -> None:
    data = {"complainedRecipients": [{"emailAddress": EMAIL}, {"emailAddress": "other@shop.example"}]}
    ses(mailing, sns({"notificationType": "Complaint", "complaint": data, "mail": {}}))
    process_webhooks(mailing)

    assert reasons(mailing) == ["complained", "complained"]


def test_replayed_email_event_changes_nothing(mailing: Services) -> None:
    data = sns(bounce("Transient"))
    assert ses(mailing, data)
    assert not ses(mailing, data)
    process_webhooks(mailing)

    assert len(rows(mailing, EmailEvent)) == 1


def test_three_soft_bounces_among_five_events_suppress_the_address(mailing: Services) -> None:
    kinds = ["Transient", "Transient", "delivered", "delivered", "delivered", "Transient", "Transient"]
    for number, kind in enumerate(kinds):
        at = (datetime.now(UTC) - timedelta(hours=20 - number)).isoformat()
        outcome = (
            bounce(kind) if kind != "delivered" else {"eventType": "Delivery", "delivery": {"recipients": [EMAIL]}}
        )
        ses(mailing, sns(outcome, MessageId=f"m-{number}", Timestamp=at))
    process_webhooks(mailing)
    assert reasons(mailing) == []

    ses(mailing, sns(bounce("Transient"), MessageId="m-9"))
    process_webhooks(mailing)
    assert reasons(mailing) == ["unreachable"]


@pytest.mark.parametrize(
    "change",
    [
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789.pem"},
        {"SigningCertURL": "https://evil.example/SimpleNotificationService-0123456789abcdef.pem"},
        {"SigningCertURL": "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/other/SimpleNotificationService-0123456789.pem"},
        {"TopicArn": "arn:aws:sns:us-east-1:123456789012:another"},
        {"SignatureVersion": "3"},
        {"Type": "SomethingElse"},
    ],
)
def test_foreign_certificate_url_or_topic_is_refused_without_a_fetch(mailing: Services, change: dict[str, str]) -> None:
    def fetch(address: str) -> bytes:
        assert address == CERTIFICATE_AT
        return certificate()

    with pytest.raises(BadSignature):
        ses(mailing, sns(bounce(), **change), fetch)


def test_changed_message_or_unknown_certificate_is_refused(mailing: Services) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(BadSignature):
        ses(mailing, {**sns(bounce()), "Message": json.dumps(bounce(email="victim@shop.example"))})
    for made in (certificate(other), certificate(days=-1), b"no certificate"):
        with pytest.raises(BadSignature):
            ses(mailing, sns(bounce()), lambda address, made=made: made)
    sample = json.loads((PAYLOADS / "mail" / "sns-notification.constructed.json").read_text())
    with pytest.raises(BadSignature):
        ses(mailing, sample)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("sns-notification", "d49cf3d707b8461c0744e1514d3abbc3b8bde9409280c4f8c2526d6538e74dbd"),
        ("sns-subscription-confirmation", "e977f6971ea712097cad4ac1dd2ba495c83e0195fc3db0611de71ca7db9f2fe2"),
    ],
)
def test_sns_string_to_sign_matches_the_reference(name: str, digest: str) -> None:
    data = json.loads((PAYLOADS / "mail" / f"{name}.constructed.json").read_text())

    assert hashlib.sha256(string_to_sign(data, data["Type"])).hexdigest() == digest


def test_sns_subscription_is_confirmed_only_at_amazon(mailing: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    visited: list[str] = []
    monkeypatch.setattr("widget.actions.webhooks.process_webhooks.fetch_confirmation", visited.append)
    good = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=x"
    data = {"Type": "SubscriptionConfirmation", "Token": "x"}
    ses(mailing, sns("", **data, SubscribeURL=good, MessageId="a"))
    ses(mailing, sns("", **data, SubscribeURL="https://evil.example/", MessageId="b"))
    process_webhooks(mailing)

    assert visited == [good]
    assert sorted(
        webhook_delivery.state
        for webhook_delivery in rows(mailing, WebhookDelivery)
        if webhook_delivery.source == "mail/ses"
    ) == [
        "done",
        "failed",
    ]


# SendGrid ----------------------------------------------------------------------------------------------


def sendgrid(services: Services, events: Any, *, tail: bytes = b"\r\n", change: bytes = b"") -> bool:
    body, stamp = json.dumps(events).encode() + tail, "1764324000"
    signature = base64.b64encode(CURVE.sign(stamp.encode() + body, ec.ECDSA(SHA256()))).decode()
    headers = {
        "x-twilio-email-event-webhook-signature": signature,
        "x-twilio-email-event-webhook-timestamp": stamp,
    }
    return receive_email_event(services, shop="demo", headers=headers, body=body + change, provider="sendgrid")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (event("bounce", type="bounce"), ["bounced"]),
        (event("bounce", type="blocked"), []),
        (event("spamreport"), ["complained"]),
        (event("unsubscribe"), ["unsubscribed"]),
        (event("open"), []),
        (event("an_event_of_tomorrow"), []),
    ],
)
def test_sendgrid_events_are_recorded(mailing: Services, data: dict[str, Any], expected: list[str]) -> None:
    sendgrid(mailing, [data, data])
    process_webhooks(mailing)

    assert reasons(mailing) == expected


def test_sendgrid_signature_covers_the_exact_bytes(mailing: Services) -> None:
    assert sendgrid(mailing, [event("bounce")])
    for change in (b" ", b"\r\n"):
        with pytest.raises(BadSignature):
            sendgrid(mailing, [event("bounce")], change=change)


# Postmark ----------------------------------------------------------------------------------------------


def postmark(services: Services, data: Any, login: str = "webhooks:a long password") -> bool:
    headers = {"authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    return receive_email_event(
        services, shop="demo", headers=headers, body=json.dumps(data).encode(), provider="postmark"
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"RecordType": "Bounce", "TypeCode": 1, "ID": 7, "Email": EMAIL}, ["bounced"]),
        ({"RecordType": "Bounce", "TypeCode": 2, "ID": 7, "Email": EMAIL}, []),
        ({"RecordType": "Bounce", "TypeCode": 2, "ID": 7, "Email": EMAIL, "Inactive": True}, ["bounced"]),
        ({"RecordType": "SpamComplaint", "ID": 7, "Email": EMAIL}, ["complained"]),
        ({"RecordType": "Delivery", "MessageID": "x", "Recipient": EMAIL}, []),
        ({"RecordType": "Open", "MessageID": "x", "Recipient": EMAIL}, []),
    ],
)
def test_postmark_events_are_recorded(mailing: Services, data: dict[str, Any], expected: list[str]) -> None:
    postmark(mailing, data)
    process_webhooks(mailing)

    assert reasons(mailing) == expected


def test_not_spam_report_lifts_the_suppression_of_a_complaint_only(mailing: Services) -> None:
    def complaint(kind: str) -> dict[str, Any]:
        return {
            "eventType": "Complaint",
            "complaint": {"complaintFeedbackType": kind, "complainedRecipients": [{"emailAddress": EMAIL}]},
        }

    ses(mailing, sns(complaint("abuse"), MessageId="one"))
    process_webhooks(mailing)
    assert reasons(mailing) == ["complained"]
    ses(mailing, sns(complaint("not-spam"), MessageId="two"))
    process_webhooks(mailing)
    assert reasons(mailing) == []
    postmark(mailing, {"RecordType": "Bounce", "TypeCode": 1, "ID": 7, "Email": EMAIL})
    process_webhooks(mailing)
    ses(mailing, sns(complaint("not-spam"), MessageId="three"))
    process_webhooks(mailing)
    assert reasons(mailing) == ["bounced"]


@pytest.mark.parametrize(
    "data",
    [
        {"RecordType": "Bounce", "TypeCode": 100009, "ID": 7, "Email": EMAIL},
        {"RecordType": "Bounce", "TypeCode": 512, "ID": 7, "Email": EMAIL},
    ],
)
def test_refusal_because_of_the_sender_suppresses_nobody(mailing: Services, data: dict[str, Any]) -> None:
    for number in range(5):
        postmark(mailing, {**data, "ID": number})
    process_webhooks(mailing)

    assert reasons(mailing) == []


@pytest.mark.parametrize("login", ["webhooks:wrong", "", "webhooks", ":"])
def test_postmark_webhook_requires_its_user_name_and_password(mailing: Services, login: str) -> None:
    with pytest.raises(BadSignature):
        postmark(mailing, {"RecordType": "Bounce"}, login)
    assert client_of(mailing).post("/webhooks/demo/mail/postmark", data=b"{}").status_code == 401


# Reports received as email -----------------------------------------------------------------------------


def sample(name: str, services: Services, *, email: str = EMAIL) -> bytes:
    """Return a sample report, changed to refer to the sent email."""
    raw = (PAYLOADS / "mail" / f"{name}.constructed.eml").read_bytes()
    mine = emails(services)["how-to-use"].message_id.encode()
    return raw.replace(b"<01JD3Z5V7M8Y.s1@mail.store.example>", mine).replace(b"gone@example.net", email.encode())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("dsn-failed-5.1.1", ["bounced"]), ("dsn-delayed-4.4.1", []), ("arf-abuse", ["complained"])],
)
def test_dsn_and_arf_reports_are_recorded_once(mailing: Services, name: str, expected: list[str]) -> None:
    raw = sample(name, mailing)
    take_message(mailing, raw)
    take_message(mailing, raw)
    process_webhooks(mailing)

    assert reasons(mailing) == expected


def test_report_without_our_message_id_is_ignored(mailing: Services) -> None:
    raw = sample("dsn-failed-5.1.1", mailing).replace(b"Message-ID: <", b"X-Other: <")
    assert take_message(mailing, raw) == 0
    process_webhooks(mailing)

    assert reasons(mailing) == []


def test_report_with_a_nul_byte_does_not_block_the_next_report(mailing: Services) -> None:
    raw = sample("dsn-failed-5.1.1", mailing)
    mine = emails(mailing)["how-to-use"].message_id.encode()
    assert take_message(mailing, raw.replace(mine, b"<a\x00b@x>")) == 0
    assert take_message(mailing, raw) == 1


@pytest.mark.parametrize(
    "raw", [b"", b"Subject: hello\r\n\r\nHi", b"\xff\xfe\x00", b"Content-Type: multipart/report\r\n"]
)
def test_mail_that_is_not_a_report_is_ignored(sqlite_services: Services, raw: bytes) -> None:
    assert take_message(sqlite_services, raw) == 0


class Post(StreamRequestHandler):
    """An IMAP server with only the commands needed to read unread mail (RFC 3501)."""

    mail: list[bytes]
    seen: set[int]
    selected: list[bytes]

    def handle(self) -> None:
        self.wfile.write(b"* OK ready\r\n")
        while line := self.rfile.readline():
            tag, _, command = line.strip().partition(b" ")
            word = command.upper()
            if word.startswith(b"UID SEARCH"):
                left = [str(n).encode() for n in range(1, len(self.mail) + 1) if n not in self.seen]
                self.wfile.write(b"* SEARCH " + b" ".join(left) + b"\r\n")
            elif word.startswith(b"UID FETCH"):
                number = int(command.split()[2])
                raw = self.mail[number - 1]
                self.wfile.write(b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (number, number, len(raw), raw))
            elif word.startswith(b"UID STORE"):
                self.seen.add(int(command.split()[2]))
            elif word.startswith(b"CAPABILITY"):
                self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n")
            elif word.startswith(b"SELECT"):
                self.selected.append(command.partition(b" ")[2])
                self.wfile.write(b"* 1 EXISTS\r\n")
            elif word.startswith(b"LOGIN") and b"right" not in command:
                self.wfile.write(tag + b" NO\r\n")
                continue
            self.wfile.write(tag + b" OK done\r\n")
            if word.startswith(b"LOGOUT"):
                return


@pytest.fixture
def post() -> Iterator[tuple[type[Post], int]]:
    handler = type("Handler", (Post,), {"mail": [], "seen": set(), "selected": []})
    server = ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield handler, server.server_address[1]
    server.shutdown()
    server.server_close()


def test_bounce_mailbox_messages_are_read_once(mailing: Services, post: tuple[type[Post], int]) -> None:
    handler, port = post
    handler.mail += [b"Subject: out of office\r\n\r\nBack on Monday", sample("dsn-failed-5.1.1", mailing)]
    settings = replace(mailing.settings, imap_url=f"imap://box:right@127.0.0.1:{port}/INBOX")
    reading = replace(mailing, settings=settings)

    assert collect_bounces(reading) == 1
    assert collect_bounces(reading) == 0
    process_webhooks(mailing)

    assert handler.seen == {1, 2}
    assert reasons(mailing) == ["bounced"]


@pytest.mark.parametrize("folder", ["Bounces", "Zustellfehler/R%C3%BCckl%C3%A4ufer"])
def test_bounce_mailbox_folder_may_have_any_name(mailing: Services, post: tuple[type[Post], int], folder: str) -> None:
    handler, port = post
    handler.mail.append(sample("dsn-failed-5.1.1", mailing))
    settings = replace(mailing.settings, imap_url=f"imap://box:right@127.0.0.1:{port}/{folder}")

    assert collect_bounces(replace(mailing, settings=settings)) == 1
    expected = {"Bounces": b'"Bounces"'}.get(folder, b'"Zustellfehler/R&APw-ckl&AOQ-ufer"')  # RFC 3501, 5.1.3.
    assert handler.selected == [expected]


def test_wrong_mailbox_password_is_logged_and_tried_again(
    mailing: Services, post: tuple[type[Post], int], log_lines: list[Any]
) -> None:
    _, port = post
    settings = replace(mailing.settings, imap_url=f"imap://box:wrong@127.0.0.1:{port}/INBOX")

    assert collect_bounces(replace(mailing, settings=settings)) == 0
    assert [line["event"] for line in log_lines] == ["mailbox_not_read"]


def test_email_event_does_not_change_emails_of_other_shops(mailing: Services) -> None:
    from widget.actions.shops.add_shop import add_shop

    add_shop(mailing, "other", name="Other")
    connect_store(mailing, shop="other", platform="postmark", secret="webhooks:another password")
    data = {"RecordType": "Bounce", "TypeCode": 1, "ID": 7, "Email": EMAIL}
    data["Metadata"] = {"message_id": emails(mailing)["how-to-use"].message_id}
    headers = {"authorization": f"Basic {base64.b64encode(b'webhooks:another password').decode()}"}
    receive_email_event(mailing, shop="other", headers=headers, body=json.dumps(data).encode(), provider="postmark")
    process_webhooks(mailing)

    with mailing.reads() as session:
        assert session.get_one(Email, emails(mailing)["how-to-use"].id).state == "sent"
    assert {email_event.kind for email_event in rows(mailing, EmailEvent)} <= {HARD_BOUNCE, SOFT_BOUNCE}
