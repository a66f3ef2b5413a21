"""Shopify's GraphQL Admin API as far as we use it: a schema, and answers from orders and products of a test.

The names of types and fields are Shopify's (shopify.dev, GraphQL Admin API 2026-10).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from graphql import build_schema, graphql_sync

SCHEMA = build_schema("""
scalar DateTime
scalar Decimal
scalar Money
scalar UnsignedInt64
scalar URL
enum OrderSortKeys { UPDATED_AT ID }
enum CurrencyCode { USD EUR }
enum ProductVariantInventoryPolicy { CONTINUE DENY }
enum CustomerEmailAddressMarketingState { SUBSCRIBED NOT_SUBSCRIBED UNSUBSCRIBED PENDING }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type MoneyV2 { amount: Decimal! currencyCode: CurrencyCode! }
type MoneyBag { shopMoney: MoneyV2! }
type Attribute { key: String! value: String }
type CustomerEmailAddress { emailAddress: String! marketingState: CustomerEmailAddressMarketingState! }
type Customer { legacyResourceId: UnsignedInt64! defaultEmailAddress: CustomerEmailAddress }
type Product {
  id: ID! legacyResourceId: UnsignedInt64! title: String! handle: String! featuredMedia: Media
  variants(first: Int, after: String): ProductVariantConnection!
}
type Media { preview: MediaPreviewImage }
type MediaPreviewImage { image: Image }
type Image { url: URL! }
type InventoryItem { tracked: Boolean! }
type ProductVariant {
  legacyResourceId: UnsignedInt64! sku: String title: String! price: Money! inventoryQuantity: Int
  inventoryPolicy: ProductVariantInventoryPolicy! inventoryItem: InventoryItem! image: Image
}
type ProductVariantConnection { pageInfo: PageInfo! nodes: [ProductVariant!]! }
type ProductConnection { pageInfo: PageInfo! nodes: [Product!]! }
type LineItem {
  id: ID! sku: String title: String! quantity: Int! currentQuantity: Int! originalUnitPriceSet: MoneyBag!
  variant: ProductVariant product: Product
}
type LineItemConnection { pageInfo: PageInfo! nodes: [LineItem!]! }
type Fulfillment { createdAt: DateTime! updatedAt: DateTime! displayStatus: String }
type RefundLineItem { quantity: Int! lineItem: LineItem! }
type RefundLineItemConnection { pageInfo: PageInfo! nodes: [RefundLineItem!]! }
type Refund {
  legacyResourceId: UnsignedInt64! createdAt: DateTime totalRefundedSet: MoneyBag!
  refundLineItems(first: Int, after: String): RefundLineItemConnection!
}
type Order {
  id: ID! legacyResourceId: UnsignedInt64! name: String! email: String createdAt: DateTime! updatedAt: DateTime!
  processedAt: DateTime! cancelledAt: DateTime test: Boolean! displayFinancialStatus: String
  displayFulfillmentStatus: String! currencyCode: CurrencyCode! customerLocale: String
  customerAcceptsMarketing: Boolean! totalPriceSet: MoneyBag! customAttributes: [Attribute!]! customer: Customer
  lineItems(first: Int, after: String): LineItemConnection!
  fulfillments(first: Int): [Fulfillment!]!
  refunds(first: Int): [Refund!]!
}
type OrderConnection { pageInfo: PageInfo! nodes: [Order!]! }
type Query {
  orders(first: Int, after: String, query: String, sortKey: OrderSortKeys): OrderConnection!
  products(first: Int, after: String, query: String): ProductConnection!
  order(id: ID!): Order
  product(id: ID!): Product
}
""")
Node = dict[str, Any]


class ShopifyData:
    """Answers to queries, from orders in the format of webhooks and products in that of products.json.

    ``page``: the largest page that is given, whatever is asked for.
    """

    def __init__(self, orders: list[Node], products: list[Node], page: int) -> None:
        self._orders, self._products, self._page = [_order(order) for order in orders], products, page

    def answer(self, query: str, variables: dict[str, Any]) -> Node:
        """Return the response to a query; a query that Shopify's schema does not allow gives errors."""
        found = graphql_sync(SCHEMA, query, root_value=self, variable_values=variables, field_resolver=self._resolve)
        return dict(found.formatted)

    def _resolve(self, source: Any, info: Any, **asked: Any) -> Any:
        name = info.field_name
        if source is self:
            return self._root(name, asked)
        value = source.get(name)
        if str(info.return_type).endswith("Connection!"):
            return self._slice(value or [], asked)
        if name in ("fulfillments", "refunds"):
            return (value or [])[: asked["first"]]
        return value

    def _root(self, name: str, asked: Node) -> Any:
        if name == "orders":
            since = re.fullmatch(r"updated_at:>='([^']+)'", asked["query"])
            assert since, asked["query"]
            start = datetime.fromisoformat(since[1])
            listed = [order for order in self._orders if datetime.fromisoformat(order["updatedAt"]) >= start]
            return self._slice(sorted(listed, key=lambda order: str(order["updatedAt"])), asked)
        if name == "products":
            return self._slice([_product(product) for product in self._products], asked)
        listed = self._orders if name == "order" else [_product(product) for product in self._products]
        return next(node for node in listed if node["id"] == asked["id"])

    def _slice(self, listed: list[Any], asked: Node) -> Node:
        start = int(asked.get("after") or 0)
        end = start + min(asked["first"], self._page)
        return {"pageInfo": {"hasNextPage": end < len(listed), "endCursor": str(end)}, "nodes": listed[start:end]}


