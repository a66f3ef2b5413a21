"""The body of a webhook delivery with personal data masked."""

from __future__ import annotations

import json
from typing import Any

from widget.web.console.labels import masked

PLAIN = frozenset(
    [
        "type",
        "timestamp",
        "id",
        "number",
        "currency",
        "locale",
        "total",
        "total_price",
        "placed_at",
        "updated_at",
        "created_at",
        "accepts_marketing",
        "test",
        "line_id",
        "sku",
        "product_id",
        "variant_id",
        "title",
        "quantity",
        "price",
    ]
)
"""Keys whose values describe the order, not the person who placed it."""
MAX_SHOWN, MAX_DEEP, MAX_ITEMS = 4000, 8, 50
LEFT_OUT = "…"


def shown_body(body: bytes) -> str:
    """Return the body with addresses masked and possibly personal text left out; empty for an empty body."""
    if not body:
        return ""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return f"Not valid JSON: {len(body):,} bytes that cannot be shown."
    return json.dumps(_shown(data, "", 0), indent=2, ensure_ascii=False)[:MAX_SHOWN]


def _shown(value: Any, key: str, deep: int) -> Any:
    if deep > MAX_DEEP:
        return LEFT_OUT
    if isinstance(value, dict):
        return {masked(str(name))[:80]: _shown(item, str(name), deep + 1) for name, item in _some(value.items())}
    if isinstance(value, list):
        return [_shown(item, key, deep + 1) for item in _some(value)]
    if isinstance(value, bool) or value is None or value == "":
        return value
    if key in PLAIN:
        return masked(value)[:200] if isinstance(value, str) else value
    return masked(value) if isinstance(value, str) and key == "email" and "@" in value else LEFT_OUT


def _some(items: Any) -> list[Any]:
    return list(items)[:MAX_ITEMS]
