"""The shop's console pages: team, invitations, webhook secrets, replays, quiet hours, settings, products, colors."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.console import PASSWORD
from tests.support.console_forms import client_in, form_token, post, set_password
from tests.support.database import rows
from tests.support.emails import Refusing, emails, with_transport
from tests.support.orders import webhook
from tests.support.packs import GOOD as ANSWERS
from tests.support.services import client_of
from widget.actions.accounts.add_user import BadMember, add_user, change_member
from widget.actions.accounts.disable_user import disable_user
from widget.actions.emails.request_email import request_email
from widget.actions.emails.send_email import send_due_emails
from widget.actions.emails.send_outbox import send_outbox
from widget.actions.quiz.submit_answers import submit_answers
from widget.actions.shops.add_shop import add_shop
from widget.actions.shops.change_shop import change_shop
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.actions.webhooks.receive_webhook import receive_webhook
from widget.crypto import WEBHOOK_SECRET
from widget.domain.orders.webhook import BadSignature
from widget.domain.roles import OWNER
from widget.email.transport import MemoryTransport, TemporaryFailure
from widget.services import Services
from widget.storage.audit import AuditEntry
from widget.storage.catalog import stored_product
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.shops import Shop, shop_by_slug
from widget.storage.users import Membership, User, user_by_email
from widget.storage.webhook_deliveries import DELIVERY_DONE, DELIVERY_FAILED, DELIVERY_WAITING, WebhookDelivery
from widget.stores.platforms import ORDERS, PLATFORMS
from widget.stores.standard import sign
from widget.web.console.labels import ACTION_GROUPS, ENTRIES

HERE = "/console/shops/demo"


def user(services: Services, email: str) -> User:
    with services.reads() as session:
        found = user_by_email(session, email)
    assert found is not None
    return found


def shop(services: Services) -> Shop:
    with services.reads() as session:
        found = shop_by_slug(session, "demo")
    assert found is not None
    return found


def audited(services: Services) -> list[str]:
    """Return the actions of the audit log, oldest first."""
    with services.reads() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def text_of(answer: Any) -> str:
    return unescape(answer.get_data(as_text=True))


# Team ------------------------------------------------------------------------------------------------


def test_invitation_email_contains_a_link_that_sets_a_password(services: Services) -> None:
    owner = client_in(services)
    answer = post(owner, f"{HERE}/team", email="Eda@Store.example", name="Eda", role="editor")
    assert isinstance(services.transport, MemoryTransport)
    assert services.transport.sent == []  # The request does not wait for a mail server.
    assert send_outbox(services) == 1
    recipient, message = services.transport.sent[-1]
    plain = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    link = re.search(r"http://quiz\.localhost(/console/set-password/\S+)", plain)

    assert answer.status_code == 303
    assert recipient == "eda@store.example"
    assert message["Subject"] == "The owner invited you to Stride & Salve on Recovery Quiz"
    assert services.settings.mail_from in message["From"]
    assert "List-Unsubscribe" not in message
    assert link is not None
    assert link[1] in html
    assert "12 Example Lane" in html
    guest = client_of(services)
    assert set_password(guest, link[1].rpartition("/")[2], "Eda").status_code == 303
    assert guest.get(f"{HERE}/team").status_code == 403
    assert audited(services)[-4:] == ["user_added", "invitation_queued", "password_chosen", "signed_in"]


def test_no_database_connection_is_held_during_an_email_provider_call(services: Services) -> None:
    owner = client_in(services)
    held: list[int] = []

    class Watching(MemoryTransport):
        def send(self, message: Any, recipient: str) -> None:
            held.append(services.database.pool.checkedout())  # type: ignore[attr-defined]  # Pool subclasses have it.
            super().send(message, recipient)

    with_transport(services, Watching())
    post(owner, f"{HERE}/team", email="eda@store.example", name="Eda", role="editor")
    assert held == []
    send_outbox(services)

    assert held == [0]


def test_invitation_link_can_be_copied_when_the_email_provider_fails(sqlite_services: Services) -> None:
    owner = client_in(sqlite_services)
    with_transport(sqlite_services, Refusing(TemporaryFailure("421")))
    post(owner, f"{HERE}/team", email="eda@store.example", name="Eda", role="editor")
    send_outbox(sqlite_services)
    there = f"{HERE}/team/{user(sqlite_services, 'eda@store.example').id}"
    shown = text_of(owner.get(there))
    page = text_of(post(owner, f"{there}/hand-over"))
    link = re.search(r"/console/set-password/([\w-]+)", page)

    assert "attempt 2 (will retry: 421)" in shown
    assert link is not None
    assert set_password(client_of(sqlite_services), link[1], "Eda").status_code == 303
    assert "link_handed_over" in audited(sqlite_services)


def test_invitation_does_not_reveal_accounts_in_other_shops(sqlite_services: Services) -> None:
    services = sqlite_services
    add_shop(services, "other", name="Other", postal_address="", cart={"kind": "event"})
    _, token = add_user(services, shop="other", email="ann@store.example", role=OWNER)
    set_password(client_of(services), token, "Ann Elsewhere")
    owner = client_in(services)
    pages = []
    for email in ("ann@store.example", "new@store.example"):
        post(owner, f"{HERE}/team", email=email, name="", role="viewer")
        shown = text_of(owner.get(f"{HERE}/team")) + text_of(owner.get(f"{HERE}/team/{user(services, email).id}"))
        assert "Ann Elsewhere" not in shown + text_of(owner.get(f"{HERE}/log"))
        pages.append(re.sub(r'\d{1,2}:\d\d|value="[^"]*"|/team/\d+', "", shown.replace(email, "THEM")))
        change_member(
            services,
            shop="demo",
            user_id=user(services, email).id,
            role=None,
            by=user(services, "owner@demo.example"),
        )

    assert pages[0] == pages[1]


def test_copied_invitation_link_does_not_sign_in_users_of_other_shops(sqlite_services: Services) -> None:
    services = sqlite_services
    add_shop(services, "other", name="Other", postal_address="", cart={"kind": "event"})
    # Ann has not accepted her invitation to the other shop yet.
    add_user(services, shop="other", email="ann@store.example", role=OWNER)
    client_in(services, shop="other", email="bob@store.example")
    owner = client_in(services)
    with_transport(services, Refusing(TemporaryFailure("421")))
    for email in ("ann@store.example", "bob@store.example"):
        post(owner, f"{HERE}/team", email=email, name="", role="viewer")
        page = text_of(post(owner, f"{HERE}/team/{user(services, email).id}/hand-over"))
        link = re.search(r"/console/set-password/[\w-]+", page)
        again = text_of(post(owner, f"{HERE}/team/{user(services, email).id}/link"))

        assert link is not None
        for match in (link[0], *re.findall(r"/console/set-password/[\w-]+", again)):
            assert client_of(services).get(match).status_code == 404


def test_last_owner_cannot_be_demoted_removed_or_disabled(services: Services) -> None:
    owner = client_in(services)
    me = user(services, "owner@demo.example")
    for fields in ({"do": "role", "role": "viewer"}, {"do": "remove", "sure": "yes"}):
        answer = post(owner, f"{HERE}/team/{me.id}", **fields)
        assert answer.status_code == 422
        assert "only owner" in text_of(answer)
    with pytest.raises(BadMember, match="your own account"):
        disable_user(services, shop="demo", user_id=me.id, by=me)
    second = client_in(services, "owner", email="second@demo.example")

    assert post(owner, f"{HERE}/team/{me.id}", do="role", role="viewer").status_code == 303
    assert owner.get(f"{HERE}/team").status_code == 403
    assert second.get(f"{HERE}/team").status_code == 200
    assert sorted(row.role for row in rows(services, Membership)) == ["owner", "viewer"]


def test_removed_or_signed_out_user_loses_access_at_once(services: Services) -> None:
    owner, editor = client_in(services), client_in(services, "editor")
    who = user(services, "editor@demo.example")
    post(owner, f"{HERE}/team/{who.id}", do="sign_out")
    assert editor.get("/console/account").status_code == 303

    again = client_of(services)
    path = "/console/sign-in"
    again.post(path, data={"csrf_token": form_token(again, path), "email": who.email, "password": PASSWORD})
    assert again.get(f"{HERE}/team").status_code == 403
    post(owner, f"{HERE}/team/{who.id}", do="remove", sure="yes")
    assert again.get(f"{HERE}/team").status_code == 404
    assert {"signed_out_by", "user_removed"} <= set(audited(services))


def test_disabling_a_user_requires_owning_all_their_shops(sqlite_services: Services) -> None:
    services = sqlite_services
    add_shop(services, "other", name="Other", postal_address="", cart={"kind": "event"})
    owner, _ = client_in(services), client_in(services, "editor")
    who = user(services, "editor@demo.example")
    add_user(services, shop="other", email=who.email, role="viewer")
    refused = post(owner, f"{HERE}/team/{who.id}", do="disable", sure="yes")
    _, token = add_user(services, shop="other", email="owner@demo.example", role=OWNER)
    owner = client_of(services)
    set_password(owner, token)
    done = post(owner, f"{HERE}/team/{who.id}", do="disable", sure="yes")

    assert refused.status_code == 422
    assert "other shops" in text_of(refused)
    assert done.status_code == 303
    assert user(services, who.email).disabled_at is not None


# Webhook secrets ----------------------------------------------------------------------------------------


def signed_with(services: Services, secret: str) -> bool:
    """Return whether a delivery signed with this secret is accepted."""
    event_id, stamp = f"msg_{time.monotonic_ns()}", int(time.time())
    body = b'{"odd": "%s"}' % event_id.encode()
    signature = sign(secret, event_id, stamp, body)
    headers = {"webhook-id": event_id, "webhook-timestamp": str(stamp), "webhook-signature": signature}
    try:
        return receive_webhook(services, shop="demo", headers=headers, body=body)
    except BadSignature:
        return False


def rotated(services: Services, client: Any) -> str:
    page = text_of(client.get(f"{HERE}/settings/webhooks"))
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    assert seen is not None
    made = re.findall(
        r"whsec_[\w+/=]+", text_of(post(client, f"{HERE}/settings/webhooks/rotate", seen=seen[1], sure="yes"))
    )
    assert len(made) == 1
    return str(made[0])


def test_old_webhook_secret_stays_valid_for_a_day_after_rotation(services: Services) -> None:
    client = client_in(services)
    first = services.crypto.decrypt(shop(services).encrypted_secrets[0], WEBHOOK_SECRET)
    second = rotated(services, client)
    services.clock.move_to(services.now() + timedelta(hours=23))
    assert signed_with(services, first)
    assert signed_with(services, second)

    services.clock.move_to(services.now() + timedelta(hours=1, minutes=1))
    assert not signed_with(services, first)
    assert signed_with(services, second)


def test_webhook_secret_is_shown_once_and_a_double_click_rotates_once(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    seen = re.search(r'name="seen" value="([^"]+)"', text_of(client.get(f"{HERE}/settings/webhooks")))
    assert seen is not None
    answers = [text_of(post(client, f"{HERE}/settings/webhooks/rotate", seen=seen[1], sure="yes")) for _ in range(2)]
    first, second = (re.findall(r"whsec_[\w+/=]+", answer) for answer in answers)
    sqlite_services.clock.move_to(sqlite_services.now() + timedelta(minutes=2))
    late = post(client, f"{HERE}/settings/webhooks/rotate", seen=seen[1], sure="yes")

    assert first == second
    assert "whsec_" not in text_of(client.get(f"{HERE}/settings/webhooks"))
    assert late.status_code == 409
    assert audited(sqlite_services).count("secret_rotated") == 1
    assert "whsec_" not in "".join(row.detail for row in rows(sqlite_services, AuditEntry))


# Orders ----------------------------------------------------------------------------------------------


def test_failed_webhook_delivery_is_replayed_once_with_one_effect(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook(services)
    with monkeypatch.context() as broken:
        broken.setitem(PLATFORMS, ORDERS, replace(PLATFORMS[ORDERS], parse=lambda *_, **__: 1 / 0))
        process_webhooks(services)
    client = client_in(services, "publisher")
    (row,) = rows(services, WebhookDelivery)
    assert row.state == DELIVERY_FAILED
    page = f"{HERE}/orders/deliveries/{row.id}"
    assert "ZeroDivisionError" in text_of(client.get(page))
    filters = re.findall(r"\?state=\w+\"[^>]*>\s*([^<]+?)\s*</a>", client.get(f"{HERE}/orders/deliveries").text)
    assert filters == ["Waiting", "Processed", "Failed", "Ignored"]

    for _ in range(2):
        assert post(client, f"{page}/replay").status_code == 303
    assert [webhook_delivery.state for webhook_delivery in rows(services, WebhookDelivery)] == [DELIVERY_WAITING]
    process_webhooks(services)
    after = text_of(client.get(f"{page}"))
    post(client, f"{page}/replay")
    process_webhooks(services)

    assert "Processed" in after
    assert [webhook_delivery.state for webhook_delivery in rows(services, WebhookDelivery)] == [DELIVERY_DONE]
    assert len(rows(services, Order)) == 1
    assert audited(services).count("webhook_replayed") == 1


def test_order_pages_show_no_unmasked_email_address(sqlite_services: Services) -> None:
    services = sqlite_services
    webhook(services)
    body = {
        "type": "order.placed",
        "data": {"order": {"email": "anna.smith@shop.example", "name": "Anna Smith", "note": "x"}},
    }
    webhook(services, body=json.dumps(body).encode())
    process_webhooks(services)
    client = client_in(services, "publisher")
    failed = next(row.id for row in rows(services, WebhookDelivery) if row.state == DELIVERY_FAILED)
    paths = (
        "orders",
        f"orders/emails/{rows(services, Email)[0].id}",
        "orders/deliveries",
        f"orders/deliveries/{failed}",
    )
    pages = [text_of(client.get(f"{HERE}/{path}")) for path in paths]

    assert "r…@shop.example" in pages[1]
    assert "a…@shop.example" in pages[3]
    for page in pages:
        assert "runner@" not in page
        assert "anna" not in page.casefold()
        assert "Smith" not in page


def test_only_emails_of_this_shop_can_be_sent_again(sqlite_services: Services) -> None:
    services = sqlite_services
    webhook(services)
    process_webhooks(services)
    add_shop(services, "other", name="Other", postal_address="", cart={"kind": "event"})
    number = emails(services)["check-in"].id
    with services.sessions.begin() as session:
        session.get_one(Email, number).state = "delivery_unknown"
    stranger = client_in(services, "owner", shop="other")
    assert post(stranger, f"/console/shops/other/orders/emails/{number}/again").status_code == 404
    assert emails(services)["check-in"].state == "delivery_unknown"

    client = client_in(services, "publisher")
    assert "Send again" in text_of(client.get(f"{HERE}/orders"))
    post(client, f"{HERE}/orders/emails/{number}/again")
    post(client, f"{HERE}/orders/emails/{number}/again")

    assert emails(services)["check-in"].state == "planned"
    assert audited(services).count("email_sent_again") == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("orders", "No orders yet"),
        ("orders?number=77", "No order 77"),
        ("orders/deliveries", "No webhook deliveries yet"),
    ],
)
def test_empty_order_pages_show_an_empty_state(sqlite_services: Services, path: str, words: str) -> None:
    assert words in text_of(client_in(sqlite_services, "publisher").get(f"{HERE}/{path}"))


# Email limits ---------------------------------------------------------------------------------------


def limited(services: Services, **values: Any) -> None:
    with services.sessions.begin() as session:
        row = session.get_one(Shop, shop(services).id)
        for name, value in values.items():
            setattr(row, name, value)


def test_quiet_hours_defer_an_email_in_the_time_zone_of_the_shop(services: Services) -> None:
    limited(services, quiet_from="21:00", quiet_to="08:00", timezone="America/New_York")
    webhook(services)
    process_webhooks(services)
    due = emails(services)["how-to-use"].due_at
    # 00:30 or 23:30 in New York, with or without daylight saving time.
    night = (due + timedelta(days=1)).replace(hour=4, minute=30)
    services.clock.move_to(night)
    send_due_emails(services)
    row = emails(services)["how-to-use"]

    assert (row.state, row.reason) == ("planned", "deferred: quiet_hours")
    assert row.due_at.astimezone(UTC).hour in (12, 13)  # 08:00 in New York, with or without daylight saving time.
    assert timedelta(0) < row.due_at - night < timedelta(hours=9)
    services.clock.move_to(row.due_at + timedelta(seconds=1))
    send_due_emails(services)
    assert emails(services)["how-to-use"].state == "sent"


def test_emails_over_the_daily_limit_are_sent_the_next_morning(services: Services) -> None:
    limited(services, emails_per_day=1)
    for order in ("1", "2"):
        webhook(services, order=order, email=f"runner{order}@shop.example")
    process_webhooks(services)
    first = [row for row in rows(services, Email) if row.template == "how-to-use"]
    services.clock.move_to(max(row.due_at for row in first).replace(hour=23, minute=0) + timedelta(seconds=1))
    send_due_emails(services)
    states = sorted((row.state, row.reason) for row in rows(services, Email) if row.template == "how-to-use")

    assert states == [("planned", "deferred: daily_limit"), ("sent", "accepted_by_provider")]
    waiting = next(row for row in rows(services, Email) if row.reason == "deferred: daily_limit")
    assert waiting.due_at == (services.now() + timedelta(days=1)).replace(hour=8, minute=0, second=0, microsecond=0)
    services.clock.move_to(waiting.due_at + timedelta(minutes=1))
    send_due_emails(services)
    assert {row.state for row in rows(services, Email) if row.template == "how-to-use"} == {"sent"}


def test_requested_result_email_ignores_quiet_hours(sqlite_services: Services) -> None:
    limited(sqlite_services, quiet_from="00:00", quiet_to="23:59")
    loaded, known = submit_answers(sqlite_services, shop="demo", quiz="leg-day", answers=ANSWERS)
    consents = {"result": True, "marketing": False, "health_data": False}
    code = json.loads(known.body)["code"]
    request_email(
        sqlite_services, loaded=loaded, code=code, email="new@shop.example", consents=consents, text_version="1"
    )
    send_due_emails(sqlite_services)

    assert {row.state for row in rows(sqlite_services, Email)} == {"sent"}


def test_shop_without_email_limits_sends_at_any_hour(sqlite_services: Services) -> None:
    assert (shop(sqlite_services).quiet_from, shop(sqlite_services).emails_per_day) == ("", 0)
    webhook(sqlite_services)
    process_webhooks(sqlite_services)
    sqlite_services.clock.move_to(emails(sqlite_services)["how-to-use"].due_at.replace(hour=23))
    send_due_emails(sqlite_services)

    assert emails(sqlite_services)["how-to-use"].state == "sent"


# Settings --------------------------------------------------------------------------------------------


GOOD = {
    "name": "Fell & Stride",
    "url": "https://store.example/",
    "timezone": "Europe/Berlin",
    "postal_address": "1 Road\r\n2345 Town",
    "cart_kind": "form",
    "cart_action": "/cart/add",
    "quiet_from": "21:00",
    "quiet_to": "08:00",
    "emails_per_day": "500",
    "approval": "yes",
}


def save(services: Services, client: Any, seen: str = "", **fields: str) -> Any:
    mark = seen or re.findall(r'name="seen" value="([^"]+)"', text_of(client.get(f"{HERE}/settings")))[0]
    return post(client, f"{HERE}/settings", seen=mark, **{**GOOD, **fields})


def test_settings_are_saved_together_with_one_audit_log_entry(services: Services) -> None:
    client = client_in(services)
    assert save(services, client).status_code == 303
    row = shop(services)

    assert (row.name, row.url, row.timezone) == ("Fell & Stride", "https://store.example", "Europe/Berlin")
    assert row.postal_address == "1 Road, 2345 Town"
    assert row.cart == {"kind": "form", "action": "/cart/add"}
    assert (row.quiet_from, row.quiet_to, row.emails_per_day) == ("21:00", "08:00", 500)
    assert (row.approval, row.paused) == (True, False)
    assert audited(services).count("settings_changed") == 1
    assert save(services, client).status_code == 303
    assert audited(services).count("settings_changed") == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Enter a name"),
        ("url", "javascript:alert(1)", "starts with https"),
        ("timezone", "Mars/Olympus", "Choose a time zone"),
        ("cart_action", "//evil.example", "Enter a path"),
        ("cart_kind", "other", "Choose one"),
        ("quiet_to", "", "both times"),
        ("quiet_to", "21:00", "the same"),
        ("quiet_from", "25:00", "such as 21:00"),
        ("emails_per_day", "many", "whole number"),
        ("emails_per_day", "-1", "whole number"),
    ],
)
def test_invalid_settings_field_shows_an_error_and_saves_nothing(
    sqlite_services: Services, field: str, value: str, words: str
) -> None:
    client = client_in(sqlite_services)
    before = shop(sqlite_services)
    answer = save(sqlite_services, client, **{field: value})
    after = shop(sqlite_services)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert "1 Road" in text_of(answer)  # The submitted input is kept.
    assert (before.name, before.timezone, before.cart) == (after.name, after.timezone, after.cart)


def test_saving_settings_changed_by_another_owner_is_a_conflict(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    mark = re.findall(r'name="seen" value="([^"]+)"', text_of(client.get(f"{HERE}/settings")))[0]
    me = user(sqlite_services, "owner@demo.example")
    change_shop(sqlite_services, shop="demo", values={"paused": True}, by=me)
    answer = save(sqlite_services, client, seen=mark)

    assert answer.status_code == 409
    assert shop(sqlite_services).paused is True
    assert "Another user changed" in text_of(answer)


def test_product_is_blocked_and_unblocked_with_a_reason(sqlite_services: Services) -> None:
    services, client = sqlite_services, client_in(sqlite_services)
    path = f"{HERE}/settings/products"
    nothing = post(client, path, sku="ROLL-75", do="block", reason=" ")
    assert nothing.status_code == 422
    for _ in range(2):
        post(client, path, sku="ROLL-75", do="block", reason="A batch is checked")
    page = text_of(client.get(path))
    loaded = services.quizzes.live("demo", "leg-day")
    assert loaded is not None
    assert "A batch is checked" in page
    assert "ROLL-75" in loaded.engine.catalog.blocked
    assert 'name="do" value="unblock"' in client.get(path).get_data(as_text=True)
    post(client, path, sku="ROLL-75", do="unblock", reason="It is fine")
    with services.reads() as session:
        row = stored_product(session, shop(services).id, "ROLL-75")

    assert row is not None
    assert (row.blocked, row.block_reason) == (False, "It is fine")
    assert [item for item in audited(services) if item.startswith("product")] == [
        "product_blocked",
        "product_unblocked",
    ]
    assert post(client, path, sku="NONE-1", do="block", reason="x").status_code == 404


def test_embed_colors_are_checked_on_the_server_and_rendered_as_css(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    page = text_of(client.get(f"{HERE}/settings/embed?accent=%23aabbcc&paper=%23ffffff&ink=%23000000&card=%23ffffff"))
    odd = text_of(client.get(f"{HERE}/settings/embed?accent=red;}}body{{display:none"))

    assert "Button label" in page
    assert "color pairs lack contrast" in page
    assert "--rq-accent: #aabbcc;" in page
    assert "Enter a color as #rrggbb" in odd
    assert "display:none" not in odd
    assert '<recovery-quiz shop="demo" quiz="leg-day" api="/console/shops/demo/quizzes/leg-day/try/api">' in page


def test_shop_pages_contain_no_inline_style_or_script(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    webhook(sqlite_services)
    process_webhooks(sqlite_services)
    for path in (
        "team",
        "team/1",
        "log",
        "orders",
        "orders/deliveries",
        "settings",
        "settings/webhooks",
        "settings/products",
        "settings/embed",
    ):
        answer = client.get(f"{HERE}/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["Cache-Control"] == "no-store"
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
        assert not re.search(r"\son\w+=|\sstyle=|<style", answer.get_data(as_text=True)), path


def test_order_time_is_shown_in_the_time_zone_of_the_shop(sqlite_services: Services) -> None:
    limited(sqlite_services, timezone="Asia/Tokyo")
    webhook(sqlite_services)
    process_webhooks(sqlite_services)
    placed = rows(sqlite_services, Order)[0].placed_at
    assert isinstance(placed, datetime)
    there = placed + timedelta(hours=9)

    assert there.strftime("placed %b %-d, %-I:%M %p") in text_of(
        client_in(sqlite_services, "publisher").get(f"{HERE}/orders")
    )


def test_every_audit_log_action_has_a_label_and_a_kind() -> None:
    assert {code for codes in ACTION_GROUPS.values() for code in codes} == set(ENTRIES)
