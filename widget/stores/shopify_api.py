"""Shopify's GraphQL Admin API: changed orders and the catalog, in the formats of webhooks and of products.json.

Sources: shopify.dev, "GraphQL Admin API" (Order, Product, cursors), "GraphQL Admin API rate limits" (a connection costs
2 points and 1 for each object, multiplied through nesting; a query that may cost over 1,000 points is refused), "Client
credentials grant" (apps of the Dev Dashboard get tokens for 24 hours), "API versioning" (a version is supported for at
least a year).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from widget.stores.api_call import Caller, NotAllowed
from widget.stores.fetching import NotFetched
from widget.telemetry import log

VERSION = "2026-10"
SUPPORTED_UNTIL = date(2027, 10, 1)
NOTICE = timedelta(days=120)
MAX_PAGES = 4000
ORDERS, PRODUCTS, LINES, VARIANTS = 3, 10, 25, 20
"""Objects per page, so that no query may cost over 1,000 points."""
Node = dict[str, Any]

_MONEY = "{ shopMoney { amount currencyCode } }"
_LINE = f"""
    id sku title quantity currentQuantity originalUnitPriceSet {_MONEY}
    variant {{ legacyResourceId }} product {{ legacyResourceId }}
"""
_LINES = f"pageInfo {{ hasNextPage endCursor }} nodes {{ {_LINE} }}"
_ORDERS = f"""
query ChangedOrders($query: String!, $after: String) {{
  orders(first: {ORDERS}, after: $after, query: $query, sortKey: UPDATED_AT) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{
      id legacyResourceId name email createdAt updatedAt processedAt cancelledAt test
      displayFinancialStatus displayFulfillmentStatus currencyCode customerLocale customerAcceptsMarketing
      totalPriceSet {_MONEY}
      customAttributes {{ key value }}
      customer {{ legacyResourceId defaultEmailAddress {{ emailAddress marketingState }} }}
      lineItems(first: {LINES}) {{ {_LINES} }}
      fulfillments(first: 5) {{ createdAt updatedAt displayStatus }}
      refunds(first: 5) {{
        legacyResourceId createdAt totalRefundedSet {_MONEY}
        refundLineItems(first: 10) {{ nodes {{ quantity lineItem {{ id }} }} }}
      }}
    }}
  }}
}}"""
_MORE_LINES = f"""
query MoreLines($id: ID!, $after: String) {{
  order(id: $id) {{ lineItems(first: 100, after: $after) {{ {_LINES} }} }}
}}"""
_VARIANT = """
    legacyResourceId sku title price inventoryPolicy inventoryQuantity inventoryItem { tracked } image { url }
