"""The console's pages: what they show, accept, and refuse."""

from __future__ import annotations

import io
import re

import openpyxl
import pytest
from sqlalchemy import event

from tests.support.console import PASSWORD, ROOT, SignedInUser, form_token, rows, signed_in
from tests.support.services import client_of
from widget.actions.content.change_draft import open_draft
from widget.actions.emails.send_outbox import send_outbox
from widget.content.editing import records_of
from widget.content.spreadsheet import xlsx_sheet
from widget.services import Services

PAGES = (
    *("/mappings", "/mappings?kind=tips", "/mappings?row=rub-in-cream", "/mappings?row=new", "/mappings/import"),
    *(
        "/quiz",
        "/safety",
        "/products",
        "/tips",
        "/emails",
        "/languages",
        "/languages/es?show=all",
        "/findings",
        "/changes",
    ),
    *("/impact", "/try", "/records/question/area", "/records/triage/chest-or-breathing", "/records/product/CREAM-60"),
    *("/records/tip/massage", "/records/email/check-in", "/records/sequence/after-purchase", "/records/pack/pack"),
    *("/records/question/new", "/emails/how-to-use/preview", "/emails/check-in/preview?outcome=see_doctor&look=text"),
)
RTL = "\u202egnp.exe\u202c"


@pytest.fixture
def owner(sqlite_services: Services) -> SignedInUser:
    return signed_in(sqlite_services)


def row_form(owner: SignedInUser, name: str, **changes: str) -> dict[str, str]:
    """Return the form data of a row as its page renders it, with some fields changed."""
    page = owner.get(f"/mappings/rows/{name}").text
    seen = re.search(r'name="seen" value="([^"]*)"', page)
    assert seen
    return {
        "seen": seen[1],
        **{key: value for key, value in rows(owner).get(name, {}).items() if key != "id"},
        **changes,
    }


@pytest.mark.parametrize("path", PAGES)
def test_every_console_page_opens_with_a_strict_content_security_policy(owner: SignedInUser, path: str) -> None:
    answer = owner.get(path)

    assert answer.status_code == 200
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"\sstyle=|\son[a-z]+=", re.sub(r"<template.*?</template>", "", answer.text, flags=re.DOTALL))


def test_console_pages_make_at_most_sixteen_queries(owner: SignedInUser) -> None:
    owner.get("/check")
    asked: list[str] = []
    event.listen(owner.services.database, "before_cursor_execute", lambda *args: asked.append(args[2]))
    for path in ("/mappings", "/quiz", "/impact", "/records/question/area", "/languages/es?show=all"):
        owner.get(path)
        asked.clear()
        owner.get(path)

        assert len([item for item in asked if item.startswith("SELECT")]) <= 16, path


# The mapping table -----------------------------------------------------------------------------------


def test_mapping_table_is_filtered_by_question_product_effect_text_and_change(owner: SignedInUser) -> None:
    owner.post("/mappings/rows/rub-in-cream", row_form(owner, "rub-in-cream", weight="31"))

    def shown(query: str) -> list[str]:
        return re.findall(r'data-row="([^"]+)"', owner.get(f"/mappings?{query}").text)

    assert len(shown("")) == 46
    assert shown("changed=1") == ["rub-in-cream"]
    assert all("scent" in rows(owner)[name]["when"] for name in shown("question=scent"))
    assert "whole-leg-jar" in shown("product=CREAM-120")
    assert "whole-leg-jar" not in shown("product=CREAM-60")
    assert shown("q=curve") == ["calves-roll"]
    assert shown("effect=pin") == []
    assert all(rows(owner)[name]["target"].startswith("tip:") for name in shown("kind=tips"))


def test_mapping_row_is_shown_as_a_sentence_with_its_answer_paths(owner: SignedInUser) -> None:
    owner.get("/check")
    page = owner.get("/mappings?row=massage-glide").text

    assert (
        "When Recovery is Massage and About you is not Broken skin or Blood thinner, add 10 to every cream, salve."
        in page
    )
    assert "82,575,360</b> answer paths (2.5%)" in page


