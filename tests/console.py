"""Somebody signed in at the console, for tests."""

from __future__ import annotations

import re
from typing import Any

from tests.conftest import client_of
from widget.actions.add_person import add_person
from widget.parts import Parts

PASSWORD = "seven quiet herons wade"


def signed_in(parts: Parts, role: str) -> Any:
    """A client of the web application in which somebody of this role has come in to the demo shop."""
    client = client_of(parts)
    _, token = add_person(parts, shop="demo", email=f"{role}@demo.example", role=role, name=role.capitalize())
    path = f"/console/come-in/{token}"
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found
    form = {"csrf_token": found[1], "name": role.capitalize(), "password": PASSWORD}
    answer = client.post(path, data=form)
    assert answer.status_code == 303, answer.text
    return client
