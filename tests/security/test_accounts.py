"""Account security: an account created by an attacker opens no other shop, and no credential works twice."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.console import PASSWORD
from tests.support.console_forms import client_in, form_token, post, set_password
from tests.support.services import client_of
from widget.actions.accounts.add_user import add_user
from widget.actions.accounts.choose_password import (
    WrongCode,
    WrongPassword,
    change_password,
    offer_codes,
    stop_codes,
    use_codes,
)
from widget.actions.accounts.invite_user import invite_user, link_to_hand_over
from widget.actions.accounts.sign_in import NotSignedIn, sign_in, visitor_of
from widget.actions.accounts.sign_in_by_provider import NotInvited, sign_in_by_provider
from widget.actions.emails.send_outbox import send_outbox
from widget.actions.shops.add_shop import add_shop
from widget.email.transport import MemoryTransport
from widget.passwords import Weak, _totp, hash_password, new_totp_secret
from widget.services import Services
from widget.storage.shops import Shop, shop_by_slug
from widget.storage.users import User, membership, shops_of, user_by_email

VICTIM = "victim@team.example"


def user(services: Services, email: str) -> User:
    with services.reads() as session:
        found = user_by_email(session, email)
    assert found is not None
    return found


def shops(services: Services, email: str) -> list[str]:
    with services.reads() as session:
        return [shop.slug for shop, _ in shops_of(session, user(services, email).id)]


def mailed_link(services: Services) -> str:
    """Return the token of the newest link sent by email."""
    send_outbox(services)
    assert isinstance(services.transport, MemoryTransport)
    plain = services.transport.sent[-1][1].get_body(("plain",)).get_content()
    found = re.search(r"/console/set-password/([\w-]+)", plain)
    assert found is not None
    return found[1]


@pytest.fixture
def two_shops(services: Services) -> Services:
    """Return services with the shops demo (the attacker's) and other, each with an owner."""
    add_shop(services, "other", name="Other", postal_address="", cart={"kind": "event"})
    client_in(services)
    client_in(services, shop="other", email="owner@other.example")
    return services


def test_account_created_by_a_handed_over_link_never_reaches_another_shop(two_shops: Services) -> None:
    services = two_shops
    attacker = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="editor", name="", by=attacker)
    by_hand = link_to_hand_over(services, shop="demo", user_id=user(services, VICTIM).id, by=attacker).rpartition("/")[
        2
    ]
    hijacker = client_of(services)
    assert set_password(hijacker, by_hand).status_code == 303
    assert shops(services, VICTIM) == ["demo"]
    assert user(services, VICTIM).verified_at is None

    invite_user(services, shop="other", email=VICTIM, role="owner", name="", by=user(services, "owner@other.example"))
    assert shops(services, VICTIM) == ["demo"]
    assert hijacker.get("/console/shops/other/team").status_code == 404

    victim = client_of(services)
    assert set_password(victim, mailed_link(services)).status_code == 303  # The victim chooses a new password.
    assert victim.get("/console/shops/other/team").status_code == 200
    assert hijacker.get("/console/account").status_code == 303  # Signed out; the old password is void.
    assert user(services, VICTIM).verified_at is not None


def test_handed_over_link_is_void_once_another_shop_invites_the_user(two_shops: Services) -> None:
    services = two_shops
    attacker = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="editor", name="", by=attacker)
    by_hand = link_to_hand_over(services, shop="demo", user_id=user(services, VICTIM).id, by=attacker)
    invite_user(services, shop="other", email=VICTIM, role="owner", name="", by=user(services, "owner@other.example"))

    assert client_of(services).get(by_hand.removeprefix(services.settings.public_url)).status_code == 404
    later = link_to_hand_over(services, shop="demo", user_id=user(services, VICTIM).id, by=attacker)
    assert client_of(services).get(later.removeprefix(services.settings.public_url)).status_code == 404


