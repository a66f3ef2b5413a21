"""Signed-in console users for tests."""

from __future__ import annotations

import re
from typing import Any

from tests.support.services import client_of
from widget.actions.accounts.add_user import add_user
from widget.actions.content.change_draft import open_draft
from widget.content.editing import MAPPING, records_of
from widget.domain.roles import OWNER
from widget.services import Services

PASSWORD = "quiet otter lamp seventeen"
ROOT = "/console/shops/demo/quizzes/leg-day"


def form_token(page: Any) -> str:
    """Return the CSRF token of the first form on a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text[:400]
    return found[1]


class SignedInUser:
    """A signed-in browser; ``post`` adds the CSRF token of a form."""

    def __init__(self, services: Services, client: Any) -> None:
        self.services, self.client = services, client
        self.token = ""

    def get(self, path: str = "", **more: Any) -> Any:
        return self.client.get(path if path.startswith("/console") else ROOT + path, **more)

    def post(self, path: str = "", data: dict[str, Any] | None = None, **more: Any) -> Any:
        address = path if path.startswith("/console") else ROOT + path
        if not self.token:
            self.token = form_token(self.client.get("/console/account"))
        return self.client.post(address, data={"csrf_token": self.token, **(data or {})}, **more)


def signed_in(services: Services, role: str = OWNER, shop: str = "demo", email: str = "") -> SignedInUser:
    """Create a user with this role and sign in by their one-time link."""
    _, link = add_user(services, shop=shop, email=email or f"{role}@team.example", role=role)
    client = client_of(services)
    page = client.get(f"/console/set-password/{link}")
    data = {"csrf_token": form_token(page), "name": f"The {role}", "password": PASSWORD}
    answer = client.post(f"/console/set-password/{link}", data=data)
    assert answer.status_code == 303, answer.text
    return SignedInUser(services, client)


def rows(owner: SignedInUser) -> dict[str, Any]:
    return records_of(open_draft(owner.services, shop="demo", quiz="leg-day").draft.files, MAPPING)
