"""Bounces that only people can read: each mail system's form names a recipient and a reason."""

from __future__ import annotations

import pytest

from widget.domain.email.bounce_category import ADDRESS, CONTENT, MAILBOX, POLICY, TRANSIENT
from widget.domain.email.email_event import COMPLAINT, UNSUBSCRIBED
from widget.email.events.messages import EVENTS, NO_REPORT, NOT_FINAL, read_message

ORIGINAL = "\nMessage-ID: <email-1@store.example.com>\nFrom: hello@store.example.com\nTo: sam@example.com\n\nHello\n"
QMAIL = """Hi. This is the mail program at mx.example.net.
I could not deliver your message to these addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<sam@example.com>:
192.0.2.7 does not like recipient.
Remote host said: {reply}
Giving up on 192.0.2.7.

--- Below this line is a copy of the message.
"""
EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  sam@example.com
    SMTP error from remote mail server after RCPT TO:<sam@example.com>:
    host mx.example.net [192.0.2.7]: {reply}

------ This is a copy of the message, including all the headers. ------
"""
GMAIL = """Delivery to the following recipient failed permanently:

     sam@example.com

Technical details of permanent failure:
The recipient's server answered: {reply}

----- Original message -----
"""
YAHOO = """Sorry, we were unable to deliver your message to the following address.

<sam@example.com>:
{reply}

--- Below this line is a copy of the message.
"""
OFFICE = """Delivery has failed to these recipients or groups:

sam@example.com
{reply}

Diagnostic information for administrators:

Original message headers:
"""
FORMS = {
    "qmail": ("MAILER-DAEMON@mx.example.net", "failure notice", QMAIL),
    "exim": ("Mail Delivery System <Mailer-Daemon@mx.example.net>", "Mail delivery failed: returning message", EXIM),
    "gmail": (
        "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        "Delivery Status Notification (Failure)",
        GMAIL,
    ),
    "yahoo": ("MAILER-DAEMON@yahoo.com", "Failure Notice", YAHOO),
    "office": ("postmaster@contoso.example", "Undeliverable: Your plan", OFFICE),
}
REPLIES = [
    ("550 5.1.1 The account that you tried to reach does not exist", ADDRESS),
    ("550 no such user here", ADDRESS),
    ("554 delivery error: This user doesn't have an account here", ADDRESS),
    ("552 5.2.2 The mailbox is over quota", MAILBOX),
    ("550 5.7.1 Refused: the sending host is on a blocklist", POLICY),
    ("550 5.7.26 The sender did not pass the DMARC check", POLICY),
    ("552 5.3.4 The message is too large", CONTENT),
    ("451 4.4.1 connection timed out, giving up", TRANSIENT),
]


def message(sender: str, subject: str, text: str, **more: str) -> bytes:
    headers = {"From": sender, "To": "hello@store.example.com", "Subject": subject, **more}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\n".join([*lines, "", text]).encode()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("reply", "category"), REPLIES)
def test_plain_bounce_names_recipient_reason_and_original(form: str, reply: str, category: str) -> None:
    sender, subject, text = FORMS[form]
    reading = read_message(message(sender, subject, text.format(reply=reply) + ORIGINAL))

    [report] = reading.reports
    assert (report.email, report.category) == ("sam@example.com", category)
    assert report.message_id == "<email-1@store.example.com>"


def test_each_recipient_of_a_plain_bounce_has_its_own_reason() -> None:
    text = "<sam@example.com>:\n550 5.1.1 no such user\n\n<kim@example.com>:\n552 5.2.2 mailbox full\n"
    reading = read_message(message("MAILER-DAEMON@mx.example.net", "failure notice", text))

    assert {report.email: report.category for report in reading.reports} == {
        "sam@example.com": ADDRESS,
        "kim@example.com": MAILBOX,
    }


def test_recipient_is_taken_from_the_header_if_the_text_names_none() -> None:
    text = "Your message was not delivered: the group does not exist."
    raw = message(
        "noreply@example.net", "Delivery Status Notification (Failure)", text, X_Failed_Recipients="sam@example.com"
    )

    [report] = read_message(raw).reports
    assert report.email == "sam@example.com"


@pytest.mark.parametrize(
    ("sender", "subject", "text", "outcome"),
    [
        (
            "MAILER-DAEMON@mx.example.net",
            "Warning: could not send message for past 4 hours",
            "sam@example.com: 451 4.4.1 connection timed out. Will keep trying for five days.",
            NOT_FINAL,
        ),
        (
            "mailer-daemon@googlemail.com",
            "Delivery Status Notification (Delay)",
            "THIS IS A WARNING MESSAGE ONLY. Delivery to sam@example.com has been delayed.",
            NOT_FINAL,
        ),
        (
            "Sam <sam@example.com>",
            "Out of office: Your plan",
            "I am away until Monday. Write to kim@example.com.",
            NO_REPORT,
        ),
        (
            "Sam <sam@example.com>",
            "Re: Your plan",
            "The pump does not work, and the shipping box was full of foam.",
            NO_REPORT,
        ),
        ("Sam <sam@example.com>", "Hello", "", NO_REPORT),
    ],
)
def test_what_is_no_failure_leads_to_no_event(sender: str, subject: str, text: str, outcome: str) -> None:
    reading = read_message(message(sender, subject, text))

    assert (reading.outcome, reading.reports) == (outcome, [])


def test_text_is_read_from_html_if_there_is_no_other() -> None:
    html = "<p>Delivery has failed to these recipients:</p><p>sam@example.com</p><p>550 5.1.1 user unknown</p>"
    raw = message("postmaster@example.net", "Undeliverable", html, Content_Type="text/html; charset=utf-8")

    [report] = read_message(raw).reports
    assert (report.email, report.category) == ("sam@example.com", ADDRESS)


def test_text_is_read_if_the_boundaries_are_broken() -> None:
    text = "--other\n\n<sam@example.com>:\n550 5.1.1 user unknown\n--other--\n"
    raw = message("MAILER-DAEMON@example.net", "failure notice", text, Content_Type='multipart/mixed; boundary="b1"')

    [report] = read_message(raw).reports
    assert (report.email, report.category) == ("sam@example.com", ADDRESS)


def test_junk_report_of_microsoft_is_a_complaint() -> None:
    inner = "X-HmXmrOriginalRecipient: sam@example.com\nMessage-ID: <email-1@store.example.com>\n\nHello\n"
    text = f"--b1\nContent-Type: message/rfc822\n\n{inner}\n--b1--\n"
    raw = message("staff@hotmail.com", "complaint", text, Content_Type='multipart/mixed; boundary="b1"')

    [report] = read_message(raw).reports
    assert (report.kind, report.email) == (COMPLAINT, "sam@example.com")
    assert report.message_id == "<email-1@store.example.com>"


def test_unsubscribe_message_of_apple_mail_is_an_unsubscribe() -> None:
    raw = message("Sam <sam@example.com>", "unsubscribe", "", X_Apple_Unsubscribe="true")

    assert [(report.kind, report.email) for report in read_message(raw).reports] == [(UNSUBSCRIBED, "sam@example.com")]


@pytest.mark.parametrize(
    "piece", ["a@b.", "user ", "a" * 64 + "@", "- - ", "550 5.1.1 ", "<br", "<a@b.example>:\n", "\n", "will be "]
)
@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_hostile_text_is_read_within_bounds(piece: str, kind: str) -> None:
    text = piece * (1_000_000 // len(piece))
    raw = message("MAILER-DAEMON@mx.example.net", "failure notice", text, Content_Type=kind)

    assert read_message(raw).outcome in (EVENTS, NO_REPORT, NOT_FINAL)
