"""The settings of a shop: texts, products, feeds, webhooks, connections, embed, privacy."""

from __future__ import annotations

from widget.web.console.settings import connections, embed, feed, privacy, products, shop, webhooks

BLUEPRINTS = (
    shop.blueprint,
    webhooks.blueprint,
    connections.blueprint,
    privacy.blueprint,
    products.blueprint,
    feed.blueprint,
    embed.blueprint,
)