"""
_VARIANTS = f"pageInfo {{ hasNextPage endCursor }} nodes {{ {_VARIANT} }}"
_PRODUCTS = f"""
query Catalog($after: String) {{
  products(first: {PRODUCTS}, after: $after, query: "status:active") {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{
      id legacyResourceId title handle
      featuredMedia {{ preview {{ image {{ url }} }} }}
      variants(first: {VARIANTS}) {{ {_VARIANTS} }}
    }}
  }}
}}"""
_MORE_VARIANTS = f"""
query MoreVariants($id: ID!, $after: String) {{
  product(id: $id) {{ variants(first: 100, after: $after) {{ {_VARIANTS} }} }}
}}"""


def version_notice(today: date) -> str:
    """Return what to do before Shopify ends the API version in use; empty while there is time."""
    if today < SUPPORTED_UNTIL - NOTICE:
        return ""
    ends = f"{SUPPORTED_UNTIL:%b} {SUPPORTED_UNTIL.day}, {SUPPORTED_UNTIL.year}"
    return (
        f"Shopify supports API version {VERSION}, which this release uses, until {ends}. Update Recovery Quiz by then."
    )


def shopify_orders(address: str, key: str, since: datetime, call: Caller) -> Iterator[list[Node]]:
    """Yield pages of orders changed since a moment. Raises NotFetched, NotAllowed, Throttled."""
    ask = _Asking(address, key, call)
    changed = f"updated_at:>='{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"
    for page in ask.pages(_ORDERS, {"query": changed}, "orders"):
        for node in page:
            node["lineItems"] = ask.rest_of(node, "lineItems", _MORE_LINES, "order")
        yield [_order(node) for node in page]


def shopify_catalog(address: str, key: str, call: Caller) -> Iterator[list[Node]]:
    """Yield pages of active products. Raises NotFetched, NotAllowed, Throttled."""
    ask = _Asking(address, key, call)
    for page in ask.pages(_PRODUCTS, {}, "products"):
        for node in page:
            node["variants"] = ask.rest_of(node, "variants", _MORE_VARIANTS, "product")
        yield [_product(node) for node in page]


class _Asking:
    """Queries to one store with one token."""

    def __init__(self, address: str, key: str, call: Caller) -> None:
        self._address, self._call = address, call
        self._token = access_token(address, key, call)

    def pages(self, query: str, variables: Mapping[str, Any], name: str) -> Iterator[list[Node]]:
        """Yield the nodes of each page of a connection."""
        after = None
        for _ in range(MAX_PAGES):
            found = _of(self._ask(query, {**variables, "after": after}), name)
            yield _nodes(found)
            after = _next(found)
            if after is None:
                return
        raise NotFetched(f"the store has more {name} than one run can process")

    def rest_of(self, node: Node, name: str, query: str, owner: str) -> list[Node]:
        """Return all nodes of a connection within a node, of which the first page is known."""
        found = _of(node, name)
        nodes, after = _nodes(found), _next(found)
        for _ in range(MAX_PAGES):
            if after is None:
                return nodes
            found = _of(_of(self._ask(query, {"id": node.get("id"), "after": after}), owner), name)
            nodes, after = [*nodes, *_nodes(found)], _next(found)
        raise NotFetched(f"the store has more {name} than one run can process")

    def _ask(self, query: str, variables: Mapping[str, Any]) -> Node:
        url = f"{self._address}/admin/api/{VERSION}/graphql.json"
        headers = {"X-Shopify-Access-Token": self._token, "Content-Type": "application/json"}
        answer = self._call(url, headers, orjson.dumps({"query": query, "variables": variables}))
        served = answer.headers.get("x-shopify-api-version", VERSION)
        if served != VERSION:
            log("orders").warning("shopify_version_replaced", asked=VERSION, served=served[:20])
        errors = answer.data.get("errors") if isinstance(answer.data, dict) else None
        if errors:
            _refuse(errors)
        return _of(answer.data, "data")


def access_token(address: str, key: str, call: Caller) -> str:
    """Return an access token: the key itself, or one for 24 hours if the key is ``client id:client secret``.

    Raises NotFetched, NotAllowed, Throttled.
    """
    client, colon, secret = key.partition(":")
    if not colon:
        return key
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = call(f"{address}/admin/oauth/access_token", headers, urlencode(form).encode())
    token = answer.data.get("access_token") if isinstance(answer.data, dict) else None
    if not isinstance(token, str) or not token:
        raise NotAllowed("the store gave no access token for this client ID and secret")
    return token


def _refuse(errors: Any) -> None:
    """Raise the error of a response whose query failed."""
    codes = [
        str((error.get("extensions") or {}).get("code", ""))
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, dict)
    ]
    if "ACCESS_DENIED" in codes:
        raise NotAllowed("the API key lacks a permission: read_orders, or read_products for the catalog")
    raise NotFetched(f"the store's API refused the query ({next(filter(None, codes), 'no code')[:40]})")


def _of(data: Any, name: str) -> Node:
    found = data.get(name) if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise NotFetched(f"the store's response contains no {name}")
    return found


def _nodes(connection: Node) -> list[Node]:
    found = connection.get("nodes")
    if not isinstance(found, list) or not all(isinstance(node, dict) for node in found):
        raise NotFetched("the store's response contains no list")
    return found


def _next(connection: Node) -> str | None:
    """Return the cursor of the next page; None if there is none."""
    page = connection.get("pageInfo")
    if not isinstance(page, dict) or page.get("hasNextPage") is not True:
        return None
    cursor = page.get("endCursor")
    if not isinstance(cursor, str) or not cursor:
        raise NotFetched("the store's response names no next page")
    return cursor


def _part(node: Any, *names: str) -> Any:
    """Return a value inside nested objects; None if anything on the way is missing."""
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _number(gid: Any) -> str:
    """Return the number of a global ID such as ``gid://shopify/LineItem/14698``."""
    return str(gid or "").rpartition("/")[2]


