"""Result codes, tokens, and webhook signatures."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widget.crypto import Crypto, InvalidToken
from widget.domain.engine.code import BadCode, pack_answers, unpack_answers
from widget.domain.engine.live import Engine
from widget.domain.orders.webhook import BadSignature, Ignored, Unreadable
from widget.stores.standard import new_secret, parse, sign, verify

KEY, OTHER = "k" * 20 + "1234567890abcdef", "o" * 20 + "1234567890abcdef"
SUPPRESSION = "s" * 20 + "1234567890abcdef"
CRYPTO = Crypto([KEY], SUPPRESSION)
NOW = datetime.now(UTC)


@given(st.binary(max_size=60))
def test_code_decrypts_to_its_content_and_is_deterministic(plain: bytes) -> None:
    code = CRYPTO.code(plain, b"demo")

    assert CRYPTO.open_code(code, b"demo") == plain
    assert CRYPTO.code(plain, b"demo") == code


@given(st.text(max_size=80))
def test_arbitrary_text_is_not_a_valid_code(text: str) -> None:
    with pytest.raises(InvalidToken):
        CRYPTO.open_code(text, b"demo")


def test_code_is_valid_for_its_shop_only_and_token_for_its_purpose_only() -> None:
    code, token = CRYPTO.code(b"x", b"demo"), CRYPTO.token("u", 7)

    with pytest.raises(InvalidToken):
        CRYPTO.open_code(code, b"other")
    with pytest.raises(InvalidToken):
        CRYPTO.open_token("p", token)
    assert CRYPTO.open_token("u", token) == 7


def test_old_codes_still_open_after_a_key_rotation_and_new_ones_use_the_new_key() -> None:
    rotated = Crypto([OTHER, KEY], SUPPRESSION)

    assert rotated.open_code(CRYPTO.code(b"x"), *()) == b"x"
    assert rotated.code(b"x") != CRYPTO.code(b"x")
    assert rotated.decrypt(CRYPTO.encrypt("whsec_x", "a"), "a") == "whsec_x"
    assert rotated.address_hash("demo", " A@B.example ") == CRYPTO.address_hash("demo", "a@b.example")
    assert rotated.address_hash("demo", "a@b.example") != rotated.address_hash("other", "a@b.example")


def test_packed_answers_unpack_to_the_same_answers(mini: Engine) -> None:
    quiz = mini.rules.pack.quiz
    answers = {"area": ["calves", "quads"], "soreness": ["10"], "warning": ["none"]}

    assert unpack_answers(quiz, pack_answers(quiz, answers)) == answers
    with pytest.raises(BadCode):
        unpack_answers(quiz, b"\xff" * 12)


def test_signature_example_of_the_standard_webhooks_specification_verifies() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,bm9ldHU= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    delivery = verify(headers, body, known_secrets=[secret], now=datetime.fromtimestamp(1614265330, UTC))

    assert delivery.event_id == headers["webhook-id"]


@pytest.mark.parametrize("fault", ["body", "old", "future", "id", "none", "secret", "stamp"])
def test_webhook_with_a_wrong_signature_id_body_or_timestamp_is_refused(fault: str) -> None:
    secret, body, stamp = new_secret(), b"{}", int(NOW.timestamp())
    headers = {"webhook-id": "m", "webhook-timestamp": str(stamp), "webhook-signature": sign(secret, "m", stamp, body)}
    when = NOW + timedelta(minutes={"old": 6, "future": -6}.get(fault, 0))
    if fault == "body":
        body = b"{ }"
    if fault == "id":
        headers["webhook-id"] = "n"
    if fault == "none":
        headers["webhook-signature"] = ""
    if fault == "stamp":
        headers["webhook-timestamp"] = "soon"
    known = [new_secret()] if fault == "secret" else [secret]

    with pytest.raises(BadSignature):
        verify(headers, body, known_secrets=known, now=when)


def test_both_webhook_secrets_are_valid_during_a_rotation() -> None:
    old, new, stamp = new_secret(), new_secret(), int(NOW.timestamp())
    headers = {"webhook-id": "m", "webhook-timestamp": str(stamp), "webhook-signature": sign(old, "m", stamp, b"{}")}

    assert verify(headers, b"{}", known_secrets=[new, old], now=NOW)


@pytest.mark.parametrize("body", [b"\xff\xfe", '{"a": "caf\u00e9"}'.encode("latin-1")])
def test_webhook_body_that_is_not_utf_8_is_refused(body: bytes) -> None:
    headers = {"webhook-id": "m", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": "v1,abc"}

    with pytest.raises(BadSignature):
        verify(headers, body, known_secrets=[new_secret()], now=NOW)


@pytest.mark.parametrize("given", ["v1", "v1,not base64", "v2,abc", ",", "v1,\u00e9"])
def test_malformed_webhook_signature_is_refused(given: str) -> None:
    headers = {"webhook-id": "m", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": given}

    with pytest.raises(BadSignature):
        verify(headers, b"{}", known_secrets=[new_secret()], now=NOW)


@pytest.mark.parametrize("stamp", ["999999999999", "0", "-1", "1e9"])
def test_webhook_timestamp_far_from_now_is_refused(stamp: str) -> None:
    headers = {"webhook-id": "m", "webhook-timestamp": stamp, "webhook-signature": "v1,abc"}

    with pytest.raises(BadSignature):
        verify(headers, b"{}", known_secrets=[new_secret()], now=NOW)


def read(body: bytes) -> Any:
    """Return the only event in a body."""
    (event,) = parse("", body, received_at=datetime.now(UTC))
    return event


def order(**change: object) -> bytes:
    data = {"id": "820982911946154508", "email": "a@shop.example", "lines": [], **change}
    return json.dumps({"type": "order.placed", "timestamp": NOW.isoformat(), "data": {"order": data}}).encode()


def test_numeric_order_ids_beyond_2_to_the_53_stay_exact() -> None:
    assert read(order(id=820982911946154508)).external_id == "820982911946154508"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"type": "order.placed"}',
        order(id=None),
        order(lines="x"),
        order(total="NaN"),
        order(email="a\x00b"),
        order(placed_at="soon"),
        b'{"a":' * 5000,
    ],
    ids=[
        *("empty", "list", "no-text", "no-data", "no-id", "lines-text"),
        *("total-nan", "nul", "time-word", "deep"),
    ],  # Without ids, test names would contain the time in the bodies.
)
def test_signed_body_that_is_not_an_order_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)


def test_event_of_another_type_is_ignored() -> None:
    with pytest.raises(Ignored):
        read(b'{"type": "order.exploded", "timestamp": "2026-11-22T00:00:00Z", "data": {"order": {"id": "1"}}}')


def test_quantity_that_is_not_a_number_counts_as_one() -> None:
    assert [line.quantity for line in read(order(lines=[{"quantity": "many"}, {"quantity": "2.5"}])).lines] == [
        1,
        Decimal("2.5"),
    ]


def test_order_total_may_be_in_minor_units_or_decimal() -> None:
    assert read(order(total=2400)).total == 2400
    assert read(order(total="24.00")).total == 2400
