"""Guarantees that are easy to break unnoticed: each was broken once, or nearly."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import rows
from tests.support.emails import emails, go_to, sent
from tests.support.orders import webhook
from tests.support.packs import leg_day_files, publish_files
from tests.support.services import client_of
from tests.support.shoppers import ask, visit
from widget.actions.emails.send_email import send_due_emails
from widget.actions.privacy.change_consent import choose, confirm_consent, erase
from widget.actions.privacy.purge_expired import purge_expired
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services
from widget.storage.contacts import Consent, Contact
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.webhook_deliveries import WebhookDelivery


def with_rule(when: str) -> dict[str, str]:
    """Return the shipped pack with one more red flag."""
    files = leg_day_files()
    rule = f"triage:\n  - {{id: new-rule, when: {when}, outcome: see_doctor, advice: {{title: Stop, body: Ask.}}}}\n"
    return {**files, "safety.yaml": files["safety.yaml"].replace("triage:\n", rule, 1)}


def test_erased_person_stays_erased(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    erase(services, "p", services.crypto.token("p", rows(services, Contact)[0].id))
    webhook(services, "order.delivered", days=1)
    webhook(services, order="later")
    process_webhooks(services)

    assert rows(services, Contact)[0].email == ""
    assert [row.contact_id for row in rows(services, Order)] == [None, None]
    assert all(row.body == b"" for row in rows(services, WebhookDelivery))
    assert send_due_emails(services) == 0


def test_address_rejected_by_providers_does_not_block_other_emails(services: Services) -> None:
    webhook(services, order="1", email="josé@shop.example")
    webhook(services, order="2")
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert len(sent(services)) == 1


def test_email_that_cannot_be_composed_is_skipped_with_a_reason(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from widget.actions.emails import ready_emails as sending

    webhook(services, order="1")
    webhook(services, order="2", email="other@shop.example")
    process_webhooks(services)
    go_to(services, "how-to-use")
    write = sending.compose_email
    broken = min(row.id for row in rows(services, Email) if row.template == "how-to-use")

    def sometimes(services: Services, loaded: Any, email: Email, order: Any) -> Any:
        if email.id == broken:
            raise ZeroDivisionError
        return write(services, loaded, email, order)

    monkeypatch.setattr(sending, "compose_email", sometimes)
    send_due_emails(services)
    states = {row.id: (row.state, row.reason) for row in rows(services, Email) if row.template == "how-to-use"}

    assert states[broken] == ("skipped", "cannot_write: ZeroDivisionError")
    assert len(sent(services)) == 1


def test_out_of_range_order_does_not_block_other_orders(services: Services) -> None:
    webhook(services, order="1", total="30000000.00")
    webhook(services, order="字" * 1000)
    webhook(services, order="3", total=10**12 * 100)
    webhook(services, order="4")
    process_webhooks(services)

    assert {row.external_id for row in rows(services, Order)} == {"1", "4"}
    assert sorted(row.state for row in rows(services, WebhookDelivery)) == ["done", "done", "failed", "failed"]


def test_refusal_on_the_preference_page_overrides_consent_on_the_order(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    choose(services, "p", services.crypto.token("p", rows(services, Contact)[0].id), set())
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "unsubscribed"


def test_unconfirmed_consent_request_does_not_withdraw_customer_consent(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    ask(services, marketing=True)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].state == "sent"


def test_order_with_an_unknown_visit_is_not_eligible(services: Services) -> None:
    webhook(services, attributes={"recovery_quiz": "unknown-visit"})
    process_webhooks(services)

    assert rows(services, Order)[0].eligible is False


def test_current_safety_rules_apply_to_earlier_answers(services: Services) -> None:
    token = visit(services)
    publish_files(services, with_rule("area = calves"))
    webhook(services, attributes={"recovery_quiz": token})
    process_webhooks(services)

    assert rows(services, Order)[0].eligible is False


def test_planned_email_obeys_a_safety_rule_published_later(services: Services) -> None:
    token = visit(services)
    ask(services, health_data=True, marketing=True)
    confirm_consent(services, "c", services.crypto.token("c", rows(services, Contact)[0].id))
    webhook(services, attributes={"recovery_quiz": token})
    process_webhooks(services)
    assert emails(services)["how-to-use"].result_code
    publish_files(services, with_rule("area = calves"))
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "not_eligible"


def test_order_without_health_data_consent_keeps_no_result_code(services: Services) -> None:
    webhook(services, attributes={"recovery_quiz": visit(services)})
    process_webhooks(services)

    assert {row.result_code for row in rows(services, Email)} == {""}
    assert [row.body for row in rows(services, WebhookDelivery)] == [b""]


def test_product_removed_from_the_live_pack_is_in_no_email(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    files = {name: text.replace("ROLL-75", "ROLL-76") for name, text in leg_day_files().items()}
    publish_files(services, files)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "product_blocked"


def test_person_gets_one_promotional_email_at_a_time(services: Services) -> None:
    for number in range(4):
        webhook(services, order=str(number))
    process_webhooks(services)
    services.clock.move_to(max(row.due_at for row in rows(services, Email) if row.template == "how-to-use"))
    threads = [threading.Thread(target=send_due_emails, args=(services,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send_due_emails(services)
    states = [(row.state, row.reason) for row in rows(services, Email) if row.template == "how-to-use"]

    assert len(sent(services)) == 1
    assert sorted(state for state, _ in states) == ["planned", "planned", "planned", "sent"]
    assert sum("one_email_at_a_time" in reason for _, reason in states) == 3


def test_sent_result_email_keeps_no_result_code_and_can_be_requested_again(services: Services) -> None:
    code = ask(services)
    assert emails(services)["result"].result_code == code
    send_due_emails(services)
    assert emails(services)["result"].result_code == ""
    ask(services)
    send_due_emails(services)

    assert len(sent(services)) == 2


def test_confirmation_grants_only_the_checked_consents(services: Services) -> None:
    ask(services, health_data=True, marketing=True)
    token = services.crypto.token("c", rows(services, Contact)[0].id)
    web = client_of(services)

    assert "checked" not in web.get(f"/c/{token}").get_data(as_text=True)
    web.post(f"/c/{token}", data={"boxes": "1", "consent": "marketing"})
    states = {row.kind: row.state for row in rows(services, Consent)}
    assert states == {"result": "granted", "marketing": "granted", "health_data": "pending"}
    assert (
        web.post(f"/p/{services.crypto.token('p', rows(services, Contact)[0].id)}", data={"do": "x"}).status_code == 422
    )


def test_health_data_consent_alone_requires_confirmation(services: Services) -> None:
    ask(services, health_data=True)
    send_due_emails(services)

    assert any("confirm" in subject.lower() for subject in sent(services))


def test_later_webhooks_use_the_content_version_of_the_first_one(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    files = leg_day_files()
    renamed = files["emails/sequences.yaml"].replace("id: after-purchase", "id: after-buying")
    publish_files(services, {**files, "emails/sequences.yaml": renamed})
    webhook(services, "order.delivered", days=1)
    process_webhooks(services)

    assert len(rows(services, Email)) == 4


def test_paid_order_without_a_placed_event_gets_its_emails(services: Services) -> None:
    webhook(services, "order.paid")
    process_webhooks(services)

    assert "how-to-use" in emails(services)


def test_failed_webhook_deliveries_are_purged_after_thirty_days(services: Services) -> None:
    webhook(services, body=b"{}")
    process_webhooks(services)
    services.clock.move_to(services.now() + timedelta(days=31))
    purge_expired(services)

    assert rows(services, WebhookDelivery) == []


def test_escaped_address_in_a_failed_webhook_is_erased(services: Services) -> None:
    webhook(services)
    webhook(services, body=b'{"email": "runner\\u0040shop.example"}')
    process_webhooks(services)
    erase(services, "p", services.crypto.token("p", rows(services, Contact)[0].id))

    assert [row.body for row in rows(services, WebhookDelivery)] == [b"", b""]


def test_blocking_an_unknown_product_is_an_error(services: Services) -> None:
    from widget.actions.catalog.change_product import BadProduct, change_product

    with pytest.raises(BadProduct):
        change_product(services, shop="demo", sku="SPRAY-999", blocked=True, reason="recall")


def test_links_of_an_erased_person_return_404(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    contact = rows(services, Contact)[0].id
    erase(services, "p", services.crypto.token("p", contact))
    web = client_of(services)

    assert web.get(f"/p/{services.crypto.token('p', contact)}").status_code == 404
    assert web.post(f"/p/{services.crypto.token('p', contact)}", data={"do": "choose"}).status_code == 404
    assert web.post(f"/u/{services.crypto.token('u', contact)}").status_code == 200
