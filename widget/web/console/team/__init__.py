"""Users of a shop, their roles, and the activity log."""

from __future__ import annotations

from widget.web.console.team import activity, views

BLUEPRINTS = (
    views.blueprint,
    activity.blueprint,
)
