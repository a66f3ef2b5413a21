"""From hook to letter, on both databases: nothing lost, nothing doubled, everything explained."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, select, text

from tests.conftest import GOOD, client_of, leg_day_files, publish_files
from tests.console_forms import client_in
from widget.actions.answer_check_in import answer_check_in, check_in_token
from widget.actions.change_consent import choose, confirm_consent, erase, unsubscribe
from widget.actions.change_product import change_product
from widget.actions.handle_hooks import handle_hooks
from widget.actions.purge_expired import purge_expired
from widget.actions.receive_hook import receive_hook
from widget.actions.request_letter import request_letter
from widget.actions.rescue_letters import rescue_letters
from widget.actions.send_again import NotAgain, send_again
from widget.actions.send_letter import send_due_letters, send_letter
from widget.actions.submit_answers import record_response, submit_answers
from widget.domain.delivery import BadSignature
from widget.mail.carrier import Later, MemoryCarrier, Never, Unclear
from widget.parts import Parts
from widget.seals import WEBHOOK_SECRET
from widget.storage.contacts import Consent, Contact
from widget.storage.hooks import FAILED, Hook
from widget.storage.letters import Letter, claim_due
from widget.storage.migrate import drift
from widget.storage.orders import Order
from widget.storage.responses import Response
from widget.storage.shops import shop_by_slug
from widget.stores.standard import sign

EMAIL = "runner@shop.example"


def hook(
    parts: Parts,
    kind: str = "order.placed",
    *,
    event_id: str = "",
    body: bytes | None = None,
    days: float = 0,
    order: str = "1042",
    **fields: Any,
) -> bool:
    """Deliver a signed hook, as a store does."""
    at = (parts.now() + timedelta(days=days)).isoformat()
    data = {
        "id": order,
        "number": order,
        "email": EMAIL,
        "accepts_marketing": True,
        "lines": [{"sku": "ROLL-75", "quantity": 1}],
        **({"placed_at": at} if kind == "order.placed" else {}),
        **fields,
    }
    body = body if body is not None else json.dumps({"type": kind, "timestamp": at, "data": {"order": data}}).encode()
    event_id, stamp = event_id or f"msg_{time.monotonic_ns()}", int(time.time())
    with parts.reads() as session:
        shop = shop_by_slug(session, "demo")
        assert shop is not None
        secret = parts.seals.unseal(shop.sealed_secrets[0], WEBHOOK_SECRET)
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(secret, event_id, stamp, body),
    }
    return receive_hook(parts, shop="demo", headers=headers, body=body)


def letters(parts: Parts) -> dict[str, Letter]:
    with parts.reads() as session:
        return {row.letter: row for row in session.scalars(select(Letter).order_by(Letter.id))}


def rows(parts: Parts, table: type) -> list[Any]:
    with parts.reads() as session:
        return list(session.scalars(select(table)))


def go_to(parts: Parts, letter: str) -> None:
    parts.clock.move_to(letters(parts)[letter].due_at + timedelta(seconds=1))


def sent(parts: Parts) -> list[str]:
    assert isinstance(parts.carrier, MemoryCarrier)
    return [str(message["Subject"]) for _, message in parts.carrier.sent]


class Refusing(MemoryCarrier):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def send(self, message: Any, recipient: str) -> None:
        raise self.error


def with_carrier(parts: Parts, carrier: Any) -> Parts:
    object.__setattr__(parts, "carrier", carrier)
    return parts


def test_tables_and_migrations_agree(parts: Parts) -> None:
    assert drift(parts.database) == []


def test_an_order_becomes_dated_letters_and_they_go_when_due(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    planned = letters(parts)

    assert set(planned) == {"how-to-use", "check-in", "review", "replenish"}
    assert {row.state for row in planned.values()} == {"planned"}
    assert send_due_letters(parts) == 0

    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert sent(parts) == ["Your Stride Roll-on is here. Start like this."]
    row = letters(parts)["how-to-use"]
    assert [step["state"] for step in row.decisions] == ["planned", "sending", "sent"]
    assert row.message_id


def test_a_repeated_hook_has_no_second_effect(parts: Parts) -> None:
    assert hook(parts, event_id="same") is True
    assert hook(parts, event_id="same") is False
    hook(parts, event_id="other")  # The same order, told again under another id.
    handle_hooks(parts)

    assert len(rows(parts, Order)) == 1
    assert len(rows(parts, Letter)) == 4


def test_fifty_copies_at_once_are_one(parts: Parts) -> None:
    fresh: list[bool] = []
    threads = [threading.Thread(target=lambda: fresh.append(hook(parts, event_id="storm"))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert fresh.count(True) == 1
    assert len(fresh) == 50
    assert len(rows(parts, Hook)) == 1


@pytest.mark.parametrize(
    "kinds", [("placed", "cancelled"), ("cancelled", "placed"), ("refunded", "placed"), ("placed", "refunded")]
)
def test_a_cancelled_or_refunded_order_gets_no_letter_whatever_came_first(parts: Parts, kinds: tuple[str, str]) -> None:
    for kind in kinds:
        hook(parts, f"order.{kind}", days=0 if kind == "placed" else 0.01)
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    send_due_letters(parts)
    row = letters(parts)["how-to-use"]

    assert sent(parts) == []
    assert (row.state, row.reason.split("_")[0]) == ("skipped", "order")


def test_due_dates_follow_later_events_until_a_letter_is_queued(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    before = letters(parts)["how-to-use"].due_at
    hook(parts, "order.delivered", days=1)
    handle_hooks(parts)

    assert letters(parts)["how-to-use"].due_at < before


def test_consent_is_asked_again_at_send_time(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    contact = rows(parts, Contact)[0]
    unsubscribe(parts, "u", parts.seals.token("u", contact.id))
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert sent(parts) == []
    assert letters(parts)["how-to-use"].reason == "unsubscribed"


@pytest.mark.parametrize(
    ("fields", "reason"), [({"accepts_marketing": False}, "no_consent"), ({"accepts_marketing": None}, "no_consent")]
)
def test_without_a_yes_nothing_goes(parts: Parts, fields: dict, reason: str) -> None:
    hook(parts, **fields)
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert letters(parts)["how-to-use"].reason == reason


def test_test_orders_and_orders_without_address_get_no_letters(parts: Parts) -> None:
    hook(parts, test=True)
    hook(parts, order="2", email=None)
    hook(parts, order="3", email="not an address")
    handle_hooks(parts)

    assert letters(parts) == {}
    assert len(rows(parts, Order)) == 3


def test_contradictory_consent_is_a_no(parts: Parts) -> None:
    hook(parts, accepts_marketing=True)
    hook(parts, accepts_marketing=False)
    hook(parts, accepts_marketing=True)
    handle_hooks(parts)

    assert rows(parts, Order)[0].accepts_marketing is False


def test_a_red_flag_leaves_only_not_eligible_with_the_order(parts: Parts) -> None:
    flagged = {**GOOD, "signs": ["dark-urine"] if _has(parts, "dark-urine") else [_flag(parts)]}
    served, known = submit_answers(parts, shop="demo", quiz="leg-day", answers=flagged)
    visit = record_response(parts, served, known, None)
    parts.recorder.flush()
    hook(parts, attributes={"recovery_quiz": visit})
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert known.products == ()
    assert rows(parts, Order)[0].eligible is False
    assert letters(parts)["how-to-use"].reason == "not_eligible"
    assert letters(parts)["how-to-use"].result_code == ""


def _has(parts: Parts, option: str) -> bool:
    served = parts.live.live("demo", "leg-day")
    assert served is not None
    return option in served.engine.rules.pack.quiz.by_id["signs"].option_ids


def _flag(parts: Parts) -> str:
    served = parts.live.live("demo", "leg-day")
    assert served is not None
    return next(each for each in served.engine.rules.pack.quiz.by_id["signs"].option_ids if each != "none")


def test_a_withheld_product_is_in_no_letter(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    change_product(parts, shop="demo", sku="ROLL-75", blocked=True, reason="recall")
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert letters(parts)["how-to-use"].reason == "product_withheld"


def test_worse_ends_the_product_letters_of_the_order(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    answer_check_in(parts, check_in_token(parts, letters(parts)["check-in"].id, "worse"))
    go_to(parts, "how-to-use")
    send_due_letters(parts)

    assert letters(parts)["how-to-use"].reason == "felt_worse"


@pytest.mark.parametrize(
    ("error", "state"),
    [(Later("451 4.3.0"), "planned"), (Never("550 5.1.1"), "failed"), (Unclear("cut"), "unconfirmed")],
)
def test_a_carriers_answer_decides(parts: Parts, error: Exception, state: str) -> None:
    hook(parts)
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    send_due_letters(with_carrier(parts, Refusing(error)))
    row = letters(parts)["how-to-use"]

    assert row.state == state
    assert EMAIL not in row.reason


def test_an_unconfirmed_letter_is_sent_again_only_by_hand(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    send_due_letters(with_carrier(parts, Refusing(Unclear("cut"))))
    row = letters(parts)["how-to-use"]
    with_carrier(parts, MemoryCarrier())

    assert send_due_letters(parts) == 0
    send_again(parts, row.id)
    send_due_letters(parts)
    assert len(sent(parts)) == 1
    with pytest.raises(NotAgain):
        send_again(parts, row.id)


def test_a_worker_that_died_while_sending_doubles_nothing(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    died = type("Killed", (BaseException,), {})
    with pytest.raises(died):
        send_due_letters(with_carrier(parts, Refusing(died())))
    with_carrier(parts, MemoryCarrier())
    parts.clock.move_to(parts.now() + timedelta(minutes=20))

    assert rescue_letters(parts) == 1
    assert letters(parts)["how-to-use"].state == "unconfirmed"
    send_due_letters(parts)
    assert "Your Stride Roll-on is here. Start like this." not in sent(parts)


def test_a_worker_that_died_before_sending_loses_nothing(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    with parts.sessions.begin() as session:
        assert len(claim_due(session, parts.now(), 10)) == 1
    parts.clock.move_to(parts.now() + timedelta(minutes=6))
    rescue_letters(parts)
    send_due_letters(parts)

    assert len(sent(parts)) == 1


def test_many_workers_claim_each_letter_once(parts: Parts) -> None:
    for number in range(12):
        hook(parts, order=str(number), email=f"runner{number}@shop.example")
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    threads = [threading.Thread(target=send_due_letters, args=(parts,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert isinstance(parts.carrier, MemoryCarrier)
    receivers = [recipient for recipient, _ in parts.carrier.sent]
    assert len(receivers) == len(set(receivers)) == 12


def test_a_letter_that_was_sent_is_never_sent_twice(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    go_to(parts, "how-to-use")
    send_due_letters(parts)
    send_letter(parts, letters(parts)["how-to-use"].id)

    assert len(sent(parts)) == 1


def test_an_unreadable_signed_hook_is_kept_and_shown(parts: Parts) -> None:
    hook(parts, body=b"{}")
    hook(parts, body=b"not json")
    handle_hooks(parts)

    assert {row.state for row in rows(parts, Hook)} == {FAILED}
    assert all(row.error for row in rows(parts, Hook))
    page = client_in(parts, "publisher").get("/console/shops/demo/orders/deliveries").get_data(as_text=True)
    assert "no order event" in page


def test_a_bad_signature_stores_nothing(parts: Parts) -> None:
    with pytest.raises(BadSignature):
        receive_hook(parts, shop="demo", headers={}, body=b"{}")

    assert rows(parts, Hook) == []


def test_a_requested_result_comes_by_letter_and_consent_counts_once_confirmed(parts: Parts) -> None:
    served, known = submit_answers(parts, shop="demo", quiz="leg-day", answers=GOOD)
    code = json.loads(known.body)["code"]
    consents = {"result": True, "marketing": True, "health_data": True}
    for _ in range(2):
        request_letter(parts, served=served, code=code, email=EMAIL.upper(), consents=consents, text_version="1")
    send_due_letters(parts)
    contact = rows(parts, Contact)[0]

    assert len(sent(parts)) == 2  # The result and the confirmation, each once.
    assert {row.state for row in rows(parts, Consent)} == {"pending"}
    bodies = [message.get_body(("plain",)).get_content() for _, message in parts.carrier.sent]
    links = [link for body in bodies for link in re.findall(r"http://quiz\.localhost(/l/\S+)", body)]
    assert [client_of(parts).get(link).location for link in links] == [f"http://quiz.localhost/demo/r/{code}"]
    assert not any("calves" in body.lower() for body in bodies)  # The first mail holds a link, no answers.

    confirm_consent(parts, "c", parts.seals.token("c", contact.id))
    states = {row.kind: row.state for row in rows(parts, Consent)}
    assert states == {"result": "granted", "marketing": "granted", "health_data": "granted"}


def test_choices_can_be_taken_back(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    token = parts.seals.token("p", rows(parts, Contact)[0].id)

    assert choose(parts, "p", token, {"marketing"}).consents["marketing"] == "granted"
    assert choose(parts, "p", token, set()).consents["marketing"] == "withdrawn"


def test_erasure_leaves_the_address_in_no_table(parts: Parts) -> None:
    hook(parts)
    handle_hooks(parts)
    contact = rows(parts, Contact)[0]
    erase(parts, "p", parts.seals.token("p", contact.id))

    with parts.reads() as session:
        for table in inspect(parts.database).get_table_names():
            found = session.execute(text(f'SELECT * FROM "{table}"')).all()
            assert not any(
                EMAIL in str(value) or EMAIL.encode() in bytes(str(value), "utf8") for row in found for value in row
            ), table
            assert not any(
                isinstance(value, bytes | memoryview) and EMAIL.encode() in bytes(value)
                for row in found
                for value in row
            )
    assert {row.state for row in rows(parts, Letter)} == {"skipped"}


def test_responses_are_stored_within_a_second_and_forgotten_after_thirty_days(parts: Parts) -> None:
    served, known = submit_answers(parts, shop="demo", quiz="leg-day", answers=GOOD)
    visit = record_response(parts, served, known, None)
    deadline = time.monotonic() + 5
    while not rows(parts, Response) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert [row.visit for row in rows(parts, Response)] == [visit]
    parts.clock.move_to(parts.now() + timedelta(days=31))
    assert purge_expired(parts) == 1
    assert rows(parts, Response) == []


def test_a_publish_never_changes_a_version_and_a_rollback_moves_back(parts: Parts) -> None:
    files = leg_day_files()
    first = parts.live.live("demo", "leg-day")
    assert first is not None
    changed = {**files, "quiz.yaml": files["quiz.yaml"].replace("Legs sore after training?", "Sore legs?")}

    assert publish_files(parts, files) == 1  # The same content is the same version.
    assert publish_files(parts, changed) == 2
    live = parts.live.live("demo", "leg-day")
    assert live is not None
    assert live.engine.rules.pack.quiz.intro.title == "Sore legs?"
    old = parts.live.version("demo", "leg-day", 1)
    assert old is not None
    assert old.engine.rules.pack.quiz.intro.title == "Legs sore after training?"


def test_shops_do_not_see_each_other(parts: Parts, make_parts: Callable[..., Parts]) -> None:
    from widget.actions.add_shop import add_shop

    add_shop(parts, "other", name="Other", postal_address="x")
    publish_files(parts, leg_day_files(), shop="other")
    _, known = submit_answers(parts, shop="demo", quiz="leg-day", answers=GOOD)
    code = json.loads(known.body)["code"]
    web = client_of(parts)

    assert web.get(f"/v1/shops/demo/quizzes/leg-day/results/{code}").status_code == 200
    assert web.get(f"/v1/shops/other/quizzes/leg-day/results/{code}").status_code == 404
    assert web.get(f"/other/r/{code}").status_code == 404
