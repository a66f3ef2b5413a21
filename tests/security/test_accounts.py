"""Accounts: nobody gets into another's shop by an account they opened, and nothing that proves who one is works twice."""

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
    """The token of the newest link that went out by email."""
    send_outbox(services)
    assert isinstance(services.transport, MemoryTransport)
    plain = services.transport.sent[-1][1].get_body(("plain",)).get_content()
    found = re.search(r"/console/set-password/([\w-]+)", plain)
    assert found is not None
    return found[1]


@pytest.fixture
def two_shops(services: Services) -> Services:
    """Shop demo (the attacker's) and shop other, each with an owner."""
    add_shop(services, "other", name="Other", postal_address="", cart={"kind": "event"})
    client_in(services)
    client_in(services, shop="other", email="owner@other.example")
    return services


def test_an_account_opened_by_hand_never_reaches_another_shop(two_shops: Services) -> None:
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
    assert set_password(victim, mailed_link(services)).status_code == 303  # Chooses a password of their own.
    assert victim.get("/console/shops/other/team").status_code == 200
    assert hijacker.get("/console/account").status_code == 303  # Signed out, and the old password opens nothing.
    assert user(services, VICTIM).verified_at is not None


def test_a_link_handed_over_earlier_is_void_once_another_shop_invites(two_shops: Services) -> None:
    services = two_shops
    attacker = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="editor", name="", by=attacker)
    by_hand = link_to_hand_over(services, shop="demo", user_id=user(services, VICTIM).id, by=attacker)
    invite_user(services, shop="other", email=VICTIM, role="owner", name="", by=user(services, "owner@other.example"))

    assert client_of(services).get(by_hand.removeprefix(services.settings.public_url)).status_code == 404
    later = link_to_hand_over(services, shop="demo", user_id=user(services, VICTIM).id, by=attacker)
    assert client_of(services).get(later.removeprefix(services.settings.public_url)).status_code == 404


def test_a_verified_account_accepts_with_a_button_and_without_a_session(two_shops: Services) -> None:
    services = two_shops
    owner = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="editor", name="", by=owner)
    assert set_password(client_of(services), mailed_link(services)).status_code == 303
    before = user(services, VICTIM).password_hash
    invite_user(services, shop="other", email=VICTIM, role="viewer", name="", by=user(services, "owner@other.example"))
    path = f"/console/set-password/{mailed_link(services)}"
    reader = client_of(services)
    page = reader.get(path)
    assert "Accept invitation?" in page.text
    assert shops(services, VICTIM) == ["demo"]  # Looking changes nothing: scanners open links.
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


def test_a_link_of_a_shop_one_was_removed_from_opens_nothing(two_shops: Services) -> None:
    from widget.actions.accounts.add_user import change_member

    services = two_shops
    owner = user(services, "owner@demo.example")
    invite_user(services, shop="demo", email=VICTIM, role="editor", name="", by=owner)
    token = mailed_link(services)
    change_member(services, shop="demo", user_id=user(services, VICTIM).id, role=None, by=owner)

    assert client_of(services).get(f"/console/set-password/{token}").status_code == 404


def test_an_invited_owner_is_no_owner_yet(two_shops: Services) -> None:
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
    """Turn codes on; the secret."""
    who = user(services, email)
    offer, address = offer_codes(services, user=who)
    secret = address.partition("secret=")[2].partition("&")[0]
    use_codes(services, user_id=who.id, encrypted=offer, code=code_for(services, secret), password=PASSWORD)
    return secret


def test_a_second_factor_is_turned_on_by_password_and_replaced_by_the_old_code(sqlite_services: Services) -> None:
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


def test_a_secret_encrypted_for_something_else_is_no_second_factor(sqlite_services: Services) -> None:
    services = sqlite_services
    client_in(services)
    who = user(services, "owner@demo.example")
    secret = new_totp_secret()
    for purpose in ("kept-form", f"totp-offer {who.id + 1}", "totp"):
        with pytest.raises(WrongCode, match="too old"):
            use_codes(
                services,
                user_id=who.id,
                encrypted=services.crypto.encrypt(secret, purpose),
                code=code_for(services, secret),
                password=PASSWORD,
            )


