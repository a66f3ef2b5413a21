"""The mailbox, the demo store and the movable clock are for this machine alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.support.services import client_of
from widget.app import create_app
from widget.services import Services

ROUTES = ("/mailbox/", "/demo/", "/demo/cart", "/demo/products/cream-60")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil"]
)
def test_a_name_of_a_strangers_that_leads_here_is_refused(client: Any, path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "quiz.localhost"])
def test_this_machines_own_names_are_good(client: Any, host: str) -> None:
    assert client.get("/mailbox/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
@pytest.mark.parametrize("path", ["/mailbox/clock", "/demo/cart", "/demo/checkout"])
def test_a_form_of_another_site_moves_no_clock(client: Any, path: str, headers: dict[str, str]) -> None:
    assert client.post(path, headers=headers).status_code == 403


def test_in_production_there_is_no_such_route(sqlite_services: Services) -> None:
    settings = dataclasses.replace(sqlite_services.settings, env="production")
    app = create_app(dataclasses.replace(sqlite_services, settings=settings))
    rules = {rule.rule for rule in app.url_map.iter_rules()}

    assert not any(rule.startswith(("/mailbox", "/demo/")) for rule in rules)
    assert "/console/sign-in" in rules


def test_a_checkout_waits_for_no_request_of_our_own(sqlite_services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every thread busy in a checkout, a call to ourselves would wait for a thread that is not there."""
    import socket

    from sqlalchemy import select

    from widget.storage.webhook_deliveries import WebhookDelivery

    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it called somebody"))
    client = client_of(sqlite_services)
    client.post("/demo/cart", data={"sku": "ROLL-75", "quantity": "1"})
    answer = client.post("/demo/checkout", data={"email": "buyer@shop.example", "tips": "yes"})

    assert answer.status_code == 303
    with sqlite_services.reads() as session:
        assert [delivery.state for delivery in session.scalars(select(WebhookDelivery))] == ["waiting"]
