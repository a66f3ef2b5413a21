"""Coming into the console, as people do: by a one-time link and its form."""

from __future__ import annotations

import re
from typing import Any

from tests.conftest import client_of
from widget.actions.add_person import add_person
from widget.parts import Parts

PASSWORD = "plum otter violin seven"


def form_token(client: Any, path: str = "/console/account") -> str:
    """The token of the first form of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).get_data(as_text=True))
    assert found, path
    return found[1]


def come_in(client: Any, token: str, name: str = "Sam") -> Any:
    path = f"/console/come-in/{token}"
    data = {"csrf_token": form_token(client, path), "name": name, "password": PASSWORD}
    return client.post(path, data=data)


def signed_in(parts: Parts, role: str = "owner", shop: str = "demo", email: str = "") -> Any:
    """A client of somebody with this role who has just come in."""
    _, token = add_person(parts, shop=shop, email=email or f"{role}@{shop}.example", role=role, name=role.capitalize())
    client = client_of(parts)
    assert come_in(client, token, role.capitalize()).status_code == 303
    return client


def post(client: Any, path: str, **fields: Any) -> Any:
    """Post a form with its token."""
    return client.post(path, data={"csrf_token": form_token(client), **fields})
