"""The state of a draft, its impact, publishing, and the preview."""

from __future__ import annotations

from widget.web.console.publishing import drafts, impact, try_it

BLUEPRINTS = (
    drafts.blueprint,
    impact.blueprint,
    try_it.blueprint,
)
