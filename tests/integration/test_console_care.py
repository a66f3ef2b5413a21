"""Console safeguards: no lost edits, no unreviewed publishing, and no bypassed access control."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from marshmallow import fields as kinds
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.support.console import PASSWORD, SignedInUser, form_token, rows, signed_in
from tests.support.drafts import best, draft_of, publish, user, weigh
from tests.support.services import client_of
from widget.actions.accounts.add_user import add_user, make_link
from widget.actions.accounts.choose_password import WrongCode, set_password
from widget.actions.accounts.sign_in import visitor_of
from widget.actions.content.change_draft import open_draft, reset_draft
from widget.actions.content.publish_draft import NeverLive, plan_publish, publish_due, roll_back
from widget.content.editing import EMAIL, MAPPING, PRODUCT, QUESTION, records_of
from widget.content.fields import Listed
from widget.content.schemas import (
    ExclusionSchema,
    IntroSchema,
    PackFileSchema,
    ProductSchema,
    QuestionSchema,
    SequenceSchema,
    TipSchema,
    TriageSchema,
)
from widget.crypto import TOTP
from widget.passwords import new_totp_secret
from widget.services import Services
from widget.storage.drafts import ScheduledPublish
from widget.storage.shops import Shop, shop_by_slug
from widget.storage.users import User
from widget.web.console.content.fields import FIELDS, Field


@pytest.fixture
def owner(sqlite_services: Services) -> SignedInUser:
    return signed_in(sqlite_services)


# No lost edits ---------------------------------------------------------------------------------------


def schema_keys(schema: Any, prefix: str = "") -> set[str]:
    """Return every key of a record's schema, including the keys of its groups and rows."""
    found = set()
    for name, field in schema.fields.items():
        key = f"{prefix}{field.data_key or name}"
        inner = field.inner if isinstance(field, Listed) else field
        found |= {key} if not isinstance(inner, kinds.Nested) else schema_keys(inner.schema, f"{key}.")
    return found


def field_keys(described: tuple[Field, ...], prefix: str = "") -> set[str]:
    found = set()
    for field in described:
        found |= field_keys(field.of, f"{prefix}{field.name}.") if field.of else {f"{prefix}{field.name}"}
    return found


@pytest.mark.parametrize(
    ("kind", "schema", "elsewhere"),
    [
        ("question", QuestionSchema, {"id"}),
        ("intro", IntroSchema, set()),
        ("triage", TriageSchema, {"id"}),
        ("exclusion", ExclusionSchema, {"id"}),
        ("product", ProductSchema, {"sku"}),
        ("tip", TipSchema, set()),
        ("sequence", SequenceSchema, {"id"}),
        ("pack", PackFileSchema, {"id"}),
    ],
)
def test_every_key_of_the_format_has_a_field_in_its_form(kind: str, schema: Any, elsewhere: set[str]) -> None:
    assert schema_keys(schema()) - field_keys(FIELDS[kind]) == elsewhere


def test_edits_saved_while_a_draft_is_published_are_kept(services: Services) -> None:
    anna, ben = user(services, "anna"), user(services, "ben")
    looked_at = draft_of(services)
    weigh(services, ben, "rub-in-cream", "31")
    files = open_draft(services, shop="demo", quiz="leg-day").base
    reset_draft(services, draft=looked_at, by=anna, files=files, base=2, what="version 2 published")

    assert records_of(draft_of(services).files, MAPPING)["rub-in-cream"]["weight"] == "31"
    assert draft_of(services).base == 2


