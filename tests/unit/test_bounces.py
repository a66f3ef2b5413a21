"""What bounces and complaints from the field mean, in the shapes and words that mail servers use."""

from __future__ import annotations

import json

import pytest

from tests.support.packs import ROOT
from widget.domain.email.bounce import classify_bounce
from widget.domain.email.bounce_category import ADDRESS, CONTENT, MAILBOX, POLICY, TRANSIENT
from widget.domain.email.email_event import BLOCKED, HARD_BOUNCE, NOT_SPAM, SOFT_BOUNCE, UNSUBSCRIBED
from widget.email.events import messages, postmark, ses

REAL = ROOT / "tests" / "payloads" / "real-world"


@pytest.mark.parametrize(
    ("status", "text", "category"),
    [
        ("5.1.1", "550 5.1.1 no such user", ADDRESS),
        ("5.1.10", "550 5.1.10 recipient not found", ADDRESS),
        ("5.1.8", "553 5.1.8 the sender's domain has no MX", POLICY),
        ("5.2.1", "550 5.2.1 the account is disabled", ADDRESS),
        ("5.2.2", "552 5.2.2 the mailbox holds no more", MAILBOX),
        ("5.2.3", "552 5.2.3 message length exceeds the limit", CONTENT),
        ("5.3.4", "552 5.3.4 message too big", CONTENT),
        ("5.4.7", "gave up after five days", TRANSIENT),
        ("5.4.1", "550 5.4.1 recipient address rejected: access denied", ADDRESS),
        ("5.4.4", "550 5.4.4 the domain was not found", ADDRESS),
        ("5.7.1", "550 5.7.1 refused, the sending address is on a blocklist", POLICY),
        ("5.7.1", "550 5.7.1 unknown user", ADDRESS),
        ("5.7.26", "550 5.7.26 the sender could not be authenticated", POLICY),
        ("5.7.13", "525 5.7.13 user account disabled", ADDRESS),
        ("5.0.0", "552 5.2.2 over quota", MAILBOX),
        ("5.0.0", "550 mailbox unavailable", ADDRESS),
        ("5.0.0", "554 message refused, it looks like spam", POLICY),
        ("5.0.0", "", TRANSIENT),
        ("", "550 no mailbox here by that name", ADDRESS),
        ("", "host 5.1.1.9 refused the connection", TRANSIENT),
        ("4.2.2", "452 4.2.2 mailbox full", MAILBOX),
        ("4.7.1", "451 4.7.1 greylisted, try again later", TRANSIENT),
        ("4.1.1", "450 4.1.1 unknown user, checked later", TRANSIENT),
    ],
)
def test_bounce_category_follows_the_code_and_then_the_text(status: str, text: str, category: str) -> None:
    assert classify_bounce(status, text).category == category


def test_bounce_with_an_endless_reply_is_classified_by_its_beginning() -> None:
    assert classify_bounce("5.0.0", "550 no such user " + "user" * 1_000_000).category == ADDRESS
    assert classify_bounce("5.0.0", "user" * 1_000_000 + " no such user").category == TRANSIENT


def test_report_with_very_many_recipients_gives_a_bounded_number_of_events() -> None:
    raw = (REAL / "dsn-report-without-report-type.eml").read_bytes()
    block = b"Final-Recipient: rfc822; p%d@example.com\nAction: failed\nStatus: 5.1.1\n\n"
    start = raw.index(b"Final-Recipient")
    many = raw[:start] + b"".join(block % number for number in range(5000)) + raw[start:]

    assert 900 < len(messages.reports(many)) <= messages.MAX_RECIPIENTS


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("dsn-mailbox-full-5.2.2", [SOFT_BOUNCE]),
        ("dsn-expired-5.4.7", [SOFT_BOUNCE]),
        ("dsn-generic-status-5.0.0-with-5.2.2-inside", [SOFT_BOUNCE]),
        ("dsn-content-5.7.1", [BLOCKED]),
        ("dsn-dmarc-5.7.26", [BLOCKED]),
        ("dsn-mixed-instead-of-report", [HARD_BOUNCE]),
        ("dsn-report-without-report-type", [HARD_BOUNCE]),
        ("dsn-action-with-comment", [HARD_BOUNCE]),
        ("dsn-same-recipient-three-times", [SOFT_BOUNCE]),
        ("arf-opt-out", [UNSUBSCRIBED]),
    ],
)
def test_report_message_gives_one_event_for_each_recipient(name: str, kinds: list[str]) -> None:
    found = messages.reports((REAL / f"{name}.eml").read_bytes())

    assert [report.kind for report in found] == kinds
    assert {report.message_id for report in found} == {"<letter-1@store.example.com>"}


def test_delivery_status_inside_a_returned_message_is_ignored() -> None:
    inner = (REAL / "dsn-report-without-report-type.eml").read_bytes()
    raw = b'Subject: fwd\r\nContent-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n'

    assert messages.reports(raw + inner + b"\r\n--o--\r\n") == []


def test_original_email_of_a_report_is_also_found_by_reference() -> None:
    raw = (REAL / "dsn-report-without-report-type.eml").read_bytes()
    cut = raw[: raw.index(b"Content-Type: text/rfc822-headers")] + b"Content-Type: text/plain\n\nnothing\n--b1--\n"
    [report] = messages.reports(b"In-Reply-To: <letter-1@store.example.com>\n" + cut)

    assert report.message_id == "<letter-1@store.example.com>"


@pytest.mark.parametrize(("name", "kinds"), [("AutoResponder", []), ("Unsubscribe", [UNSUBSCRIBED])])
def test_postmark_bounce_type_decides_the_event(name: str, kinds: list[str]) -> None:
    body = (REAL / f"postmark-bounce-{name}.json").read_bytes()

    assert [report.kind for report in postmark.reports(body)] == kinds


def test_ses_complaint_of_type_not_spam_takes_a_complaint_back() -> None:
    message = (REAL / "ses-message-complaint-not-spam.json").read_text()
    envelope = json.dumps({"Type": "Notification", "MessageId": "1", "Message": message}).encode()

    assert [report.kind for report in ses.reports(envelope)] == [NOT_SPAM]