def _lower(value: Any) -> str | None:
    return str(value).lower() if value else None


def _list(value: Any) -> list[Node]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _order(node: Node) -> Node:
    """Return an order in the format of Shopify's webhooks."""
    address = _part(node, "customer", "defaultEmailAddress")
    customer = {
        "id": _part(node, "customer", "legacyResourceId"),
        "email": _part(address, "emailAddress"),
        "email_marketing_consent": {"state": _lower(_part(address, "marketingState"))},
    }
    return {
        "id": node.get("legacyResourceId"),
        "name": node.get("name"),
        "email": node.get("email"),
        "created_at": node.get("createdAt"),
        "updated_at": node.get("updatedAt"),
        "processed_at": node.get("processedAt"),
        "cancelled_at": node.get("cancelledAt"),
        "financial_status": _lower(node.get("displayFinancialStatus")),
        "fulfillment_status": _lower(node.get("displayFulfillmentStatus")),
        "test": node.get("test"),
        "currency": node.get("currencyCode"),
        "total_price": _part(node, "totalPriceSet", "shopMoney", "amount"),
        "buyer_accepts_marketing": node.get("customerAcceptsMarketing"),
        "customer_locale": node.get("customerLocale"),
        "customer": customer if node.get("customer") else None,
        "line_items": [_line(line) for line in node["lineItems"]],
        "fulfillments": [_fulfillment(one) for one in _list(node.get("fulfillments"))],
        "refunds": [_refund(one) for one in _list(node.get("refunds"))],
        "note_attributes": [
            {"name": one.get("key"), "value": one.get("value")} for one in _list(node.get("customAttributes"))
        ],
    }


def _line(node: Node) -> Node:
    return {
        "id": _number(node.get("id")),
        "sku": node.get("sku"),
        "title": node.get("title"),
        "quantity": node.get("quantity"),
        "current_quantity": node.get("currentQuantity"),
        "price": _part(node, "originalUnitPriceSet", "shopMoney", "amount"),
        "variant_id": _part(node, "variant", "legacyResourceId"),
        "product_id": _part(node, "product", "legacyResourceId"),
    }


def _fulfillment(node: Node) -> Node:
    return {
        "created_at": node.get("createdAt"),
        "updated_at": node.get("updatedAt"),
        "shipment_status": _lower(node.get("displayStatus")),
    }


def _refund(node: Node) -> Node:
    paid = _part(node, "totalRefundedSet", "shopMoney") or {}
    lines = _list(_part(node, "refundLineItems", "nodes"))
    return {
        "id": node.get("legacyResourceId"),
        "created_at": node.get("createdAt"),
        "refund_line_items": [
            {"line_item_id": _number(_part(line, "lineItem", "id")), "quantity": line.get("quantity")} for line in lines
        ],
        "transactions": [
            {"kind": "refund", "status": "success", "amount": paid.get("amount"), "currency": paid.get("currencyCode")}
        ],
    }


def _product(node: Node) -> Node:
    """Return a product in the format of products.json."""
    picture = _part(node, "featuredMedia", "preview", "image", "url")
    return {
        "id": node.get("legacyResourceId"),
        "title": node.get("title"),
        "handle": node.get("handle"),
        "images": [{"src": picture}] if picture else [],
        "variants": [_variant(variant) for variant in node["variants"]],
    }


def _variant(node: Node) -> Node:
    picture = _part(node, "image", "url")
    return {
        "id": node.get("legacyResourceId"),
        "sku": node.get("sku"),
        "title": node.get("title"),
        "price": node.get("price"),
        "inventory_management": "shopify" if _part(node, "inventoryItem", "tracked") is not False else None,
        "inventory_policy": _lower(node.get("inventoryPolicy")),
        "inventory_quantity": node.get("inventoryQuantity"),
        **({"featured_image": {"src": picture}} if picture else {}),
    }