def test_mapping_row_is_added_duplicated_deleted_and_restored_without_scripts(owner: SignedInUser) -> None:
    new = {
        "when": "area=calves",
        "effect": "boost",
        "target": "form:spray",
        "weight": "+4",
        "reason": "Quick.",
        "note": "",
    }
    added = owner.post("/mappings/rows/new", {**new, "seen": ""})
    assert added.status_code == 303
    assert rows(owner)["calves-spray"] | {"id": ""} == {"id": "", **new, "weight": "4"}
    owner.post("/mappings/rows/calves-spray", {"do": "duplicate"})
    assert "calves-spray-copy" in rows(owner)
    owner.post("/mappings/rows/rub-in-cream", {"do": "delete"})
    assert "rub-in-cream" not in rows(owner)
    assert 'class="gone"' in owner.get("/mappings").text
    owner.post("/mappings/rows/rub-in-cream", {"do": "restore"})

    assert next(iter(rows(owner))) == "rub-in-cream"


def test_bulk_changes_of_mapping_rows_can_be_undone(owner: SignedInUser) -> None:
    before = rows(owner)
    chosen = ["rub-in-cream", "rub-in-salve"]
    owner.post("/mappings/bulk", {"row": chosen, "do": "weight", "value": "+5"})
    owner.post("/mappings/bulk", {"row": chosen, "do": "and", "value": "soreness<7"})
    assert [rows(owner)[name]["weight"] for name in chosen] == ["35", "15"]
    assert rows(owner)["rub-in-cream"]["when"] == "apply = rub-in & soreness < 7"
    owner.post("/undo")
    owner.post("/undo")

    assert rows(owner) == before


def test_invalid_bulk_change_changes_nothing(owner: SignedInUser) -> None:
    before = rows(owner)
    response = owner.post(
        "/mappings/bulk",
        {"row": ["rub-in-cream", "rub-in-salve"], "do": "weight", "value": "lots"},
        follow_redirects=True,
    )

    assert "Enter a weight, such as 20" in response.text
    assert rows(owner) == before


def test_exported_sheet_is_imported_after_a_preview_of_the_changes(owner: SignedInUser) -> None:
    book = openpyxl.load_workbook(io.BytesIO(owner.get("/mappings/export.xlsx").data))
    assert book["mappings"].max_row == 70
    listed = [dict(row) for row in rows(owner).values()]
    listed[0]["weight"] = "29"
    sheet = xlsx_sheet(listed[:-1])
    look = owner.post("/mappings/import", {"file": (io.BytesIO(sheet), "m.xlsx")})
    assert "2 rows will change" in look.text
    assert rows(owner)["rub-in-cream"]["weight"] == "30"  # Only previewed so far.
    fields = dict(re.findall(r'type="hidden" name="(seen|whole|do)" value="([^"]*)"', look.text))
    text = re.search(r'<textarea name="text" hidden>(.*?)</textarea>', look.text, re.DOTALL)
    assert text
    import html

    done = owner.post("/mappings/import", {**fields, "do": "apply", "text": html.unescape(text[1])})

    assert done.status_code == 303
    assert rows(owner)["rub-in-cream"]["weight"] == "29"
    assert len(rows(owner)) == 68


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("m.xlsx", b"PK\x03\x04 this is no archive", "not a readable .xlsx file"),
        ("m.csv", b"\x89PNG\r\n\x1a\n", "not UTF-8"),
        ("m.csv", b"id,when,effect,target\n\x00,a,b,c\n", "control character"),
        ("m.csv", b"name;price\ncream;3\n", "the first line must be"),
    ],
)
def test_invalid_import_file_is_refused_with_a_message(
    owner: SignedInUser, name: str, body: bytes, message: str
) -> None:
    before = rows(owner)
    answer = owner.post("/mappings/import", {"file": (io.BytesIO(body), name)})

    assert answer.status_code == 422
    assert message in answer.text
    assert rows(owner) == before