def _money(amount: Any, currency: str = "USD") -> Node:
    return {"shopMoney": {"amount": amount, "currencyCode": currency}}


def _upper(value: Any) -> str | None:
    return str(value).upper() if value else None


def _order(order: Node) -> Node:
    currency = order["currency"]
    return {
        "id": f"gid://shopify/Order/{order['id']}",
        "legacyResourceId": str(order["id"]),
        "name": order["name"],
        "email": order["email"],
        "createdAt": order["created_at"],
        "updatedAt": order["updated_at"],
        "processedAt": order["created_at"],
        "cancelledAt": order["cancelled_at"],
        "test": order["test"],
        "displayFinancialStatus": _upper(order["financial_status"]),
        "displayFulfillmentStatus": _upper(order["fulfillment_status"]) or "UNFULFILLED",
        "currencyCode": currency,
        "customerLocale": order["customer_locale"],
        "customerAcceptsMarketing": order["buyer_accepts_marketing"],
        "totalPriceSet": _money(order["total_price"], currency),
        "customAttributes": [{"key": one["name"], "value": one["value"]} for one in order["note_attributes"]],
        "customer": _customer(order["customer"]) if order["customer"] else None,
        "lineItems": [_line(line, currency) for line in order["line_items"]],
        "fulfillments": [
            {
                "createdAt": one["created_at"],
                "updatedAt": one["updated_at"],
                "displayStatus": _upper(one["shipment_status"]),
            }
            for one in order["fulfillments"]
        ],
        "refunds": [_refund(refund, order, currency) for refund in order["refunds"]],
    }


def _customer(customer: Node) -> Node:
    state = _upper(customer["email_marketing_consent"]["state"])
    address = {"emailAddress": customer["email"], "marketingState": state}
    return {"legacyResourceId": str(customer["id"]), "defaultEmailAddress": address}


def _line(line: Node, currency: str) -> Node:
    return {
        "id": f"gid://shopify/LineItem/{line['id']}",
        "sku": line["sku"],
        "title": line["title"],
        "quantity": line["quantity"],
        "currentQuantity": line.get("current_quantity", line["quantity"]),
        "originalUnitPriceSet": _money(line["price"], currency),
        "variant": {"legacyResourceId": "31"},
        "product": {"legacyResourceId": "3"},
    }


def _refund(refund: Node, order: Node, currency: str) -> Node:
    lines = {line["id"]: _line(line, currency) for line in order["line_items"]}
    return {
        "legacyResourceId": str(refund["id"]),
        "createdAt": refund["created_at"],
        "totalRefundedSet": _money(refund["transactions"][0]["amount"], currency),
        "refundLineItems": [
            {"quantity": one["quantity"], "lineItem": lines[one["line_item_id"]]} for one in refund["refund_line_items"]
        ],
    }


def _product(product: Node) -> Node:
    pictures = product.get("images") or []
    return {
        "id": f"gid://shopify/Product/{product['id']}",
        "legacyResourceId": str(product["id"]),
        "title": product["title"],
        "handle": product["handle"],
        "featuredMedia": {"preview": {"image": {"url": pictures[0]["src"]}}} if pictures else None,
        "variants": [
            {
                "legacyResourceId": str(one["id"]),
                "sku": one["sku"],
                "title": one["title"],
                "price": one["price"],
                "inventoryQuantity": one["inventory_quantity"],
                "inventoryPolicy": one["inventory_policy"].upper(),
                "inventoryItem": {"tracked": one["inventory_management"] is not None},
                "image": None,
            }
            for one in product["variants"]
        ],
    }
