"""Orders, emails, deliverability, and webhook deliveries of a shop."""

from __future__ import annotations

from widget.web.console.orders import deliverability, views

BLUEPRINTS = (views.blueprint, deliverability.blueprint)
