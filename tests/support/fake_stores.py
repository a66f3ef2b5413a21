"""Fake stores with the paging, throttling, and errors of Shopify's and WooCommerce's APIs."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import Store, gives
from tests.support.shopify_graphql import ShopifyData


class _AnyPath(dict[str, Any]):
    """A mapping that answers every path with one function."""

    def __init__(self, say: Any) -> None:
        super().__init__()
        self.say = say

    def __getitem__(self, path: str) -> Any:
        return self.say


class FakeStore:
    """A store's API. ``orders``, ``products``: its data; ``trouble``: responses to give first; ``page``: page size."""

    key = ""

    def __init__(self, page: int = 2) -> None:
        self.orders: list[dict[str, Any]] = []
        self.products: list[dict[str, Any]] = []
        self.refunds: dict[str, list[dict[str, Any]]] = {}
        self.trouble: list[Any] = []
        self.page = page
        self.store = Store()
        self.store.handlers = _AnyPath(self._say)

    @property
    def root(self) -> str:
        return self.store.root

    def close(self) -> None:
        self.store.close()

    def _say(self, handler: Any) -> None:
        if self.trouble:
            self.trouble.pop(0)(handler)
            return
        if not self.lets_in(handler.headers):
            gives(b'{"errors": "unauthorized"}', 401)(handler)
            return
        asked = {name: values[-1] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        self.answer(handler, urlsplit(handler.path).path, asked)

    def lets_in(self, headers: Any) -> bool:
        raise NotImplementedError

    def answer(self, handler: Any, path: str, asked: dict[str, str]) -> None:
        raise NotImplementedError


class FakeShopify(FakeStore):
    """``sent``: the queries received. A client ID and secret are exchanged for the token ``key``."""

    key = "shpat_a_token_of_the_test"
    credentials = "client_of_the_test:shpss_secret_of_the_test"

    def __init__(self, page: int = 2) -> None:
        super().__init__(page)
        self.sent: list[str] = []
        self.tokens = 0

    def lets_in(self, headers: Any) -> bool:
        return bool(headers["X-Shopify-Access-Token"] == self.key) or "form" in (headers["Content-Type"] or "")

    def answer(self, handler: Any, path: str, asked: dict[str, str]) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if path == "/admin/oauth/access_token":
            self._give_token(handler, parse_qs(body.decode()))
            return
        assert path == "/admin/api/2026-10/graphql.json"
        query = json.loads(body)
        self.sent.append(query["query"])
        data = ShopifyData(self.orders, self.products, self.page)
        gives(json.dumps(data.answer(query["query"], query["variables"])).encode())(handler)

    def _give_token(self, handler: Any, form: dict[str, list[str]]) -> None:
        given = f"{form['client_id'][0]}:{form['client_secret'][0]}"
        if form["grant_type"] != ["client_credentials"] or given != self.credentials:
            gives(b'{"error": "invalid_client"}', 401)(handler)
            return
        self.tokens += 1
        gives(json.dumps({"access_token": self.key, "expires_in": 86399}).encode())(handler)


class FakeWoo(FakeStore):
    """``refunds``: by order id."""

    key = "ck_of_the_test:cs_of_the_test"

    def lets_in(self, headers: Any) -> bool:
        return bool(headers["Authorization"] == f"Basic {base64.b64encode(self.key.encode()).decode()}")

    def answer(self, handler: Any, path: str, asked: dict[str, str]) -> None:
        if "/products" in path:
            self._products(handler, path, int(asked["page"]))
            return
        if path.endswith("/refunds"):
            gives(json.dumps(self.refunds[path.split("/")[-2]]).encode())(handler)
            return
        assert path == "/wp-json/wc/v3/orders"
        assert asked["dates_are_gmt"] == "true"
        since = datetime.fromisoformat(asked["modified_after"]).replace(tzinfo=None)
        listed = [order for order in self.orders if datetime.fromisoformat(order["date_modified_gmt"]) > since]
        listed.sort(key=lambda item: str(item["date_modified_gmt"]))
        start = (int(asked["page"]) - 1) * self.page
        pages = str(-(-len(listed) // self.page))
        gives(json.dumps(listed[start : start + self.page]).encode(), X_WP_TotalPages=pages)(handler)

    def _products(self, handler: Any, path: str, page: int) -> None:
        listed = self.products
        if path.endswith("/variations"):
            wanted = int(path.split("/")[-2])
            listed = next(product["of_variations"] for product in self.products if product["id"] == wanted)
        start, pages = (page - 1) * self.page, str(-(-len(listed) // self.page))
        gives(json.dumps(listed[start : start + self.page]).encode(), X_WP_TotalPages=pages)(handler)