def test_unpublished_quiz_can_be_copied_and_is_not_emptied_by_a_reset(owner: SignedInUser) -> None:
    shop = "/console/shops/demo/quizzes"
    owner.post(shop, {"quiz": "arm-day", "title": "Arm day", "like": "leg-day"})
    owner.post(f"{shop}/arm-day/reset", {"sure": "yes"})
    owner.post(shop, {"quiz": "back-day", "title": "Back day", "like": "arm-day"})
    copies = [open_draft(owner.services, shop="demo", quiz=quiz).draft.files for quiz in ("arm-day", "back-day")]

    assert [len(records_of(files, QUESTION)) for files in copies] == [11, 11]
    assert owner.get(f"{shop}/back-day/impact").status_code == 200
    assert (
        "A quiz with the ID"
        in owner.post(shop, {"quiz": "arm-day", "title": "x", "like": "leg-day"}, follow_redirects=True).text
    )


def test_importing_a_sheet_without_optional_columns_keeps_their_values(owner: SignedInUser) -> None:
    before = rows(owner)
    text = "id,when,effect,target\n" + "".join(
        f'{name},"{row["when"]}",{row["effect"]},{row["target"].replace("form:cream", "form:salve")}\n'
        for name, row in list(before.items())[:2]
    )
    look = owner.post("/mappings/import", {"text": text})
    seen = re.search(r'name="seen" value="([^"]*)"', look.text)
    kept = re.search(r'<textarea name="text" hidden>(.*?)</textarea>', look.text, re.DOTALL)
    assert seen
    assert kept
    owner.post(
        "/mappings/import", {"text": kept[1].replace("&#34;", '"'), "do": "apply", "seen": seen[1], "whole": "0"}
    )

    assert rows(owner)["rub-in-cream"] == {**before["rub-in-cream"], "target": "form:salve"}


def test_duplicate_id_in_an_imported_sheet_is_an_error_and_keeps_the_text(owner: SignedInUser) -> None:
    text = "a\tarea = calves\tboost\tform:spray\t7\t\t\na\tarea = calves\tboost\tform:salve\t7\t\t"
    answer = owner.post("/mappings/import", {"text": text})

    assert answer.status_code == 422
    assert "two rows have the ID" in answer.text
    assert "form:salve" in answer.text


def test_undoing_a_bulk_delete_restores_rows_in_place(owner: SignedInUser) -> None:
    before = list(rows(owner))
    owner.post("/mappings/bulk", {"row": before[2:6], "do": "delete"})
    assert len(rows(owner)) == len(before) - 4
    owner.post("/undo")

    assert list(rows(owner)) == before


def test_or_condition_added_in_bulk_narrows_each_row(owner: SignedInUser) -> None:
    owner.post("/mappings/bulk", {"row": ["rub-in-cream"], "do": "and", "value": "area = calves or area = knees"})

    assert rows(owner)["rub-in-cream"]["when"] == "apply = rub-in & area = calves or apply = rub-in & area = knees"


def test_email_without_a_subject_is_saved_and_reported_as_a_finding(owner: SignedInUser) -> None:
    def seen() -> str:
        found = re.search(r'name="seen" value="([^"]*)"', owner.get("/records/email/check-in").text)
        assert found
        return found[1]

    sent = {"subject": "", "preview": "", "body": "Hello."}
    assert owner.post("/records/email/check-in", {**sent, "seen": seen()}).status_code == 303
    again = owner.post("/records/email/check-in", {**sent, "body": "Hello again.", "seen": seen()})
    owner.get("/check")

    assert again.status_code == 303
    assert records_of(draft_of(owner.services).files, EMAIL)["check-in"]["body"] == "Hello again."
    assert "has no subject.txt" in owner.get("/findings").text


def test_product_with_special_characters_in_its_sku_can_be_opened(owner: SignedInUser) -> None:
    added = owner.post("/records/product/new", {"~id": "BALM #2/½?", "name": "Balm", "seen": ""})
    assert added.status_code == 303
    page = owner.get(added.headers["Location"])

    assert page.status_code == 200
    assert 'value="Balm"' in page.text
    assert "BALM #2/½?" in records_of(draft_of(owner.services).files, PRODUCT)
    assert owner.get("/records/product/new").status_code == 200


