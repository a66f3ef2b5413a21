"""Console forms, submitted as a browser does."""

from __future__ import annotations

import re
from typing import Any

from tests.support.console import PASSWORD, signed_in
from widget.services import Services


def form_token(client: Any, path: str = "/console/account") -> str:
    """Return the CSRF token of the first form on a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).get_data(as_text=True))
    assert found, path
    return found[1]


def set_password(client: Any, token: str, name: str = "Sam") -> Any:
    """Set a name and password through a one-time link."""
    path = f"/console/set-password/{token}"
    return client.post(path, data={"csrf_token": form_token(client, path), "name": name, "password": PASSWORD})


def client_in(services: Services, role: str = "owner", shop: str = "demo", email: str = "") -> Any:
    """Return the client of a new user with this role who has just signed in."""
    return signed_in(services, role, shop, email or f"{role}@{shop}.example").client


def post(client: Any, path: str, **fields: Any) -> Any:
    """Post a form with its CSRF token."""
    return client.post(path, data={"csrf_token": form_token(client), **fields})