def test_verified_account_accepts_an_invitation_without_a_new_session(two_shops: Services) -> None:
    services = two_shops
    owner = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="editor", name="", by=owner)
    assert set_password(client_of(services), mailed_link(services)).status_code == 303
    before = user(services, VICTIM).password_hash
    invite_user(services, shop="other", email=VICTIM, role="viewer", name="", by=user(services, "owner@other.example"))
    path = f"/console/set-password/{mailed_link(services)}"
    reader = client_of(services)
    page = reader.get(path)
    assert "Accept invitation</h1>" in page.text
    assert shops(services, VICTIM) == ["demo"]  # A GET changes nothing: link scanners open links.
    taken = reader.post(
        path, data={"csrf_token": form_token(reader, path), "name": "x", "password": "another otter nine"}
    )
    assert taken.status_code == 404
    assert user(services, VICTIM).password_hash == before
    accepted = reader.post(path, data={"csrf_token": form_token(reader, path), "do": "accept"})

    assert accepted.status_code == 303
    assert sorted(shops(services, VICTIM)) == ["demo", "other"]
    assert reader.get("/console/account").status_code == 303
    assert reader.get(path).status_code == 404


def test_invitation_link_is_void_after_removal_from_the_shop(two_shops: Services) -> None:
    from widget.actions.accounts.add_user import change_member

    services = two_shops
    owner = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="editor", name="", by=owner)
    token = mailed_link(services)
    change_member(services, shop="demo", user_id=user(services, VICTIM).id, role=None, by=owner)

    assert client_of(services).get(f"/console/set-password/{token}").status_code == 404


def test_invited_owner_does_not_count_as_an_owner_yet(two_shops: Services) -> None:
    services = two_shops
    owner = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="owner", name="", by=owner)
    client = client_in(services, "owner", email="second@demo.example")
    post(client, f"/console/shops/demo/team/{owner.id}", do="remove", sure="yes")
    me = user(services, "second@demo.example")
    answer = post(client, f"/console/shops/demo/team/{me.id}", do="remove", sure="yes")

    assert answer.status_code == 422
    with services.reads() as session:
        shop = shop_by_slug(session, "demo")
        assert shop is not None
        assert membership(session, shop.id, me.id) is not None


# Second factor and sessions --------------------------------------------------------------------------


def code_for(services: Services, secret: str) -> str:
    return _totp(secret).generate(int(services.now().timestamp())).decode()


def with_codes(services: Services, email: str = "owner@demo.example") -> str:
    """Turn on one-time codes; return the secret."""
    who = user(services, email)
    offer, address = offer_codes(services, user=who)
    secret = address.partition("secret=")[2].partition("&")[0]
    use_codes(services, user_id=who.id, encrypted=offer, code=code_for(services, secret), password=PASSWORD)
    return secret


def test_enabling_totp_requires_the_password_and_replacing_it_the_old_code(sqlite_services: Services) -> None:
    services = sqlite_services
    client_in(services)
    who = user(services, "owner@demo.example")
    offer, address = offer_codes(services, user=who)
    secret = address.partition("secret=")[2].partition("&")[0]
    with pytest.raises(WrongPassword):
        use_codes(services, user_id=who.id, encrypted=offer, code=code_for(services, secret), password="wrong")
    with_codes(services)
    with pytest.raises(WrongCode):
        use_codes(services, user_id=who.id, encrypted=offer, code=code_for(services, secret), password=PASSWORD)
    with pytest.raises(WrongCode):
        stop_codes(services, user_id=who.id, password=PASSWORD, code="000000")


def test_secret_encrypted_for_another_purpose_cannot_enable_totp(sqlite_services: Services) -> None:
    services = sqlite_services
    client_in(services)
    who = user(services, "owner@demo.example")
    secret = new_totp_secret()
    for purpose in ("kept-form", f"totp-offer {who.id + 1}", "totp"):
        with pytest.raises(WrongCode, match="has expired"):
            use_codes(
                services,
                user_id=who.id,
                encrypted=services.crypto.encrypt(secret, purpose),
                code=code_for(services, secret),
                password=PASSWORD,
            )


@pytest.mark.parametrize("change", ["password", "codes on"])
def test_changing_the_password_or_enabling_totp_ends_other_sessions(sqlite_services: Services, change: str) -> None:
    services = sqlite_services
    client_in(services)
    who = user(services, "owner@demo.example")
    here, there = (sign_in(services, email=who.email, password=PASSWORD) for _ in range(2))
    kept = visitor_of(services, here)
    assert kept is not None
    if change == "password":
        change_password(services, user_id=who.id, old=PASSWORD, new="another otter violin nine", keep=kept.sign_in.id)
    else:
        offer, address = offer_codes(services, user=who)
        code = code_for(services, address.partition("secret=")[2].partition("&")[0])
        use_codes(services, user_id=who.id, encrypted=offer, code=code, password=PASSWORD, keep=kept.sign_in.id)

    assert visitor_of(services, here) is not None
    assert visitor_of(services, there) is None


