"""The doors: what they answer to the right and to the wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.packs import GOOD
from widget.services import Services
from widget.web.assets import ASSETS, LOADER, NAMES

QUIZ = "/v1/shops/demo/quizzes/leg-day"
RESPONSES = f"{QUIZ}/responses"


def posted(client: Any, **more: Any) -> Any:
    return client.post(RESPONSES, json={"answers": GOOD, **more})


def problem_of(answer: Any) -> dict[str, Any]:
    assert answer.mimetype == "application/problem+json", answer.get_data(as_text=True)[:200]
    data = json.loads(answer.get_data())
    assert {"type", "title", "status", "detail", "code"} <= set(data)
    assert data["status"] == answer.status_code
    return data


def test_answers_make_a_result_with_a_place_to_find_it_again(client: Any) -> None:
    answer = posted(client, product="CREAM-60")
    result = answer.json["result"]

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{QUIZ}/results/{result['code']}"
    assert result["outcome"] == "products"
    assert result["products"][0]["why"]
    assert result["product_in_view"]["sku"] == "CREAM-60"
    again = client.get(answer.headers["Location"])
    assert again.json == {**result, "product_in_view": None}
    assert (again.headers["Cache-Control"], again.headers["X-Robots-Tag"]) == ("no-store", "noindex")


def test_the_same_answers_have_the_same_code_and_another_visit(client: Any) -> None:
    one, other = posted(client).json, posted(client).json

    assert one["result"] == other["result"]
    assert one["visit"] != other["visit"]


@pytest.mark.parametrize(
    ("query", "header", "locale", "varies"),
    [
        ("", "ar,en;q=0.5", "ar", True),
        ("?locale=es-MX", "ar", "es", False),
        ("?locale=fr", "ar", "ar", True),
        ("?locale=fr", "", "en", True),
    ],
)
def test_a_quiz_says_when_its_language_follows_from_a_header(
    client: Any, query: str, header: str, locale: str, varies: bool
) -> None:
    for _ in range(2):  # The second is answered by the front layer.
        answer = client.get(f"{QUIZ}{query}", headers={"Accept-Language": header} if header else {})
        assert answer.json["locale"] == locale
        assert ("Accept-Language" in answer.headers["Vary"]) is varies


def test_answers_stand_in_no_address(client: Any) -> None:
    result = posted(client).json["result"]

    for option in {item for given in GOOD.values() for item in given if len(item) > 2}:
        assert option not in result["url"]
        assert option not in result["code"]


def test_the_front_layer_answers_what_flask_answered(client: Any) -> None:
    first, second = client.get(QUIZ), client.get(QUIZ)

    assert first.get_data() == second.get_data()
    assert client.get(QUIZ, headers={"If-None-Match": second.headers["ETag"]}).status_code == 304
    assert second.headers["Cache-Control"] == "public, max-age=3, stale-if-error=600"
    assert "X-Request-Id" in first.headers


def test_any_origin_may_ask_without_credentials(client: Any) -> None:
    for answer in (posted(client), client.get(QUIZ), client.options(RESPONSES), client.get("/v1/shops/x/quizzes/y")):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("path", "sent", "status", "code"),
    [
        ("/v1/shops/none/quizzes/leg-day/responses", {"json": {"answers": GOOD}}, 404, "unknown_quiz"),
        ("/v1/shops/demo/quizzes/none/responses", {"json": {"answers": GOOD}}, 404, "unknown_quiz"),
        (RESPONSES, {"json": {"answers": {**GOOD, "area": ["calfs"]}}}, 422, "unknown_option"),
        (RESPONSES, {"json": {"answers": {**GOOD, "x": ["y"]}}}, 422, "unknown_question"),
        (RESPONSES, {"json": {"answers": {}}}, 422, "required"),
        (RESPONSES, {"json": {"answers": "calves"}}, 422, "invalid_fields"),
        (RESPONSES, {"json": {"answers": {"area": [1]}}}, 422, "invalid_fields"),
        (RESPONSES, {"json": {"answers": {"area": ["x" * 10_000]}}}, 422, "invalid_fields"),
        (RESPONSES, {"json": {"answers": GOOD, "extra": 1}}, 422, "invalid_fields"),
        (RESPONSES, {"json": {"answers": GOOD, "version": "1"}}, 422, "invalid_fields"),
        (RESPONSES, {"json": {"answers": GOOD, "version": 10**30}}, 422, "invalid_fields"),
        (RESPONSES, {"json": {"answers": GOOD, "version": 77}}, 409, "version_gone"),
        (RESPONSES, {"json": {"answers": GOOD, "product": "a\x00b"}}, 422, "invalid_fields"),
        (RESPONSES, {"json": []}, 422, "invalid_fields"),
        (RESPONSES, {"data": "{", "content_type": "application/json"}, 400, "bad_request"),
        (RESPONSES, {"data": "[" * 20_000, "content_type": "application/json"}, 400, "bad_request"),
        (RESPONSES, {"data": b"\xff\xfe", "content_type": "application/json"}, 400, "bad_request"),
        (RESPONSES, {"data": b"\x00" * 100, "content_type": "text/plain"}, 400, "bad_request"),
        (RESPONSES, {"data": "a=1", "content_type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        (RESPONSES, {"data": "x" * 10_000_000, "content_type": "application/json"}, 413, "too_large"),
        (f"{QUIZ}/results/forged/emails", {"json": {"email": "a@b.example", "consents": {"result": True}, "text_version": "1"}}, 404, "unknown_result"),
        ("/v1/shops/demo/events", {"json": {"events": [{"event": "exploded", "quiz": "leg-day"}]}}, 422, "invalid_fields"),
        ("/v1/shops/demo/events", {"json": {"events": [{"event": "seen", "quiz": "none"}]}}, 404, "unknown_shop"),
        ("/webhooks/demo/orders", {"data": b"{}"}, 401, "bad_signature"),
        ("/webhooks/none/orders", {"data": b"{}"}, 404, "unknown_shop"),
        (QUIZ, {"json": {}}, 405, "method_not_allowed"),
        ("/v1/nothing", {"json": {}}, 404, "not_found"),
    ],
)  # fmt: skip
def test_bad_input_gets_its_clear_problem(client: Any, path: str, sent: dict, status: int, code: str) -> None:
    answer = client.post(path, **sent)

    assert (answer.status_code, problem_of(answer)["code"]) == (status, code)
    assert "Traceback" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("code", ["x", "A" * 60, "%00", "..", "é" * 9, "A" * 5000])
def test_invalid_codes_and_tokens_lead_nowhere(client: Any, code: str) -> None:
    for path in (
        f"{QUIZ}/results/{code}",
        f"/demo/r/{code}",
        f"/u/{code}",
        f"/c/{code}",
        f"/p/{code}",
        f"/f/{code}",
    ):
        assert client.get(path).status_code == 404, path
    assert client.post(f"/u/{code}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/v1/shops/de%00mo/quizzes/leg-day", "/v1/shops/demo/quizzes/a%00b", "/demo%00/quiz/leg-day"]
)
def test_a_nul_in_an_address_leads_nowhere(client: Any, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("stamp", ["9" * 400, "-1", "1e9", ""])
def test_an_odd_timestamp_is_a_bad_signature(client: Any, stamp: str) -> None:
    headers = {"webhook-id": "m", "webhook-signature": "v1,x", "webhook-timestamp": stamp}

    assert client.post("/webhooks/demo/orders", data=b"{}", headers=headers).status_code == 401


def test_a_body_in_chunks_is_held_to_the_same_limit(client: Any) -> None:
    import io

    body = json.dumps({"answers": GOOD}).encode() + b" " * 200_000
    sent = {"input_stream": io.BytesIO(body), "headers": {"Transfer-Encoding": "chunked"}}

    assert client.post(RESPONSES, content_type="application/json", **sent).status_code == 413


def test_how_someone_feels_stands_in_no_address_and_no_log(sqlite_services: Services) -> None:
    from widget.actions.emails.answer_check_in import check_in_token
    from widget.telemetry import masked_path

    token = check_in_token(sqlite_services, 7, "worse")

    assert "worse" not in token
    assert masked_path(f"/f/{token}") == "/f/…"


def test_cached_answers_stay_within_their_bound(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(client.get(QUIZ).data)
    monkeypatch.setattr("widget.web.response_cache.MAX_BYTES", 6 * size)
    cache = client.application.wsgi_app.cache
    filled = 0
    for number in range(20):
        client.get(QUIZ, headers={"Accept-Language": f"en;q=0.{number}"})
        assert cache._bytes <= 6 * size
        filled = max(filled, len(cache._pages))

    assert 1 < filled < 20


def test_odd_addresses_are_not_kept(client: Any) -> None:
    for number in range(50):
        client.get(f"{QUIZ}?utm={number}")

    assert len(client.application.wsgi_app.cache._pages) == 0


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.8", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_used_where_it_is_accepted(client: Any, accepted: str, packed: bool) -> None:
    for _ in range(2):  # Once from Flask, once from the response cache.
        answer = client.get(QUIZ, headers={"Accept-Encoding": accepted})
        assert (answer.headers.get("Content-Encoding") == "gzip") is packed


def test_the_response_cache_tells_content_type_and_language_apart(client: Any) -> None:
    """Two requests whose headers only look alike when they are strung together."""
    body = json.dumps({"answers": GOOD}).encode()

    def sent(kind: str, language: str) -> Any:
        return client.post(RESPONSES, data=body, content_type=kind, headers={"Accept-Language": language})

    assert sent("application/json", "es").status_code == 201
    assert sent("application/jsones", "").status_code == 415
    assert sent("application/json", "es").json["result"]["locale"] == "es"
    assert sent("application/json", "ar").json["result"]["locale"] == "ar"
    assert sent("application/jsone", "s").status_code == 415


def test_a_long_language_header_is_not_cut_and_confused(client: Any) -> None:
    filler = ", ".join(["xx;q=0.1"] * 30)
    spanish, arabic = (client.get(QUIZ, headers={"Accept-Language": f"{filler}, {tag}"}) for tag in ("es", "ar"))

    assert (spanish.json["locale"], arabic.json["locale"]) == ("es", "ar")


def test_a_405_says_what_is_allowed(client: Any) -> None:
    assert "GET" in client.post(QUIZ, json={}).headers["Allow"]


def test_a_gone_version_names_the_live_one(client: Any) -> None:
    assert problem_of(posted(client, version=77))["version"] == 1


def test_people_get_pages_and_programs_get_problems(client: Any) -> None:
    assert client.get("/x/quiz/y").mimetype == "text/html"
    assert (
        client.get("/x/quiz/y", headers={"Accept": "application/problem+json"}).mimetype == "application/problem+json"
    )


def test_asking_for_an_email_is_the_same_for_known_and_unknown(client: Any) -> None:
    path = posted(client).headers["Location"] + "/emails"
    body = {"email": "a@shop.example", "consents": {"result": True}, "text_version": "1"}
    first, second = client.post(path, json=body), client.post(path, json=body)

    assert (
        (first.status_code, first.get_data())
        == (second.status_code, second.get_data())
        == (202, b'{"status":"accepted"}')
    )
    assert client.post(path, json={**body, "email": "nonsense"}).status_code == 422
    assert problem_of(client.post(path, json={**body, "consents": {"result": False}}))["code"] == "consent_needed"


def test_emails_are_limited_per_address(client: Any) -> None:
    path = posted(client).headers["Location"] + "/emails"
    body = {"email": "often@shop.example", "consents": {"result": True}, "text_version": "1"}
    answers = [client.post(path, json=body) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert problem_of(answers[-1])["code"] == "too_many_requests"
    assert "Retry-After" in answers[-1].headers


def test_the_unsubscribe_link_takes_any_post_and_no_get(sqlite_services: Services) -> None:
    from tests.support.services import client_of
    from widget.storage.contacts import Consent, contact_for

    with sqlite_services.sessions.begin() as session:
        contact = contact_for(
            session, shop_id=1, address_hash="h", email="a@shop.example", locale="", at=sqlite_services.now()
        )
    client, path = client_of(sqlite_services), f"/u/{sqlite_services.crypto.token('u', contact.id)}"

    def withdrawn() -> int:
        with sqlite_services.reads() as session:
            return session.query(Consent).count()

    assert client.get(path).status_code == client.head(path).status_code == 200
    assert withdrawn() == 0
    for sent in (
        {},
        {"data": "List-Unsubscribe=One-Click", "content_type": "application/x-www-form-urlencoded"},
        {"data": {"List-Unsubscribe": "One-Click"}},
    ):
        answer = client.post(path, **sent)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
    assert withdrawn() == 1


def test_the_quiz_can_be_taken_without_javascript(client: Any) -> None:
    page = client.get("/demo/quiz/leg-day?product=CREAM-60").get_data(as_text=True)
    for _ in range(12):
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        assert not any(option in form["draft"] for option in ("calves", "yesterday"))
        answer = client.post("/demo/quiz/leg-day", data={**form, "o": GOOD[form["question"]]})
        if answer.status_code == 303:
            break
        page = answer.get_data(as_text=True)
    result = client.get(answer.headers["Location"])

    assert "/demo/r/" in answer.headers["Location"]
    assert "calves" not in answer.headers["Location"]
    assert "your best fit" in result.get_data(as_text=True)


def test_a_step_without_an_answer_says_so_and_keeps_the_rest(client: Any) -> None:
    page = client.get("/demo/quiz/leg-day").get_data(as_text=True)
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    wrong = client.post("/demo/quiz/leg-day", data=form)
    forged = client.post("/demo/quiz/leg-day", data={**form, "draft": "forged", "o": "nonsense"})

    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.get_data(as_text=True)
    assert forged.status_code == 422
    assert client.post("/demo/quiz/leg-day", data={"question": "none"}).status_code == 400


def test_pages_are_safe_by_default(client: Any) -> None:
    for path in ("/demo/", "/demo/products/cream-60", "/demo/quiz/leg-day", "/mailbox/", "/console/", "/v1/docs"):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        body = answer.get_data(as_text=True)
        assert "unsafe-inline" not in policy, path
        assert "object-src 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(r"\son\w+=|\sstyle=|<style", body), path


def test_what_a_shopper_loads_is_small_and_our_own(client: Any) -> None:
    import gzip

    loader = client.get("/embed.js")
    files = [ASSETS[NAMES["widget.js"]][0], ASSETS[NAMES["quiz.css"]][0]]
    total = sum(len(gzip.compress(body, 9)) for body in (LOADER, *files))

    assert loader.headers["Cache-Control"] == "public, max-age=300"
    assert "immutable" in client.get(f"/embed/{NAMES['widget.js']}").headers["Cache-Control"]
    assert total <= 10_000
    assert not re.search(rb"https?://", b"".join(files))


def test_health_and_readiness(client: Any) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json["database"] == "ok"
    assert client.get("/readyz").json["redis"] == "gone"


def test_a_checkout_without_an_address_says_so(client: Any) -> None:
    client.post("/demo/cart", data={"sku": "ROLL-75", "quantity": "1"})

    assert "Please enter" in client.post("/demo/checkout", data={"email": ""}).get_data(as_text=True)
    assert client.post("/demo/cart", data={"sku": "none"}).status_code == 422
