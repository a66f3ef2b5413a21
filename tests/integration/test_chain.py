"""The path from webhook to email on both databases: no losses, no duplicates, and a reason for every decision."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import inspect, text

from tests.support.console_forms import client_in
from tests.support.database import rows
from tests.support.emails import Refusing, emails, go_to, sent, with_transport
from tests.support.orders import EMAIL, webhook
from tests.support.packs import GOOD, leg_day_files, publish_files
from tests.support.services import client_of
from widget.actions.catalog.change_product import change_product
from widget.actions.emails.answer_check_in import answer_check_in, check_in_token
from widget.actions.emails.request_email import request_email
from widget.actions.emails.rescue_emails import rescue_emails
from widget.actions.emails.send_again import NotAgain, send_again
from widget.actions.emails.send_email import send_due_emails, send_email
from widget.actions.privacy.change_consent import choose, confirm_consent, erase, unsubscribe
from widget.actions.privacy.purge_expired import purge_expired
from widget.actions.quiz.submit_answers import record_response, submit_answers
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.actions.webhooks.receive_webhook import receive_webhook
from widget.domain.orders.webhook import BadSignature
from widget.email.transport import MemoryTransport, PermanentFailure, TemporaryFailure, UnknownOutcome
from widget.services import Services
from widget.storage.contacts import Consent, Contact
from widget.storage.emails import Email, claim_due
from widget.storage.migrate import drift
from widget.storage.orders import Order
from widget.storage.responses import Response
from widget.storage.webhook_deliveries import DELIVERY_FAILED, WebhookDelivery


def test_models_and_migrations_agree(services: Services) -> None:
    assert drift(services.database) == []


def test_order_plans_emails_that_are_sent_when_due(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    planned = emails(services)

    assert set(planned) == {"how-to-use", "check-in", "review", "replenish"}
    assert {row.state for row in planned.values()} == {"planned"}
    assert send_due_emails(services) == 0

    go_to(services, "how-to-use")
    send_due_emails(services)

    assert sent(services) == ["Getting started with your Stride Roll-on"]
    row = emails(services)["how-to-use"]
    assert [step["state"] for step in row.history] == ["planned", "sending", "sent"]
    assert row.message_id


def test_a_repeated_webhook_has_no_second_effect(services: Services) -> None:
    assert webhook(services, event_id="same") is True
    assert webhook(services, event_id="same") is False
    webhook(services, event_id="other")  # The same order, delivered again with another event ID.
    process_webhooks(services)

    assert len(rows(services, Order)) == 1
    assert len(rows(services, Email)) == 4


def test_fifty_concurrent_copies_of_a_webhook_are_stored_once(services: Services) -> None:
    fresh: list[bool] = []
    threads = [threading.Thread(target=lambda: fresh.append(webhook(services, event_id="storm"))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert fresh.count(True) == 1
    assert len(fresh) == 50
    assert len(rows(services, WebhookDelivery)) == 1


@pytest.mark.parametrize(
    "kinds", [("placed", "cancelled"), ("cancelled", "placed"), ("refunded", "placed"), ("placed", "refunded")]
)
def test_canceled_or_refunded_order_gets_no_email_in_any_event_order(
    services: Services, kinds: tuple[str, str]
) -> None:
    for kind in kinds:
        webhook(services, f"order.{kind}", days=0 if kind == "placed" else 0.01)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)
    row = emails(services)["how-to-use"]

    assert sent(services) == []
    assert (row.state, row.reason.split("_")[0]) == ("skipped", "order")


def test_delivery_event_moves_the_due_date_of_a_planned_email(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    before = emails(services)["how-to-use"].due_at
    webhook(services, "order.delivered", days=1)
    process_webhooks(services)

    assert emails(services)["how-to-use"].due_at < before


def test_consent_is_checked_again_at_send_time(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    contact = rows(services, Contact)[0]
    unsubscribe(services, "u", services.crypto.token("u", contact.id))
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert sent(services) == []
    assert emails(services)["how-to-use"].reason == "unsubscribed"


@pytest.mark.parametrize(
    ("fields", "reason"), [({"accepts_marketing": False}, "no_consent"), ({"accepts_marketing": None}, "no_consent")]
)
def test_order_without_marketing_consent_gets_no_email(services: Services, fields: dict, reason: str) -> None:
    webhook(services, **fields)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == reason


def test_test_orders_and_orders_without_address_get_no_emails(services: Services) -> None:
    webhook(services, test=True)
    webhook(services, order="2", email=None)
    webhook(services, order="3", email="not an address")
    process_webhooks(services)

    assert emails(services) == {}
    assert len(rows(services, Order)) == 3


def test_contradictory_consent_counts_as_no_consent(services: Services) -> None:
    webhook(services, accepts_marketing=True)
    webhook(services, accepts_marketing=False)
    webhook(services, accepts_marketing=True)
    process_webhooks(services)

    assert rows(services, Order)[0].accepts_marketing is False


def test_red_flag_answers_mark_the_order_only_as_not_eligible(services: Services) -> None:
    flagged = {**GOOD, "signs": ["dark-urine"] if _has(services, "dark-urine") else [_flag(services)]}
    loaded, known = submit_answers(services, shop="demo", quiz="leg-day", answers=flagged)
    visit = record_response(services, loaded, known, None)
    services.recorder.flush()
    webhook(services, attributes={"recovery_quiz": visit})
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert known.products == ()
    assert rows(services, Order)[0].eligible is False
    assert emails(services)["how-to-use"].reason == "not_eligible"
    assert emails(services)["how-to-use"].result_code == ""


def _has(services: Services, option: str) -> bool:
    loaded = services.quizzes.live("demo", "leg-day")
    assert loaded is not None
    return option in loaded.engine.rules.pack.quiz.by_id["signs"].option_ids


def _flag(services: Services) -> str:
    loaded = services.quizzes.live("demo", "leg-day")
    assert loaded is not None
    return next(
        option_id for option_id in loaded.engine.rules.pack.quiz.by_id["signs"].option_ids if option_id != "none"
    )


def test_blocked_product_is_not_promoted_by_email(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    change_product(services, shop="demo", sku="ROLL-75", blocked=True, reason="recall")
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "product_blocked"


def test_check_in_answer_worse_stops_the_product_emails_of_the_order(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    answer_check_in(services, check_in_token(services, emails(services)["check-in"].id, "worse"))
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "felt_worse"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TemporaryFailure("451 4.3.0"), "planned"),
        (PermanentFailure("550 5.1.1"), "failed"),
        (UnknownOutcome("cut"), "delivery_unknown"),
    ],
)
def test_email_state_follows_the_provider_response(services: Services, error: Exception, state: str) -> None:
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(with_transport(services, Refusing(error)))
    row = emails(services)["how-to-use"]

    assert row.state == state
    assert EMAIL not in row.reason


def test_delivery_unknown_email_is_sent_again_only_manually(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(with_transport(services, Refusing(UnknownOutcome("cut"))))
    row = emails(services)["how-to-use"]
    with_transport(services, MemoryTransport())

    assert send_due_emails(services) == 0
    send_again(services, row.id)
    send_due_emails(services)
    assert len(sent(services)) == 1
    with pytest.raises(NotAgain):
        send_again(services, row.id)


def test_worker_that_died_while_sending_duplicates_no_email(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    died = type("Killed", (BaseException,), {})
    with pytest.raises(died):
        send_due_emails(with_transport(services, Refusing(died())))
    with_transport(services, MemoryTransport())
    services.clock.move_to(services.now() + timedelta(minutes=20))

    assert rescue_emails(services) == 1
    assert emails(services)["how-to-use"].state == "delivery_unknown"
    send_due_emails(services)
    assert "Getting started with your Stride Roll-on" not in sent(services)


def test_worker_that_died_before_sending_loses_no_email(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    with services.sessions.begin() as session:
        assert len(claim_due(session, services.now(), 10)) == 1
    services.clock.move_to(services.now() + timedelta(minutes=6))
    rescue_emails(services)
    send_due_emails(services)

    assert len(sent(services)) == 1


def test_concurrent_workers_send_each_email_once(services: Services) -> None:
    for number in range(12):
        webhook(services, order=str(number), email=f"runner{number}@shop.example")
    process_webhooks(services)
    go_to(services, "how-to-use")
    threads = [threading.Thread(target=send_due_emails, args=(services,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert isinstance(services.transport, MemoryTransport)
    receivers = [recipient for recipient, _ in services.transport.sent]
    assert len(receivers) == len(set(receivers)) == 12


def test_sent_email_is_never_sent_twice(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)
    send_email(services, emails(services)["how-to-use"].id)

    assert len(sent(services)) == 1


def test_unreadable_signed_webhook_fails_and_is_shown_in_the_console(services: Services) -> None:
    webhook(services, body=b"{}")
    webhook(services, body=b"not json")
    process_webhooks(services)

    assert {row.state for row in rows(services, WebhookDelivery)} == {DELIVERY_FAILED}
    assert all(row.error for row in rows(services, WebhookDelivery))
    page = client_in(services, "publisher").get("/console/shops/demo/orders/deliveries").get_data(as_text=True)
    assert "not a valid order event" in page


def test_webhook_with_a_bad_signature_is_not_stored(services: Services) -> None:
    with pytest.raises(BadSignature):
        receive_webhook(services, shop="demo", headers={}, body=b"{}")

    assert rows(services, WebhookDelivery) == []


def test_requested_result_is_emailed_and_consent_counts_once_confirmed(services: Services) -> None:
    loaded, known = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)
    code = json.loads(known.body)["code"]
    consents = {"result": True, "marketing": True, "health_data": True}
    for _ in range(2):
        request_email(services, loaded=loaded, code=code, email=EMAIL.upper(), consents=consents, text_version="1")
    send_due_emails(services)
    contact = rows(services, Contact)[0]

    assert len(sent(services)) == 2  # The result and the confirmation, each once.
    assert {row.state for row in rows(services, Consent)} == {"pending"}
    bodies = [message.get_body(("plain",)).get_content() for _, message in services.transport.sent]
    links = [link for body in bodies for link in re.findall(r"http://quiz\.localhost(/l/\S+)", body)]
    assert [client_of(services).get(link).location for link in links] == [f"http://quiz.localhost/demo/r/{code}"]
    assert not any("calves" in body.lower() for body in bodies)  # The first email contains a link but no answers.

    confirm_consent(services, "c", services.crypto.token("c", contact.id))
    states = {row.kind: row.state for row in rows(services, Consent)}
    assert states == {"result": "granted", "marketing": "granted", "health_data": "granted"}


def test_marketing_consent_can_be_withdrawn_on_the_preference_page(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    token = services.crypto.token("p", rows(services, Contact)[0].id)

    assert choose(services, "p", token, {"marketing"}).consents["marketing"] == "granted"
    assert choose(services, "p", token, set()).consents["marketing"] == "withdrawn"


def test_erasure_leaves_the_address_in_no_table(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    contact = rows(services, Contact)[0]
    erase(services, "p", services.crypto.token("p", contact.id))

    with services.reads() as session:
        for table in inspect(services.database).get_table_names():
            found = session.execute(text(f'SELECT * FROM "{table}"')).all()
            assert not any(
                EMAIL in str(value) or EMAIL.encode() in bytes(str(value), "utf8") for row in found for value in row
            ), table
            assert not any(
                isinstance(value, bytes | memoryview) and EMAIL.encode() in bytes(value)
                for row in found
                for value in row
            )
    assert {row.state for row in rows(services, Email)} == {"skipped"}


def test_responses_are_stored_promptly_and_purged_after_thirty_days(services: Services) -> None:
    loaded, known = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)
    visit = record_response(services, loaded, known, None)
    deadline = time.monotonic() + 5
    while not rows(services, Response) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert [row.visit for row in rows(services, Response)] == [visit]
    services.clock.move_to(services.now() + timedelta(days=31))
    assert purge_expired(services) == 1
    assert rows(services, Response) == []


def test_publishing_creates_a_new_version_and_keeps_the_old_one(services: Services) -> None:
    files = leg_day_files()
    first = services.quizzes.live("demo", "leg-day")
    assert first is not None
    changed = {**files, "quiz.yaml": files["quiz.yaml"].replace("Sore legs after a workout?", "Sore legs?")}

    assert publish_files(services, files) == 1  # The same content is the same version.
    assert publish_files(services, changed) == 2
    live = services.quizzes.live("demo", "leg-day")
    assert live is not None
    assert live.engine.rules.pack.quiz.intro.title == "Sore legs?"
    old = services.quizzes.version("demo", "leg-day", 1)
    assert old is not None
    assert old.engine.rules.pack.quiz.intro.title == "Sore legs after a workout?"


def test_results_of_one_shop_are_not_served_by_another(
    services: Services, make_services: Callable[..., Services]
) -> None:
    from widget.actions.shops.add_shop import add_shop

    add_shop(services, "other", name="Other", postal_address="x")
    publish_files(services, leg_day_files(), shop="other")
    _, known = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)
    code = json.loads(known.body)["code"]
    web = client_of(services)

    assert web.get(f"/v1/shops/demo/quizzes/leg-day/results/{code}").status_code == 200
    assert web.get(f"/v1/shops/other/quizzes/leg-day/results/{code}").status_code == 404
    assert web.get(f"/other/r/{code}").status_code == 404
