"""What shoppers did: the funnel, answers, products, revenue."""

from __future__ import annotations

from widget.web.console.results import views

BLUEPRINTS = (views.blueprint,)
