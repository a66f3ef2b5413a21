"""Sign-in with a company account (OpenID Connect): who is admitted, and everything that is refused."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import func, select
from werkzeug.test import Client

from tests.support.console import signed_in
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, running_provider
from tests.support.packs import ROOT
from tests.support.services import client_of
from widget.actions.accounts.add_user import add_user
from widget.actions.accounts.disable_user import disable_user
from widget.app import create_wsgi
from widget.crypto import TOTP
from widget.services import Services
from widget.storage.audit import AuditEntry
from widget.storage.users import UserSession, user_by_email

AGAIN, NOT_NOW, NOBODY = "company account failed", "could not be reached", "no access to the console"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with running_provider() as found:
        yield found


@pytest.fixture
def services(sqlite_services: Services, provider: FakeProvider) -> Services:
    """Return services with an identity provider and an owner who has a password."""
    signed_in(sqlite_services)
    given = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
    return replace(sqlite_services, settings=replace(sqlite_services.settings, **given))


def start_provider_sign_in(client: Client, provider: FakeProvider, **more: str) -> str:
    """Follow the sign-in link to the provider; return the callback URL that it redirects to."""
    answer = client.get("/console/oidc")
    assert answer.status_code == 303
    assert answer.location.startswith(f"{provider.issuer}/authorize?"), answer.location
    return provider.authorize(answer.location, **more)


def text_after(client: Client, answer: Any) -> str:
    """Return the sign-in page after a refusal, having checked that nobody is signed in."""
    assert answer.status_code == 303
    assert answer.location == "/console/sign-in"
    page = client.get("/console/sign-in")
    assert page.status_code == 200
    assert client.get("/console/account").status_code == 303
    assert not client.get("/console/sign-in").text.count("company sign-in could")  # The message is shown once.
    return page.text


def come_back(client: Client, provider: FakeProvider) -> Any:
    return client.get(start_provider_sign_in(client, provider))


def log_of(services: Services) -> list[tuple[str, str]]:
    with services.reads() as session:
        return [(row.action, row.detail) for row in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def test_console_user_signs_in_by_the_verified_email_of_the_company_account(
    services: Services, provider: FakeProvider
) -> None:
    provider.claims["email"] = "Owner@Team.Example"
    client = client_of(services)
    page = client.get("/console/sign-in").text
    assert '<a class="btn tall" href="/console/oidc">Sign in with your company account</a>' in page
    client.get("/console/shops/demo/log")  # Requested while signed out.
    answer = come_back(client, provider)

    assert (answer.status_code, answer.location) == (303, "/console/shops/demo/log")
    assert client.get("/console/account").status_code == 200
    assert "by company account" in log_of(services)[-1][1]
    assert log_of(services)[-1][0] == "signed_in"


def test_company_account_sign_in_starts_a_fresh_session(services: Services, provider: FakeProvider) -> None:
    client = client_of(services)
    address = start_provider_sign_in(client, provider)
    before = client.get_cookie("console")
    client.get(address)
    after = client.get_cookie("console")

    assert before
    assert after
    assert before.value != after.value
    again = client.get(address)  # The same callback again, in the browser that is now signed in.
    assert again.location == "/console/sign-in"
    with services.reads() as session:
        # One by link and one by the provider.
        assert session.scalar(select(func.count()).select_from(UserSession)) == 2


def test_oidc_callback_works_once_even_with_the_original_cookie(services: Services, provider: FakeProvider) -> None:
    client = client_of(services)
    address = start_provider_sign_in(client, provider)
    kept = client.get_cookie("console")
    assert kept
    assert client.get(address).location == "/console/"
    thief = client_of(services)
    thief.set_cookie("console", kept.value)

    assert AGAIN in text_after(thief, thief.get(address))


def test_unknown_unverified_and_disabled_accounts_get_the_same_message(
    services: Services, provider: FakeProvider
) -> None:
    signed_in(services, "editor", email="gone@team.example")
    with services.reads() as session:
        owner, gone = (user_by_email(session, f"{name}@team.example") for name in ("owner", "gone"))
    assert owner
    assert gone
    disable_user(services, shop="demo", user_id=gone.id, by=owner)
    pages = set()
    for claims in (
        {"email": "nobody@team.example", "email_verified": True},
        {"email": "owner@team.example", "email_verified": False},
        {"email": "owner@team.example", "email_verified": None},
        {"email": "owner@team.example", "email_verified": "true"},
        {"email": None, "email_verified": None},
        {"email": "gone@team.example", "email_verified": True},
    ):
        provider.claims = claims
        client = client_of(services)
        page = text_after(client, come_back(client, provider))
        assert NOBODY in page
        pages.add(page.partition("csrf_token")[0])

    assert len(pages) == 1
    refused = [about for what, about in log_of(services) if what == "sign_in_refused"]
    assert refused == ["by company account: the provider has not verified the address"] * 3 + [
        "by company account: user disabled"
    ]


def test_id_token_with_invalid_claims_is_refused(services: Services, provider: FakeProvider) -> None:
    now, usual = int(time.time()), provider.claims
    wrong: list[dict[str, Any]] = [
        {"nonce": "another"},
        {"nonce": None},
        {"exp": now - 3600},
        {"exp": None},
        {"iat": now + 3600},
        {"aud": "another-service"},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"sub": None},
    ]
    for claims in wrong:
        provider.claims = usual | claims
        client = client_of(services)
        assert AGAIN in text_after(client, come_back(client, provider)), claims


def test_id_token_with_an_invalid_signature_is_refused(services: Services, provider: FakeProvider) -> None:
    client = client_of(services)
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    assert AGAIN in text_after(client, come_back(client, provider))
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "another"})
    assert AGAIN in text_after(client, come_back(client, provider))
    provider.signs_with, provider.algorithm = provider.key, "none"
    assert AGAIN in text_after(client, come_back(client, provider))


def test_id_token_signed_with_hmac_is_refused(services: Services, provider: FakeProvider) -> None:
    """Neither the client secret nor the public key is accepted as an HMAC key."""
    from joserfc.jwk import OctKey

    client = client_of(services)
    provider.algorithm = "HS256"
    for secret in (CLIENT_SECRET.encode() * 2, provider.key.as_pem(private=False).replace(b"-----", b"")):
        provider.signs_with = OctKey.import_key(secret, {"kid": "one"})  # type: ignore[assignment]  # No key pair, on purpose.
        assert AGAIN in text_after(client, come_back(client, provider))


def test_oidc_callback_with_a_foreign_or_expired_state_is_refused(services: Services, provider: FakeProvider) -> None:
    client = client_of(services)
    assert AGAIN in text_after(client, client.get("/console/oidc/back?code=x&state=y"))
    assert AGAIN in text_after(
        client, client.get(start_provider_sign_in(client, provider).replace("state=", "state=x"))
    )
    assert AGAIN in text_after(
        client, client.get(start_provider_sign_in(client, provider, iss="https://elsewhere.example"))
    )
    other = client_of(services)
    assert AGAIN in text_after(
        other, other.get(start_provider_sign_in(client, provider))
    )  # Started in another browser.
    late = start_provider_sign_in(client, provider)
    services.clock.move_to(services.now() + timedelta(minutes=11))
    assert AGAIN in text_after(client, client.get(late))


def test_provider_error_text_is_neither_shown_nor_logged(
    services: Services, provider: FakeProvider, log_lines: list[Any]
) -> None:
    client = client_of(services)
    address = start_provider_sign_in(
        client, provider, error="access_denied", error_description="<script>alert(1)</script>"
    )
    page = text_after(client, client.get(address))
    used = start_provider_sign_in(client, provider)
    refused = text_after(client, client.get(used.replace("code=", "code=another-")))

    assert AGAIN in page
    assert AGAIN in refused
    for text in ("alert(1)", "access_denied", "used up"):
        assert text not in page + refused
    logged = repr(log_lines)
    for secret in (CLIENT_SECRET, used.split("code=")[1][:22], used.split("state=")[1][:20], "access_denied"):
        assert secret not in logged
    assert "/console/oidc/back" in logged


def test_unavailable_identity_provider_shows_a_message(services: Services, provider: FakeProvider) -> None:
    client = client_of(services)
    for status in (500, 503, 302, 404, 0):
        provider.status = status
        assert NOT_NOW in text_after(client, client.get("/console/oidc")), status
    provider.status = 200
    for status in (500, 503, 302, 404, 0):
        address = start_provider_sign_in(client, provider)
        provider.status = status
        page = text_after(client, client.get(address))
        provider.status = 200
        assert NOT_NOW in page or (status == 404 and AGAIN in page), status
        assert "Out of order" not in page


def test_oidc_documents_are_cached_and_rotated_keys_are_fetched(services: Services, provider: FakeProvider) -> None:
    now = [0.0]
    client = Client(create_wsgi(services))
    held: Any = client.application
    kept = held.app.extensions["oidc"]
    for cache in (kept._known, kept._recent):
        cache._clock = lambda: now[0]
    assert provider.calls == []  # Nothing is requested before the first sign-in.
    for _ in range(2):
        assert come_back(client, provider).location == "/console/"
    assert [call for call in provider.calls if call != "/token"] == ["/.well-known/openid-configuration", "/keys"]

    provider.key = provider.signs_with = RSAKey.generate_key(2048, {"kid": "two"})
    # Keys fetched a moment ago are not fetched again so soon.
    assert come_back(client, provider).location == "/console/sign-in"
    now[0] = 61.0
    assert come_back(client, provider).location == "/console/"
    now[0] = 3700.0
    assert come_back(client, provider).location == "/console/"
    assert provider.calls.count("/.well-known/openid-configuration") == 2


def test_email_is_taken_from_userinfo_when_the_id_token_has_none(services: Services, provider: FakeProvider) -> None:
    client = client_of(services)
    provider.claims = {}
    provider.userinfo = {"sub": "8", "email": "owner@team.example", "email_verified": True}
    assert AGAIN in text_after(client, come_back(client, provider))
    provider.userinfo["sub"] = "7"

    assert come_back(client_of(services), provider).location == "/console/"


def test_company_account_sign_in_asks_for_no_totp_code(services: Services, provider: FakeProvider) -> None:
    with services.sessions.begin() as session:
        owner = user_by_email(session, "owner@team.example")
        assert owner
        owner.encrypted_totp = services.crypto.encrypt("JBSWY3DPEHPK3PXP", TOTP)

    assert come_back(client_of(services), provider).location == "/console/"


def test_company_account_sign_in_is_absent_without_a_provider(sqlite_services: Services) -> None:
    client = client_of(sqlite_services)

    assert "company account" not in client.get("/console/sign-in").text
    assert client.get("/console/oidc").status_code == 404
    assert client.get("/console/oidc/back?code=x&state=y").status_code == 404


def test_product_starts_without_the_oidc_extra() -> None:
    program = (
        "import sys; sys.modules['authlib'] = sys.modules['requests'] = sys.modules['joserfc'] = None;"
        "import widget.app, widget.cli, workers.app; print('up')"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    assert ran.stdout.strip() == "up", ran.stderr


def test_invited_user_signs_in_by_company_account_without_a_password(
    services: Services, provider: FakeProvider
) -> None:
    add_user(services, shop="demo", email="new@team.example", role="editor")
    provider.claims["email"] = "new@team.example"

    assert come_back(client_of(services), provider).location == "/console/"