def test_pasted_rows_are_added_without_changing_other_rows(owner: SignedInUser) -> None:
    pasted = "extra\tarea = calves\tboost\tform:spray\t7\tQuick.\t"
    look = owner.post("/mappings/import", {"text": pasted})
    assert "1 row will change" in look.text
    seen = re.search(r'name="seen" value="([^"]*)"', look.text)
    assert seen
    owner.post("/mappings/import", {"text": pasted, "do": "apply", "seen": seen[1], "whole": "0"})

    assert rows(owner)["extra"]["weight"] == "7"
    assert len(rows(owner)) == 70


# Invalid input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", RTL, "🦵🏽" * 500, "x" * 1_000_000]
)
def test_pasted_markup_is_escaped(owner: SignedInUser, text: str) -> None:
    answer = owner.post("/mappings/rows/rub-in-cream", row_form(owner, "rub-in-cream", reason=text, note=text))
    assert answer.status_code in (303, 422)
    page = owner.get("/mappings").text

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert len(rows(owner)["rub-in-cream"]["reason"]) <= 10_000


def test_invalid_condition_is_kept_and_reported_at_its_field(owner: SignedInUser) -> None:
    owner.post("/mappings/rows/rub-in-cream", row_form(owner, "rub-in-cream", when="apply = = rub"))
    owner.get("/check")
    page = owner.get("/mappings?row=rub-in-cream").text

    assert rows(owner)["rub-in-cream"]["when"] == "apply = = rub"
    assert 'aria-invalid="true" aria-describedby="f-when-rub-in-cream"' in page
    assert "cannot read the condition" in page


def test_form_with_a_stale_csrf_token_changes_nothing_and_keeps_the_input(owner: SignedInUser) -> None:
    before = rows(owner)
    sent = row_form(owner, "rub-in-cream", reason="Typed for ten minutes.")
    answer = owner.client.post(f"{ROOT}/mappings/rows/rub-in-cream", data={**sent, "csrf_token": "stale"})

    assert answer.status_code == 400
    assert "Typed for ten minutes." in answer.text
    assert rows(owner) == before


def test_form_input_of_a_lost_session_can_be_saved_after_sign_in(owner: SignedInUser) -> None:
    sent = row_form(owner, "rub-in-cream", reason="Typed for ten minutes.")
    stranger = client_of(owner.services)
    answer = stranger.post(f"{ROOT}/mappings/rows/rub-in-cream", data=sent)
    assert answer.status_code == 401
    kept = re.search(r'name="kept" value="([^"]+)"', answer.text)
    assert kept
    assert "Typed for ten minutes." not in kept[1]
    data = {"csrf_token": form_token(answer), "email": "owner@team.example", "password": PASSWORD, "kept": kept[1]}
    offered = stranger.post("/console/sign-in", data=data)
    assert "Typed for ten minutes." in offered.text
    saved = stranger.post(f"{ROOT}/mappings/rows/rub-in-cream", data={**sent, "csrf_token": form_token(offered)})

    assert saved.status_code == 303
    assert rows(owner)["rub-in-cream"]["reason"] == "Typed for ten minutes."


def test_double_click_on_publish_publishes_once(owner: SignedInUser) -> None:
    owner.post("/mappings/rows/rub-in-salve", row_form(owner, "rub-in-salve", weight="90"))
    owner.get("/check")
    revision = re.search(r'name="revision" value="(\d+)"', owner.get("/impact").text)
    assert revision
    sent = {"how": "now", "note": "Salve first.", "revision": revision[1]}
    first, second = owner.post("/impact", sent), owner.post("/impact", sent)

    assert (first.status_code, second.status_code) == (303, 409)
    assert open_draft(owner.services, shop="demo", quiz="leg-day").live == 2


