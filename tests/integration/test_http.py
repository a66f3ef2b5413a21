"""HTTP responses of the API and the pages to valid and invalid requests."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.packs import GOOD
from tests.support.services import client_of
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


def test_submitted_answers_return_a_result_with_its_location(client: Any) -> None:
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


def test_same_answers_have_the_same_result_code_and_a_different_visit(client: Any) -> None:
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
def test_quiz_varies_on_accept_language_only_when_it_was_used(
    client: Any, query: str, header: str, locale: str, varies: bool
) -> None:
    for _ in range(2):  # The second response comes from the response cache.
        answer = client.get(f"{QUIZ}{query}", headers={"Accept-Language": header} if header else {})
        assert answer.json["locale"] == locale
        assert ("Accept-Language" in answer.headers["Vary"]) is varies


def test_answers_appear_in_no_url_or_result_code(client: Any) -> None:
    result = posted(client).json["result"]

    for option in {item for given in GOOD.values() for item in given if len(item) > 2}:
        assert option not in result["url"]
        assert option not in result["code"]


def test_response_cache_returns_the_response_of_flask(client: Any) -> None:
    first, second = client.get(QUIZ), client.get(QUIZ)

    assert first.get_data() == second.get_data()
    assert client.get(QUIZ, headers={"If-None-Match": second.headers["ETag"]}).status_code == 304
    assert second.headers["Cache-Control"] == "public, max-age=3, stale-if-error=600"
    assert "X-Request-Id" in first.headers


def test_cors_allows_any_origin_without_credentials(client: Any) -> None:
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
def test_invalid_request_returns_problem_json_with_a_code(
    client: Any, path: str, sent: dict, status: int, code: str
) -> None:
    answer = client.post(path, **sent)

    assert (answer.status_code, problem_of(answer)["code"]) == (status, code)
    assert "Traceback" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("code", ["x", "A" * 60, "%00", "..", "é" * 9, "A" * 5000])
def test_invalid_codes_and_tokens_return_404(client: Any, code: str) -> None:
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
def test_nul_byte_in_a_url_returns_404(client: Any, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("stamp", ["9" * 400, "-1", "1e9", ""])
def test_malformed_webhook_timestamp_is_a_bad_signature(client: Any, stamp: str) -> None:
    headers = {"webhook-id": "m", "webhook-signature": "v1,x", "webhook-timestamp": stamp}

    assert client.post("/webhooks/demo/orders", data=b"{}", headers=headers).status_code == 401


def test_chunked_request_body_has_the_same_size_limit(client: Any) -> None:
    import io

    body = json.dumps({"answers": GOOD}).encode() + b" " * 200_000
    sent = {"input_stream": io.BytesIO(body), "headers": {"Transfer-Encoding": "chunked"}}

    assert client.post(RESPONSES, content_type="application/json", **sent).status_code == 413


def test_check_in_answer_appears_in_no_url_and_no_log(sqlite_services: Services) -> None:
    from widget.actions.emails.answer_check_in import check_in_token
    from widget.telemetry import masked_path

    token = check_in_token(sqlite_services, 7, "worse")

    assert "worse" not in token
    assert masked_path(f"/f/{token}") == "/f/…"


def test_response_cache_stays_within_its_size_limit(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(client.get(QUIZ).data)
    monkeypatch.setattr("widget.web.response_cache.MAX_BYTES", 6 * size)
    cache = client.application.wsgi_app.cache
    filled = 0
    for number in range(20):
        client.get(QUIZ, headers={"Accept-Language": f"en;q=0.{number}"})
        assert cache._bytes <= 6 * size
        filled = max(filled, len(cache._pages))

    assert 1 < filled < 20


def test_urls_with_unknown_query_parameters_are_not_cached(client: Any) -> None:
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
    for _ in range(2):  # First from Flask, then from the response cache.
        answer = client.get(QUIZ, headers={"Accept-Encoding": accepted})
        assert (answer.headers.get("Content-Encoding") == "gzip") is packed


def test_response_cache_keys_separate_content_type_and_language(client: Any) -> None:
    """Requests whose concatenated headers are equal get separate cache entries."""
    body = json.dumps({"answers": GOOD}).encode()

    def sent(kind: str, language: str) -> Any:
        return client.post(RESPONSES, data=body, content_type=kind, headers={"Accept-Language": language})

    assert sent("application/json", "es").status_code == 201
    assert sent("application/jsones", "").status_code == 415
    assert sent("application/json", "es").json["result"]["locale"] == "es"
    assert sent("application/json", "ar").json["result"]["locale"] == "ar"
    assert sent("application/jsone", "s").status_code == 415


def test_long_accept_language_headers_are_not_confused_in_the_cache(client: Any) -> None:
    filler = ", ".join(["xx;q=0.1"] * 30)
    spanish, arabic = (client.get(QUIZ, headers={"Accept-Language": f"{filler}, {tag}"}) for tag in ("es", "ar"))

    assert (spanish.json["locale"], arabic.json["locale"]) == ("es", "ar")


def test_method_not_allowed_response_has_an_allow_header(client: Any) -> None:
    assert "GET" in client.post(QUIZ, json={}).headers["Allow"]


def test_version_gone_problem_names_the_live_version(client: Any) -> None:
    assert problem_of(posted(client, version=77))["version"] == 1


def test_not_found_is_html_for_browsers_and_problem_json_for_api_clients(client: Any) -> None:
    assert client.get("/x/quiz/y").mimetype == "text/html"
    assert (
        client.get("/x/quiz/y", headers={"Accept": "application/problem+json"}).mimetype == "application/problem+json"
    )


def test_email_request_response_does_not_reveal_known_addresses(client: Any) -> None:
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


def test_email_requests_are_rate_limited_per_address(client: Any) -> None:
    path = posted(client).headers["Location"] + "/emails"
    body = {"email": "often@shop.example", "consents": {"result": True}, "text_version": "1"}
    answers = [client.post(path, json=body) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert problem_of(answers[-1])["code"] == "too_many_requests"
    assert "Retry-After" in answers[-1].headers


def test_unsubscribe_link_accepts_any_post_but_no_get(sqlite_services: Services) -> None:
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


def test_quiz_can_be_taken_without_javascript(client: Any) -> None:
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


def test_quiz_step_without_an_answer_shows_an_error(client: Any) -> None:
    page = client.get("/demo/quiz/leg-day").get_data(as_text=True)
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    wrong = client.post("/demo/quiz/leg-day", data=form)
    forged = client.post("/demo/quiz/leg-day", data={**form, "draft": "forged", "o": "nonsense"})

    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.get_data(as_text=True)
    assert forged.status_code == 422
    assert client.post("/demo/quiz/leg-day", data={"question": "none"}).status_code == 400


def test_pages_have_security_headers_and_no_inline_code(client: Any) -> None:
    for path in ("/demo/", "/demo/products/cream-60", "/demo/quiz/leg-day", "/mailbox/", "/console/", "/v1/docs"):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        body = answer.get_data(as_text=True)
        assert "unsafe-inline" not in policy, path
        assert "object-src 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(r"\son\w+=|\sstyle=|<style", body), path


def test_widget_assets_are_small_and_load_nothing_from_third_parties(client: Any) -> None:
    import gzip

    loader = client.get("/embed.js")
    files = [ASSETS[NAMES["widget.js"]][0], ASSETS[NAMES["quiz.css"]][0]]
    total = sum(len(gzip.compress(body, 9)) for body in (LOADER, *files))

    assert loader.headers["Cache-Control"] == "public, max-age=300"
    assert "immutable" in client.get(f"/embed/{NAMES['widget.js']}").headers["Cache-Control"]
    assert total <= 10_000
    assert not re.search(rb"https?://", b"".join(files))


def test_health_and_readiness_report_the_database_and_redis(client: Any) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json["database"] == "ok"
    assert client.get("/readyz").json["redis"] == "gone"


@pytest.mark.parametrize(
    ("change", "status", "database"),
    [
        ("UPDATE alembic_version SET version_num = 'of_a_newer_version'", 200, "ok"),
        ("DROP TABLE alembic_version", 503, "migrations missing"),
    ],
)
def test_readiness_needs_the_migrations_of_this_version_and_accepts_newer_ones(
    services: Services, change: str, status: int, database: str
) -> None:
    with services.sessions.begin() as session:
        session.execute(text(change))
    answer = client_of(services).get("/readyz")

    assert (answer.status_code, answer.json["database"]) == (status, database)


def test_demo_checkout_without_an_email_address_shows_an_error(client: Any) -> None:
    client.post("/demo/cart", data={"sku": "ROLL-75", "quantity": "1"})

    assert "Please enter" in client.post("/demo/checkout", data={"email": ""}).get_data(as_text=True)
    assert client.post("/demo/cart", data={"sku": "none"}).status_code == 422
