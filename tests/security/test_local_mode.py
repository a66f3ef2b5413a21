"""The mailbox, the demo store, and the movable clock are available only from this machine."""

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
def test_foreign_host_header_is_refused_in_local_mode(client: Any, path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "quiz.localhost"])
def test_local_host_names_are_accepted(client: Any, host: str) -> None:
    assert client.get("/mailbox/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
@pytest.mark.parametrize("path", ["/mailbox/clock", "/demo/cart", "/demo/checkout"])
def test_cross_site_forms_are_refused_in_local_mode(client: Any, path: str, headers: dict[str, str]) -> None:
    assert client.post(path, headers=headers).status_code == 403


def test_mailbox_and_demo_routes_are_absent_in_production(sqlite_services: Services) -> None:
    settings = dataclasses.replace(sqlite_services.settings, env="production")
    app = create_app(dataclasses.replace(sqlite_services, settings=settings))
    rules = {rule.rule for rule in app.url_map.iter_rules()}

    assert not any(rule.startswith(("/mailbox", "/demo/")) for rule in rules)
    assert "/console/sign-in" in rules


def test_demo_checkout_makes_no_network_request(sqlite_services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """If every thread were busy in a checkout, a request to this server would wait for a thread in vain."""
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