def test_edit_conflict_shows_both_values(owner: SignedInUser) -> None:
    other = signed_in(owner.services, "editor")
    mine, theirs = row_form(owner, "rub-in-cream", weight="40"), row_form(other, "rub-in-cream", weight="50")
    other.post("/mappings/rows/rub-in-cream", theirs)
    answer = owner.post("/mappings/rows/rub-in-cream", mine)
    assert answer.status_code == 409
    assert "The editor changed this" in answer.text
    assert re.search(r"<td>50</td>\s*<td>40</td>", answer.text)
    fields = dict(
        re.findall(r'type="hidden" name="([a-z]+)" value="([^"]*)"', answer.text.partition("data-conflict")[2])
    )
    owner.post("/mappings/rows/rub-in-cream", {**mine, "seen": fields["seen"]})

    assert rows(owner)["rub-in-cream"]["weight"] == "40"


# Trying a draft --------------------------------------------------------------------------------------


def test_trying_a_draft_counts_no_answers(owner: SignedInUser) -> None:
    from tests.support.packs import GOOD

    owner.post("/mappings/rows/rub-in-salve", row_form(owner, "rub-in-salve", weight="95"))
    quiz = owner.get("/try/api?locale=es").json
    assert quiz["locale"] == "es"
    answers = {**GOOD, "apply": ["rub-in"]}
    response = owner.client.post(f"{ROOT}/try/api/responses?html=1", json={"answers": answers})
    trace = owner.get(f"/try/trace?example={response.json['visit']}&why=CREAM-60").text
    owner.services.recorder.flush()

    assert response.json["result"]["products"][0]["form"] == "salve"
    assert "Why not Trail Cream?" in trace
    assert "rub-in-salve" in trace
    assert "calves" not in response.json["visit"]
    assert "No answers in the last 30 days" in (owner.get("/check") and owner.get("/impact").text)


def test_preview_email_is_sent_to_the_user_who_requested_it(owner: SignedInUser) -> None:
    owner.post("/emails/how-to-use/preview", {"outcome": "products", "sku": "ROLL-75", "locale": "en"})
    assert owner.services.transport.sent == []  # No page waits for a mail server.
    send_outbox(owner.services)
    (recipient, message) = owner.services.transport.sent[-1]

    assert recipient == "owner@team.example"
    assert message["Subject"].startswith("[Test] ")
    assert "Stride Roll-on" in message.get_body(("plain",)).get_content()


def test_questions_are_reordered_with_buttons(owner: SignedInUser) -> None:
    owner.post("/records/question/order", {"record": "scent", "do": "up"})
    order = list(records_of(open_draft(owner.services, shop="demo", quiz="leg-day").draft.files, "question"))

    assert order.index("scent") == order.index("moment") - 1


def test_translation_is_saved_for_the_source_text_shown_beside_it(owner: SignedInUser) -> None:
    page = owner.get("/languages/es?show=all&q=quiz.area.text").text
    fields = dict(re.findall(r'name="(seen|of)" value="([^"]*)"', page))
    owner.post("/languages/es/quiz.area.text", {**fields, "text": "¿Dónde te duele?"})
    text = owner.get("/languages/es?show=all&q=quiz.area.text").text

    assert "¿Dónde te duele?" in text
    assert "Everything is translated" in text


def test_accepted_warning_with_a_reason_returns_when_the_text_changes(owner: SignedInUser) -> None:
    said = "You like to rub it in: a small wellness ritual."
    owner.post("/mappings/rows/rub-in-cream", row_form(owner, "rub-in-cream", reason=said))
    owner.get("/check")
    page = owner.get("/findings").text
    assert "Accept with a reason" in page
    block = page.partition(f"{ROOT}/accept")[2].partition("</form>")[0]
    fields = dict(re.findall(r'type="hidden" name="(key|locale|rule)" value="([^"]*)"', block))
    owner.post("/accept", {**fields, "reason": "It speaks of the feel on the skin."})
    owner.get("/check")
    assert "Accept with a reason" not in owner.get("/findings").text
    owner.post("/mappings/rows/rub-in-cream", row_form(owner, "rub-in-cream", reason=said + " A wellness ritual."))
    owner.get("/check")

    assert "Accept with a reason" in owner.get("/findings").text


def test_one_time_link_is_masked_in_logs() -> None:
    from widget.telemetry import masked_path

    assert masked_path("/console/set-password/secret-token") == "/console/set-password/…"