# No unreviewed publishing, no bypassed access control -----------------------------------------------


def test_scheduled_publish_overtaken_by_a_newer_version_is_not_published(services: Services) -> None:
    anna = user(services)
    weigh(services, anna, "rub-in-salve", "95")
    at = services.now() + timedelta(hours=2)
    plan_publish(
        services, shop="demo", quiz="leg-day", by=anna, note="", revision=draft_of(services).revision, due_at=at
    )
    services.clock.move_to(services.now() + timedelta(minutes=1))
    weigh(services, anna, "rub-in-salve", "3")
    publish(services, anna)
    services.clock.move_to(at + timedelta(minutes=1))
    publish_due(services)
    with services.reads() as session:
        planned = session.scalars(select(ScheduledPublish)).one()

    assert (planned.state, best(services)) == ("failed", "cream")
    assert "was published in the meantime" in planned.reason


def test_roll_back_to_an_unapproved_version_is_refused(services: Services) -> None:
    anna = user(services)
    weigh(services, anna, "rub-in-salve", "95")
    number = plan_publish(services, shop="demo", quiz="leg-day", by=anna, note="", revision=draft_of(services).revision)
    with pytest.raises(NeverLive):
        roll_back(services, shop="demo", quiz="leg-day", number=number, by=anna)

    assert best(services) == "cream"


def test_cross_site_form_is_not_kept_through_sign_in(owner: SignedInUser) -> None:
    stranger = client_of(owner.services)
    sent = {"email": "evil@other.example", "role": "owner"}
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = stranger.post("/console/shops/demo/team", data=sent, headers=foreign)

    assert answer.status_code == 401
    assert 'name="kept" value=""' in answer.text


def test_one_time_link_does_not_bypass_totp_codes(services: Services) -> None:
    someone, link = add_user(services, shop="demo", email="kim@team.example", role="editor")
    cookie = set_password(services, token=link, name="Kim", password=PASSWORD)
    secret = new_totp_secret()
    with services.sessions.begin() as session:
        row = session.get_one(User, someone.id)
        row.encrypted_totp, row.verified_at = services.crypto.encrypt(secret, TOTP), services.now()
        fresh, other = (make_link(services, session, row, _demo(session), mailed=True) for _ in range(2))
    with pytest.raises(WrongCode):
        set_password(services, token=fresh, name="Kim", password=PASSWORD + "!")
    assert visitor_of(services, cookie) is not None
    code = right_code(services, secret)
    assert set_password(services, token=fresh, name="Kim", password=PASSWORD + "!", code=code)

    assert visitor_of(services, cookie) is None
    assert client_of(services).get(f"/console/set-password/{other}").status_code == 404


def _demo(session: Session) -> Shop:
    shop = shop_by_slug(session, "demo")
    assert shop is not None
    return shop


def right_code(services: Services, secret: str) -> str:
    from widget.passwords import _totp

    return _totp(secret).generate(int(services.now().timestamp())).decode()


def test_rate_limited_user_does_not_lock_out_another_user(owner: SignedInUser) -> None:
    other = signed_in(owner.services, "viewer")
    other.client, mine = client_in_same_app(owner, other)
    for _ in range(12):
        last = other.post("/console/account", {"do": "password", "old": "wrong", "new": "whatever it is"})

    assert last.status_code == 429
    assert mine.post("/console/account", {"do": "codes"}).status_code == 200


def client_in_same_app(owner: SignedInUser, other: SignedInUser) -> tuple[Any, SignedInUser]:
    """Return two browsers of one running application, which share its rate-limit counters."""
    from werkzeug.test import Client

    application = owner.client.application
    browser = Client(application, owner.client.response_wrapper)
    page = browser.get("/console/sign-in")
    data = {"csrf_token": form_token(page), "email": "viewer@team.example", "password": PASSWORD}
    assert browser.post("/console/sign-in", data=data).status_code == 303
    other.token = ""
    return browser, owner