def test_concurrent_sign_ins_with_one_totp_code_succeed_once(services: Services) -> None:
    from datetime import timedelta

    client_in(services)
    secret = with_codes(services)
    services.clock.move_to(services.now() + timedelta(minutes=2))
    code, came_in = code_for(services, secret), []
    barrier = threading.Barrier(6)

    def attempt() -> None:
        barrier.wait()
        try:
            came_in.append(sign_in(services, email="owner@demo.example", password=PASSWORD, code=code))
        except NotSignedIn:
            return

    tries = [threading.Thread(target=attempt) for _ in range(6)]
    for one in tries:
        one.start()
    for one in tries:
        one.join()

    assert len(came_in) == 1


def test_no_database_connection_is_held_while_a_password_is_verified(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_in(services)
    held: list[int] = []

    def watching(password_hash: str, password: str) -> bool:
        held.append(services.database.pool.checkedout())  # type: ignore[attr-defined]
        return False

    monkeypatch.setattr("widget.actions.accounts.sign_in.is_password", watching)
    monkeypatch.setattr("widget.actions.accounts.choose_password.is_password", watching)
    with pytest.raises(NotSignedIn):
        sign_in(services, email="owner@demo.example", password="wrong")
    with pytest.raises(WrongPassword):
        change_password(services, user_id=user(services, "owner@demo.example").id, old="x", new="y")

    assert held == [0, 0]


# Guessing ---------------------------------------------------------------------------------------------


def guess(client: Any, email: str, **more: str) -> int:
    token = form_token(client, "/console/sign-in")
    data = {"csrf_token": token, "email": email, "password": "wrong", **more}
    return int(client.post("/console/sign-in", data=data).status_code)


def test_password_guess_limit_ignores_email_spelling_variants(sqlite_services: Services) -> None:
    client_in(sqlite_services)
    client = client_of(sqlite_services)
    spellings = (
        "owner@demo.example",
        " owner@demo.example",
        "OWNER@demo.example",
        " " * 300 + "owner@demo.example",
        "owner+a@demo.example",
        "owner+b@demo.example",
        "owner@demo.example\t",
        "own er@demo.example",
    )

    assert [guess(client, spellings[n % len(spellings)]) for n in range(14)][-3:] == [429] * 3


def test_password_guesses_from_another_ip_address_do_not_lock_the_owner_out(sqlite_services: Services) -> None:
    client_in(sqlite_services)
    stranger = client_of(sqlite_services)
    assert [guess(stranger, "owner@demo.example") for _ in range(12)][-1] == 429
    owner = stranger  # The same running application, from another IP address.
    token = form_token(owner, "/console/sign-in")
    data = {"csrf_token": token, "email": "owner@demo.example", "password": PASSWORD}
    answer = owner.post("/console/sign-in", data=data, environ_overrides={"REMOTE_ADDR": "203.0.113.5"})

    assert answer.status_code == 303


def test_signed_in_user_cannot_evade_the_rate_limit_with_an_email_field(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    token = form_token(client)
    answers = [
        client.post(
            "/console/account",
            data={"csrf_token": token, "do": "password", "old": "x", "new": "y", "email": f"{n}@elsewhere.example"},
        ).status_code
        for n in range(12)
    ]

    assert answers[-1] == 429


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.5", "203.0.113.5", True),
        ("203.0.113.5", "203.0.113.6", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_rate_limits_treat_an_ipv6_64_prefix_as_one_client(one: str, other: str, same: bool) -> None:
    from widget.web.limits import client_of as client_of_address

    assert (client_of_address(one) == client_of_address(other)) is same


def test_email_requests_by_api_and_page_share_one_rate_limit(sqlite_services: Services) -> None:
    from tests.support.packs import GOOD

    client = client_of(sqlite_services)
    made = client.post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": GOOD}).json["result"]
    api = f"/v1/shops/demo/quizzes/leg-day/results/{made['code']}/emails"
    body = {"email": "a+1@shop.example", "consents": {"result": True}, "text_version": "1"}
    statuses = [client.post(api, json={**body, "email": f"a+{n}@shop.example"}).status_code for n in range(3)]
    form = {"email": "A@shop.example", "result": "true"}
    statuses += [client.post(f"/demo/r/{made['code']}", data=form).status_code for _ in range(3)]

    assert statuses == [202, 202, 202, 200, 200, 429]


# Passwords and the provider ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password", ["robin.miller", "robin.miller2026", "RobinMiller!", "millerrobin1", "team.example!!"]
)
def test_password_made_of_the_name_or_email_is_refused(password: str) -> None:
    with pytest.raises(Weak):
        hash_password(password, "robin.miller@team.example", "Robin Miller")


def test_company_account_is_matched_by_subject_and_not_by_email(services: Services) -> None:
    client_in(services)
    email = "owner@demo.example"
    assert sign_in_by_provider(services, subject="https://idp 1", email=email, verified=True)
    with pytest.raises(NotInvited):  # The provider has reassigned the address to another person.
        sign_in_by_provider(services, subject="https://idp 2", email=email, verified=True)

    assert sign_in_by_provider(services, subject="https://idp 1", email="renamed@demo.example", verified=True)


def test_unverified_password_is_void_after_company_account_sign_in(services: Services) -> None:
    client_in(services)  # By a handed-over link, so it is unknown whose password this is.
    sign_in_by_provider(services, subject="https://idp 1", email="owner@demo.example", verified=True)

    with pytest.raises(NotSignedIn):
        sign_in(services, email="owner@demo.example", password=PASSWORD)


def test_changing_the_store_address_drops_its_api_key(services: Services) -> None:
    from widget.actions.shops.connect_store import connect_store
    from widget.storage.connections import connections_of

    connect_store(services, shop="demo", platform="shopify", address="https://a.myshopify.com", key="shpat_0123456789")
    connect_store(services, shop="demo", platform="shopify", address="https://evil.example")
    with services.reads() as session:
        shop = session.scalars(select(Shop).where(Shop.slug == "demo")).one()
        row = connections_of(session, shop.id)["shopify"]

    assert (row.address, row.encrypted_key, row.due_at) == ("https://evil.example", "", None)


def test_adding_a_verified_user_again_on_the_command_line_creates_no_link(services: Services) -> None:
    """An operator hands links over; a user with a verified account needs none."""
    _, first = add_user(services, shop="demo", email=VICTIM, role="viewer")
    assert first
    assert set_password(client_of(services), first).status_code == 303
    _, second = add_user(services, shop="demo", email=VICTIM, role="viewer")
    assert second == ""


def test_using_a_handed_over_link_removes_the_verification(two_shops: Services) -> None:
    """Otherwise the next shop's invitation would need only a click and leave the hijacker's password in force."""
    services = two_shops
    attacker = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="viewer", name="", by=attacker)
    assert set_password(client_of(services), mailed_link(services)).status_code == 303
    assert user(services, VICTIM).verified_at is not None
    by_hand = link_to_hand_over(services, shop="demo", user_id=user(services, VICTIM).id, by=attacker).rpartition("/")[
        2
    ]
    hijacker = client_of(services)
    assert set_password(hijacker, by_hand).status_code == 303
    assert user(services, VICTIM).verified_at is None
    invite_user(services, shop="other", email=VICTIM, role="owner", name="", by=user(services, "owner@other.example"))
    page = client_of(services).get(f"/console/set-password/{mailed_link(services)}")

    assert "Accept invitation</h1>" not in page.text
    assert hijacker.get("/console/shops/other/team").status_code == 404


def test_totp_enabled_by_a_hijacker_does_not_lock_the_owner_out(two_shops: Services) -> None:
    services = two_shops
    attacker = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="editor", name="", by=attacker)
    by_hand = link_to_hand_over(services, shop="demo", user_id=user(services, VICTIM).id, by=attacker).rpartition("/")[
        2
    ]
    set_password(client_of(services), by_hand)
    with_codes(services, VICTIM)
    invite_user(services, shop="other", email=VICTIM, role="owner", name="", by=user(services, "owner@other.example"))

    assert set_password(client_of(services), mailed_link(services)).status_code == 303
    assert user(services, VICTIM).encrypted_totp == ""
