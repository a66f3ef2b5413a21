"""Emails: the send policy, due dates, conditions, and rendering."""

from __future__ import annotations

import quopri
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest

from tests.support.email_frame import FRAME, message_with
from widget.domain.catalog.product import Product
from widget.domain.email.schedule import Bought, ConditionFacts, condition_holds, due_at
from widget.domain.email.send_policy import SendContext, decide
from widget.domain.email.sequence import PLANNED, SENDING, SENT, TRANSITIONS, After, Step, WrongState, next_state
from widget.domain.quiz.condition import parse_condition
from widget.email.blocks import CannotWrite, Paragraph, Steps, email_blocks
from widget.email.compose import compose
from widget.email.content import Written
from widget.email.html import html_part
from widget.email.quoted import quoted_printable
from widget.email.text import text_part

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FINE = SendContext(now=NOW, valid_until=NOW + timedelta(days=1), kind="marketing", consent=True)


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({}, "sending", "all_checks_passed"),
        ({"consent": False}, "skipped", "no_consent"),
        ({"consent": False, "kind": "transactional"}, "sending", "all_checks_passed"),
        ({"suppressed": "unsubscribed"}, "skipped", "unsubscribed"),
        ({"suppressed": "unsubscribed", "kind": "transactional"}, "sending", "all_checks_passed"),
        ({"suppressed": "complaint", "kind": "transactional"}, "skipped", "complaint"),
        ({"has_address": False}, "skipped", "erased"),
        ({"order_cancelled": True}, "skipped", "order_cancelled"),
        ({"order_refunded": True}, "skipped", "order_refunded"),
        ({"order_test": True}, "skipped", "test_order"),
        ({"eligible": False}, "skipped", "not_eligible"),
        ({"felt_worse": True}, "skipped", "felt_worse"),
        ({"product_blocked": True}, "skipped", "product_blocked"),
        ({"condition_holds": False}, "skipped", "condition"),
        ({"valid_until": NOW - timedelta(hours=1)}, "expired", "too_late_to_be_of_use"),
        ({"last_marketing_at": NOW - timedelta(hours=1)}, "defer", "one_email_at_a_time"),
        ({"last_marketing_at": NOW, "valid_until": NOW + timedelta(hours=2)}, "expired", "one_email_at_a_time"),
        ({"shop_paused": True}, "defer", "shop_paused"),
    ],
)
def test_send_policy_returns_verdict_and_reason(change: dict, verdict: str, reason: str) -> None:
    decision = decide(replace(FINE, **change))

    assert (decision.verdict, decision.reason) == (verdict, reason)


def test_email_state_changes_only_along_allowed_transitions() -> None:
    assert next_state(PLANNED, "queued") == "queued"
    with pytest.raises(WrongState):
        next_state(SENT, SENDING)
    assert {to for ways in TRANSITIONS.values() for to in ways} <= set(TRANSITIONS)


def test_due_date_counts_from_delivery_else_fulfillment_else_order() -> None:
    step = Step("s", "l", anchor={"delivered": 1, "fulfilled": 3, "placed": 5})
    later = NOW + timedelta(days=2)

    assert due_at(step, {"placed": NOW}, (), "UTC") == NOW + timedelta(days=5)
    assert due_at(step, {"placed": NOW, "fulfilled": later}, (), "UTC") == later + timedelta(days=3)
    assert due_at(step, {"placed": NOW, "delivered": NOW}, (), "UTC") == NOW + timedelta(days=1)
    assert due_at(step, {}, (), "UTC") is None


def test_email_is_due_at_its_local_time() -> None:
    step = Step("s", "l", after=After(days=1, at="09:30"))

    assert due_at(step, {"placed": NOW}, (), "America/New_York") == datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


