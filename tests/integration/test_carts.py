"""Add-to-cart forms of each store platform: they work without JavaScript and carry the visit."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.packs import GOOD, leg_day_files, publish_files
from tests.support.services import client_of
from widget.services import Services
from widget.storage.shops import shop_by_slug

FORMS = {
    "shopify": ("https://legs.example/cart/4803:1", {}, "attributes[recovery_quiz]"),
    "woocommerce": (
        "https://legs.example/cart/",
        {"add-to-cart": "93", "quantity": "1", "variation_id": "4803"},
        "recovery_quiz",
    ),
}


def with_cart(services: Services, kind: str, *, ids: bool = True) -> dict[str, Any]:
    """Return the API's response, including HTML, for a shop with this kind of cart."""
    with services.sessions.begin() as session:
        shop = shop_by_slug(session, "demo")
        assert shop is not None
        shop.cart, shop.url = {"kind": kind}, "https://legs.example"
    files = leg_day_files()
    text = re.sub(r'product_id: "\d+"', 'product_id: "93"', files["products.yaml"])
    text = re.sub(r'variant_id: "\d+"', 'variant_id: "4803"', text)
    if not ids:
        text = re.sub(r'\n  (product|variant)_id: "\d+"', "", text)
    files = {**files, "products.yaml": text}
    publish_files(services, files)
    answer = client_of(services).post("/v1/shops/demo/quizzes/leg-day/responses?html=1", json={"answers": GOOD})
    assert answer.status_code == 201
    data: dict[str, Any] = json.loads(answer.get_data())
    return data


@pytest.mark.parametrize("kind", FORMS)
def test_cart_form_submits_to_the_store_platform_with_the_visit(sqlite_services: Services, kind: str) -> None:
    outcome = with_cart(sqlite_services, kind)
    action, fields, visit = FORMS[kind]
    cart = outcome["result"]["products"][0]["cart"]

    assert (cart["action"], cart["fields"], cart["visit"], cart["method"]) == (action, fields, visit, "get")
    assert re.search(rf'<form method="get"\s+action="{re.escape(action)}"', outcome["html"])
    assert f'name="{visit}"' in outcome["html"]


@pytest.mark.parametrize("kind", FORMS)
def test_product_without_a_store_id_has_only_a_link(sqlite_services: Services, kind: str) -> None:
    outcome = with_cart(sqlite_services, kind, ids=False)

    assert {item["cart"]["kind"] for item in outcome["result"]["products"]} == {"link"}
    assert "data-add" not in outcome["html"]


def test_event_cart_is_rendered_with_add_to_cart_buttons(sqlite_services: Services) -> None:
    outcome = with_cart(sqlite_services, "event")

    assert {item["cart"]["kind"] for item in outcome["result"]["products"]} == {"event"}
    assert "data-add" in outcome["html"]
