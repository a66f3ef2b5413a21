"""Sign-in by password or by the company's identity provider, invitations, and the user's own account."""

from __future__ import annotations

from widget.web.console.auth import oidc, views

BLUEPRINTS = (
    views.blueprint,
    oidc.blueprint,
)
