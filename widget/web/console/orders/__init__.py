"""Orders, emails, and webhook deliveries of a shop."""

from __future__ import annotations

from widget.web.console.orders import views

BLUEPRINTS = (views.blueprint,)
