"""Console access: every route by role, sign-in, one-time links, one-time codes, and the append-only audit log."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError
from werkzeug.routing import IntegerConverter, Rule

from tests.support.console import PASSWORD
from tests.support.console_forms import client_in, form_token, post, set_password
from tests.support.services import client_of
from widget.actions.accounts.add_user import add_user
from widget.actions.accounts.choose_password import use_codes
from widget.actions.accounts.disable_user import disable_user
from widget.actions.accounts.sign_in import IDLE, LONGEST
from widget.actions.shops.add_shop import add_shop
from widget.app import create_app
from widget.crypto import TOTP_OFFER
from widget.domain.roles import MINIMUM_ROLE, ROLES, may
from widget.passwords import new_totp_secret
from widget.services import Services
from widget.storage import audit
from widget.storage.audit import AuditEntry
from widget.storage.tables import TABLES
from widget.storage.users import Invitation, User, user_by_email
from widget.web.console.guard import EVERYONE, SIGNED_IN

KNOWN = {"shop": "demo", "quiz": "leg-day", "token": "none"}


def routes(services: Services) -> Iterator[tuple[str, str, str, str]]:
    """Yield (method, path, permission, endpoint) of every console route, with a value for each variable."""
    app = create_app(services)
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            if rule.endpoint.startswith("console."):
                needed = getattr(app.view_functions[rule.endpoint], "permission", None)
                assert needed in (EVERYONE, SIGNED_IN, *MINIMUM_ROLE), f"{rule.endpoint} does not say who may use it"
                for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                    yield method, _path(rule), needed, rule.endpoint


def _path(rule: Rule) -> str:
    values = {
        name: KNOWN.get(name, 1 if isinstance(converter, IntegerConverter) else "x")
        for name, converter in rule._converters.items()
    }
    built = rule.build(values)
    assert built is not None
    return built[1]


def of_shops(services: Services) -> list[tuple[str, str, str]]:
    return [(method, path, needed) for method, path, needed, _ in routes(services) if needed in MINIMUM_ROLE]


def rows_of_everything(services: Services) -> dict[str, Any]:
    with services.reads() as session:
        counts = {table.__tablename__: session.scalar(select(func.count()).select_from(table)) for table in TABLES}
        shops = session.execute(text("SELECT * FROM shops ORDER BY id")).all()
        webhooks = session.execute(text("SELECT id, state FROM webhook_deliveries ORDER BY id")).all()
        users = session.execute(text("SELECT id, role FROM memberships ORDER BY id")).all()
    return {**counts, "shop rows": shops, "webhook states": webhooks, "roles": users}


def test_every_console_route_requires_sign_in_unless_public(sqlite_services: Services) -> None:
    client = client_of(sqlite_services)
    seen = 0
    for method, path, needed, endpoint in routes(sqlite_services):
        if needed == EVERYONE:
            continue
        seen += 1
        answer = client.open(path, method=method)
        if method == "POST":
            assert answer.status_code == 401, endpoint
        else:
            assert (answer.status_code, answer.headers["Location"]) == (303, "/console/sign-in"), endpoint
    assert seen > 30


@pytest.mark.parametrize("role", [role for role in ROLES if role != "owner"])
def test_insufficient_role_is_refused_on_every_console_route(sqlite_services: Services, role: str) -> None:
    client = client_in(sqlite_services, role)
    token = form_token(client)
    small = [of_shop for of_shop in of_shops(sqlite_services) if not may(role, of_shop[2])]
    before = rows_of_everything(sqlite_services)
    for method, path, needed in small:
        data = {"csrf_token": token} if method == "POST" else None
        assert client.open(path, method=method, data=data).status_code == 403, (method, path, needed)

    assert small
    assert rows_of_everything(sqlite_services) == before


@pytest.mark.parametrize("role", ROLES)
def test_sufficient_role_can_open_console_pages(sqlite_services: Services, role: str) -> None:
    client = client_in(sqlite_services, role)
    for method, path, needed in of_shops(sqlite_services):
        if method == "GET" and MINIMUM_ROLE[needed] == role:
            assert client.get(path).status_code in (200, 302, 303, 404, 422), path


def test_owner_of_another_shop_gets_404_on_every_route(sqlite_services: Services) -> None:
    add_shop(sqlite_services, "other", name="Other", postal_address="", cart={"kind": "event"})
    client = client_in(sqlite_services, "owner", shop="other")
    token = form_token(client)
    before = rows_of_everything(sqlite_services)
    for method, path, _ in of_shops(sqlite_services):
        data = {"csrf_token": token} if method == "POST" else None
        assert client.open(path, method=method, data=data).status_code == 404, (method, path)
        there_is_none = path.replace("/shops/demo", "/shops/none")
        assert client.open(there_is_none, method=method, data=data).status_code == 404

    assert rows_of_everything(sqlite_services) == before


def test_console_post_without_a_csrf_token_has_no_effect(sqlite_services: Services) -> None:
    client = client_in(sqlite_services, "owner")
    app = create_app(sqlite_services)
    before = rows_of_everything(sqlite_services)
    for method, path, _, endpoint in routes(sqlite_services):
        if method == "POST" and not getattr(app.view_functions[endpoint], "stateless", False):
            assert client.post(path, data={"do": "remove", "sure": "yes"}).status_code == 400, path
            assert client.post(path, data={"csrf_token": "forged"}).status_code == 400, path

    assert rows_of_everything(sqlite_services) == before


# Signing in ------------------------------------------------------------------------------------------


def sign_in(client: Any, email: str = "owner@demo.example", password: str = PASSWORD, **more: str) -> Any:
    path = "/console/sign-in"
    data = {"csrf_token": form_token(client, path), "email": email, "password": password, **more}
    return client.post(path, data=data)


def test_sign_in_does_not_reveal_existing_accounts(sqlite_services: Services) -> None:
    client_in(sqlite_services)
    client = client_of(sqlite_services)
    wrong = sign_in(client, password="not the right one")
    nobody = sign_in(client, email="nobody@demo.example")
    lines = [answer.get_data(as_text=True).partition("csrf_token")[0] for answer in (wrong, nobody)]

    assert wrong.status_code == nobody.status_code == 401
    assert lines[0] == lines[1]
    assert "Incorrect email, password, or code." in lines[0]


def test_password_guesses_are_rate_limited(sqlite_services: Services) -> None:
    client = client_of(sqlite_services)
    answers = [sign_in(client, password=f"guess {number}").status_code for number in range(12)]

    assert answers[:10] == [401] * 10
    assert 429 in answers[10:]


def test_disabled_user_is_signed_out_at_once(services: Services) -> None:
    client_in(services)
    guest = client_in(services, "editor")
    owner, editor = user(services, "owner"), user(services, "editor")
    assert guest.get("/console/account").status_code == 200
    disable_user(services, shop="demo", user_id=editor.id, by=owner)

    assert guest.get("/console/account").status_code == 303
    assert sign_in(client_of(services), email=editor.email).status_code == 401

    disable_user(services, shop="demo", user_id=editor.id, by=owner, again=True)
    assert guest.get("/console/account").status_code == 303  # Ended sessions stay ended.
    assert sign_in(client_of(services), email=editor.email).status_code == 303


def user(services: Services, role: str) -> User:
    with services.reads() as session:
        found = user_by_email(session, f"{role}@demo.example")
    assert found is not None
    return found


def test_session_ends_when_idle_and_at_its_maximum_age(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    start = sqlite_services.now()
    sqlite_services.clock.move_to(start + IDLE - timedelta(minutes=5))
    assert client.get("/console/account").status_code == 200
    sqlite_services.clock.move_to(start + 2 * IDLE - timedelta(minutes=15))
    assert client.get("/console/account").status_code == 200
    sqlite_services.clock.move_to(start + 3 * IDLE - timedelta(minutes=20))
    assert client.get("/console/account").status_code == 200

    sqlite_services.clock.move_to(start + LONGEST + timedelta(minutes=1))
    assert client.get("/console/account").status_code == 303

    again = client_of(sqlite_services)
    assert sign_in(again).status_code == 303
    sqlite_services.clock.move_to(sqlite_services.now() + IDLE + timedelta(minutes=1))
    assert again.get("/console/account").status_code == 303


def test_one_time_link_works_once_and_is_not_used_up_by_a_get(services: Services) -> None:
    _, token = add_user(services, shop="demo", email="new@demo.example", role="viewer")
    client = client_of(services)
    for _ in range(3):
        assert client.get(f"/console/set-password/{token}").status_code == 200
    assert client.get("/console/account").status_code == 303
    with services.reads() as session:
        assert session.scalars(select(Invitation.used_at)).all() == [None]

    assert set_password(client, token).status_code == 303
    assert client.get("/console/account").status_code == 200

    other = client_of(services)
    assert other.get(f"/console/set-password/{token}").status_code == 404
    data = {"csrf_token": form_token(other, "/console/sign-in"), "name": "Eve", "password": PASSWORD}
    assert other.post(f"/console/set-password/{token}", data=data).status_code == 404


def test_one_time_link_expires_after_three_days(sqlite_services: Services) -> None:
    _, token = add_user(sqlite_services, shop="demo", email="new@demo.example", role="viewer")
    sqlite_services.clock.move_to(sqlite_services.now() + timedelta(days=3, minutes=1))

    assert client_of(sqlite_services).get(f"/console/set-password/{token}").status_code == 404


def test_totp_code_is_accepted_once(sqlite_services: Services) -> None:
    client_in(sqlite_services)
    secret = new_totp_secret()
    owner = user(sqlite_services, "owner")

    def code() -> str:
        made = TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(int(sqlite_services.now().timestamp()))
        return made.decode()

    encrypted = sqlite_services.crypto.encrypt(secret, f"{TOTP_OFFER} {owner.id}")
    use_codes(sqlite_services, user_id=owner.id, encrypted=encrypted, code=code(), password=PASSWORD)
    sqlite_services.clock.move_to(sqlite_services.now() + timedelta(minutes=2))
    asked = sign_in(client_of(sqlite_services))
    given = code()
    first = sign_in(client_of(sqlite_services), code=given)
    second = sign_in(client_of(sqlite_services), code=given)

    assert asked.status_code == 200
    assert "Six-digit code" in asked.get_data(as_text=True)
    assert first.status_code == 303
    assert second.status_code == 401


# The audit log ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["UPDATE audit_log SET detail = 'other'", "DELETE FROM audit_log"])
def test_audit_log_entries_cannot_be_changed_or_deleted(services: Services, change: str) -> None:
    add_user(services, shop="demo", email="new@demo.example", role="viewer")
    with pytest.raises(DatabaseError), services.sessions.begin() as session:
        session.execute(text(change))

    with services.reads() as session:
        assert [row.action for row in session.scalars(select(AuditEntry))] == ["user_added"]


def test_audit_log_is_filtered_and_exported_as_safe_csv(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    post(client, "/console/account", do="password", old=PASSWORD, new="another otter violin nine")
    with sqlite_services.sessions.begin() as session:
        audit.record(session, shop_id=1, at=sqlite_services.now(), actor="=cmd()", action="signed_in", detail="@x")
    page = client.get("/console/shops/demo/log?kind=Sign-in").get_data(as_text=True)
    sheet = client.get("/console/shops/demo/log/export.csv").get_data(as_text=True)
    some = client.get("/console/shops/demo/log/export.csv?kind=Team").get_data(as_text=True)

    assert "changed their password" in page
    assert "added a user" not in page
    assert "'=cmd()" in sheet
    assert ",'@x" in sheet
    assert "signed_in" not in some
    assert "user_added" in some


def test_audit_log_is_paginated(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    with sqlite_services.sessions.begin() as session:
        for number in range(120):
            audit.record(
                session,
                shop_id=1,
                at=sqlite_services.now(),
                actor="Robin",
                action="draft_changed",
                detail=f"row {number}.",
            )
    first = client.get("/console/shops/demo/log?actor=Robin").get_data(as_text=True)
    before = first.rpartition("before=")[2].partition('"')[0]
    second = client.get(f"/console/shops/demo/log?actor=Robin&before={before}").get_data(as_text=True)

    assert "row 119." in first
    assert "row 69." not in first
    assert "row 69." in second
    assert "row 119." not in second


def test_console_404_page_links_back_to_the_console(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    lost = client.get("/console/shops/demo/orders/deliveries/999", headers={"Accept": "text/html"})
    elsewhere = client.get("/demo/nowhere", headers={"Accept": "text/html"})

    assert (lost.status_code, elsewhere.status_code) == (404, 404)
    assert 'href="/console/"' in lost.get_data(as_text=True)
    assert "/console/" not in elsewhere.get_data(as_text=True)