def test_replenish_email_is_due_after_a_share_of_the_uses() -> None:
    step = Step("s", "l", after=After(uses=Decimal("0.8")))
    bought = (Bought(Product("A", "A", uses=35), 2),)

    assert due_at(step, {"placed": NOW}, bought, "UTC") == NOW + timedelta(weeks=8)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("order.contains = form:cream|salve", True),
        ("order.contains = form:spray", False),
        ("order.contains != form:spray", True),
        ("order.count > 1", True),
        ("email.sent = how-to-use", False),
        ("not email.sent = how-to-use", True),
        ("consent.marketing = yes & outcome = products", False),
        ("area = calves", False),
    ],
)
def test_email_conditions_use_facts_of_the_order_and_the_contact(condition: str, holds: bool) -> None:
    facts = ConditionFacts(
        bought=(Bought(Product("A", "A", "cream"), 1),), order_count=2, consents=frozenset({"marketing"})
    )

    assert condition_holds(parse_condition(condition), facts) is holds


def test_html_and_text_parts_have_the_same_content() -> None:
    body = "Hello,\n\n1. **Try a patch.** Wait a day.\n\n- one\n- two\n\n## After\n\nSee [this](https://doi.org/10.1)."
    blocks = email_blocks(body, {})
    html, text = html_part(FRAME, blocks)[0], text_part(FRAME, blocks)

    assert [type(block) for block in blocks][:2] == [Paragraph, Steps]
    for words in (
        "Hello,",
        "Try a patch.",
        "Wait a day.",
        "12 Example Lane",
        "https://quiz.example/u/x",
        "https://doi.org/10.1",
    ):
        assert words in html
        assert words in text
    assert len(html.encode()) < 80_000


def test_email_html_has_no_scripts_and_loads_no_external_fonts() -> None:
    html = html_part(FRAME, email_blocks("Hello", {}))[0]

    assert "fonts.google" not in html
    assert "@import" not in html
    assert "<script" not in html


@pytest.mark.parametrize(
    "body", ["{{ missing }}", "[[nonsense]]", "[[button nowhere]]", "{% if %}", "{{ ().__class__.__mro__ }}"]
)
def test_unknown_or_invalid_template_content_stops_an_email(body: str) -> None:
    with pytest.raises(CannotWrite):
        email_blocks(body, {"blocks": {}})


def test_markup_in_values_is_escaped_in_email_html() -> None:
    html, _ = html_part(
        replace(FRAME, shop='<img src=x onerror="1">'), email_blocks("<script>x</script> {{ name }}", {"name": "<b>"})
    )

    assert "<script>" not in html
    assert "<img src=x" not in html


def test_header_injection_is_prevented_and_one_click_unsubscribe_appears_once() -> None:
    raw = message_with(Written("Hi\r\nBcc: all@x.example", "<p>x</p>", "x"), sender_name="Shop\r\nBcc: x@x.example")

    assert b"\nBcc:" not in raw
    assert raw.count(b"List-Unsubscribe:") == raw.count(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click") == 1
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


@pytest.mark.parametrize(
    "text", ["short", "one long line " * 40, "ñandú " * 60, "one\ntwo\r\nthree " + "x" * 300, ".\n..\n. ", ""]
)
def test_quoted_printable_keeps_the_text_and_the_line_limits(text: str) -> None:
    encoded = quoted_printable(text)

    assert b"\n" not in encoded.replace(b"\r\n", b"")
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert quopri.decodestring(encoded).decode() == text.replace("\r\n", "\n").replace("\n", "\r\n")


def test_message_has_the_html_and_the_lines_that_email_allows() -> None:
    """The HTML is encoded in parts around the recipient's values; joined, they must read as if encoded at once."""
    written = compose(
        FRAME, email_blocks('Hello\n\n[[button "Go" result_url]]', {"result_url": "https://x.example/" + "a" * 300})
    )
    raw = message_with(written)
    parsed = cast(EmailMessage, message_from_bytes(raw, policy=default))

    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))
    html, plain = parsed.get_body(("html",)), parsed.get_body(("plain",))
    assert html is not None
    assert plain is not None
    assert html.get_content().replace("\r\n", "\n").rstrip() == written.html.rstrip()
    assert plain.get_content().replace("\r\n", "\n") == written.text