@pytest.mark.parametrize("change", ["password", "codes on"])
def test_a_change_of_how_one_proves_who_one_is_ends_all_other_sessions(sqlite_services: Services, change: str) -> None:
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


def test_one_code_lets_one_in_however_many_bring_it_at_once(services: Services) -> None:
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


def test_no_transaction_is_open_while_a_password_is_compared(
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


def test_the_limit_on_guesses_is_not_dodged_by_spelling(sqlite_services: Services) -> None:
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


def test_guesses_from_elsewhere_do_not_lock_an_owner_out(sqlite_services: Services) -> None:
    client_in(sqlite_services)
    stranger = client_of(sqlite_services)
    assert [guess(stranger, "owner@demo.example") for _ in range(12)][-1] == 429
    owner = stranger  # The same running application, another address.
    token = form_token(owner, "/console/sign-in")
    data = {"csrf_token": token, "email": "owner@demo.example", "password": PASSWORD}
    answer = owner.post("/console/sign-in", data=data, environ_overrides={"REMOTE_ADDR": "203.0.113.5"})

    assert answer.status_code == 303


def test_whoever_is_signed_in_cannot_move_their_count_by_a_field(sqlite_services: Services) -> None:
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
def test_an_ipv6_household_is_one_client(one: str, other: str, same: bool) -> None:
    from widget.web.limits import client_of as client_of_address

    assert (client_of_address(one) == client_of_address(other)) is same


def test_the_api_and_the_page_share_one_count(sqlite_services: Services) -> None:
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
def test_a_password_made_of_the_address_is_refused(password: str) -> None:
    with pytest.raises(Weak):
        hash_password(password, "robin.miller@team.example", "Robin Miller")


def test_the_provider_is_matched_by_subject_not_by_an_address_that_may_change_hands(services: Services) -> None:
    client_in(services)
    email = "owner@demo.example"
    assert sign_in_by_provider(services, subject="https://idp 1", email=email, verified=True)
    with pytest.raises(NotInvited):  # Somebody else got the address at the provider.
        sign_in_by_provider(services, subject="https://idp 2", email=email, verified=True)

    assert sign_in_by_provider(services, subject="https://idp 1", email="renamed@demo.example", verified=True)


def test_a_password_somebody_else_chose_is_void_once_the_provider_vouches(services: Services) -> None:
    client_in(services)  # By a link that was handed over: nobody knows whose password this is.
    sign_in_by_provider(services, subject="https://idp 1", email="owner@demo.example", verified=True)

    with pytest.raises(NotSignedIn):
        sign_in(services, email="owner@demo.example", password=PASSWORD)


def test_changing_the_address_of_a_store_drops_its_key(services: Services) -> None:
    from widget.actions.shops.connect_store import connect_store
    from widget.storage.connections import connections_of

    connect_store(services, shop="demo", platform="shopify", address="https://a.myshopify.com", key="shpat_0123456789")
    connect_store(services, shop="demo", platform="shopify", address="https://evil.example")
    with services.reads() as session:
        shop = session.scalars(select(Shop).where(Shop.slug == "demo")).one()
        row = connections_of(session, shop.id)["shopify"]

    assert (row.address, row.encrypted_key, row.due_at) == ("https://evil.example", "", None)


def test_the_console_asks_for_a_verified_account_on_the_command_line_only_once(services: Services) -> None:
    """An operator hands links over; who has a verified account needs none."""
    _, first = add_user(services, shop="demo", email=VICTIM, role="viewer")
    assert first
    assert set_password(client_of(services), first).status_code == 303
    _, second = add_user(services, shop="demo", email=VICTIM, role="viewer")
    assert second == ""


def test_a_link_handed_over_takes_the_verification_along(two_shops: Services) -> None:
    """Else the next shop's invitation would only ask for a button, and leave the hijacker's password in force."""
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

    assert "Accept invitation?" not in page.text
    assert hijacker.get("/console/shops/other/team").status_code == 404


def test_a_second_factor_of_a_hijacker_does_not_lock_the_owner_out(two_shops: Services) -> None:
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
