"""Tracked links in emails: their redirects, and click counts that do not track individuals."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, text

from tests.support.console import signed_in
from tests.support.database import rows
from tests.support.emails import emails, go_to
from tests.support.orders import EMAIL, webhook
from tests.support.packs import GOOD, leg_day_files, publish_files
from tests.support.results import ANSWERS, BOT, PAGE, PERSON, tallied
from tests.support.services import client_of
from tests.support.shoppers import visit
from widget.actions.catalog.change_product import change_product
from widget.actions.content.try_draft import preview_email
from widget.actions.emails.follow_link import PRODUCT, QUIZ, RESULT, Link, follow_link, link_url
from widget.actions.emails.request_email import request_email
from widget.actions.emails.send_email import send_due_emails
from widget.actions.privacy.change_consent import unsubscribe
from widget.actions.quiz.submit_answers import submit_answers
from widget.actions.shops.add_shop import BadShop, add_shop
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.demo.load_demo import load_demo
from widget.services import Services
from widget.storage.daily_metrics import EMAIL_CLICKED, DailyMetric
from widget.telemetry import masked_path

HOW_TO = Link("demo", "leg-day", 1, "en", "how-to-use", PRODUCT, "ROLL-75")
QUIZ_PAGE = "http://quiz.localhost/demo/quiz/leg-day"


def link_path(services: Services, link: Link = HOW_TO) -> str:
    """Return the path of a tracked link as it appears in an email."""
    return urlsplit(link_url(services, link)).path


def clicked(services: Services) -> dict[str, int]:
    return tallied(services, EMAIL_CLICKED)


def mailed(services: Services) -> list[tuple[str, str]]:
    """Return (text, HTML) of each sent email."""
    bodies = []
    for _, message in services.transport.sent:  # type: ignore[attr-defined]  # MemoryTransport has it.
        assert all(len(line) <= 998 for line in message.as_bytes().splitlines())
        plain, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
        assert all(len(line) <= 998 for line in plain.splitlines())
        bodies.append((plain, html))
    return bodies


def one_link(body: str) -> str:
    found = set(re.findall(r"http://quiz\.localhost(/l/[\w-]+)", body))
    assert len(found) == 1, found
    return found.pop()


def test_link_in_an_order_email_redirects_to_the_product_and_is_counted(services: Services) -> None:
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)
    [(plain, html)] = mailed(services)
    path = one_link(plain)
    assert one_link(html) == path
    answer = client_of(services).get(path, headers=PERSON)

    assert answer.status_code == 303
    assert answer.location.startswith("http://quiz.localhost/")
    assert "/l/" not in answer.location
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert clicked(services) == {"how-to-use": 1}
    row = next(row for row in rows(services, DailyMetric) if row.metric == EMAIL_CLICKED)
    assert (row.quiz, row.day, row.version, row.locale) == ("leg-day", services.now().date(), 1, "en")


def test_link_in_a_result_email_redirects_to_the_result(services: Services) -> None:
    loaded, known = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)
    code = json.loads(known.body)["code"]
    request_email(services, loaded=loaded, code=code, email=EMAIL, consents={"result": True}, text_version="1")
    send_due_emails(services)
    [(plain, html)] = mailed(services)
    path = one_link(plain)
    assert code not in plain + html
    client = client_of(services)
    answer = client.get(path)

    assert answer.location == f"http://quiz.localhost/demo/r/{code}"
    assert client.get(f"/demo/r/{code}").status_code == 200
    assert clicked(services) == {"result": 1}


def test_tracked_link_is_the_same_for_all_recipients(sqlite_services: Services) -> None:
    for order, email in (("1", EMAIL), ("2", "walker@shop.example")):
        webhook(sqlite_services, order=order, email=email)
    process_webhooks(sqlite_services)
    go_to(sqlite_services, "how-to-use")
    send_due_emails(sqlite_services)
    found = {one_link(plain) for plain, _ in mailed(sqlite_services)}

    assert len(sqlite_services.transport.sent) == 2  # type: ignore[attr-defined]  # MemoryTransport has it.
    assert len(found) == 1
    assert len(found.pop()) < 100


def test_bots_head_requests_and_prefetches_are_redirected_but_not_counted(sqlite_services: Services) -> None:
    client, path = client_of(sqlite_services), link_path(sqlite_services)
    answers = [
        client.head(path, headers=PERSON),
        client.get(path, headers=BOT),
        client.get(path, headers={**PERSON, "Sec-Purpose": "prefetch;prerender"}),
        client.get(path, headers={**PERSON, "Purpose": "prefetch"}),
        client.get(path, headers={**PERSON, "X-Moz": "prefetch"}),
    ]

    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert clicked(sqlite_services) == {}
    for method in ("post", "put", "delete"):
        assert getattr(client, method)(path).status_code == 405


def test_repeated_click_within_ten_minutes_counts_once(sqlite_services: Services) -> None:
    client, path = client_of(sqlite_services), link_path(sqlite_services)
    now = [0.0]
    sqlite_services.clicks._clock = lambda: now[0]
    for _ in range(3):
        assert client.get(path).status_code == 303
    assert clicked(sqlite_services) == {"how-to-use": 1}
    client.get(path, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    client.get(link_path(sqlite_services, replace(HOW_TO, email="review")))
    assert clicked(sqlite_services) == {"how-to-use": 2, "review": 1}
    now[0] = 601.0
    client.get(path)

    assert clicked(sqlite_services)["how-to-use"] == 3


def test_clicks_store_no_ip_address_and_no_token(sqlite_services: Services) -> None:
    path = link_path(sqlite_services)
    client_of(sqlite_services).get(path, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    sqlite_services.recorder.flush()
    for key in sqlite_services.clicks._entries:
        assert isinstance(key, bytes)
        assert len(key) == 16

    with sqlite_services.reads() as session:
        tables = session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
        kept = repr([session.execute(text(f'SELECT * FROM "{table}"')).all() for table in tables])
    assert "192.0.2.7" not in kept
    assert path.removeprefix("/l/") not in kept
    assert len(sqlite_services.clicks) <= sqlite_services.clicks.size == 20_000


@pytest.mark.parametrize("token", ["x", "A" * 60, "%00", "..", "é" * 9, "A" * 9000])
def test_invalid_link_tokens_return_404(client: Any, token: str) -> None:
    assert client.get(f"/l/{token}").status_code == 404


def test_result_codes_and_other_tokens_are_not_link_tokens(sqlite_services: Services) -> None:
    services, client = sqlite_services, client_of(sqlite_services)
    _, known = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)
    mine = link_path(services).removeprefix("/l/")
    for code in (
        json.loads(known.body)["code"],
        services.crypto.token("u", 1),
        services.crypto.token("f", 1),
        mine[:-1],
    ):
        assert client.get(f"/l/{code}").status_code == 404
    for path in (f"/demo/r/{mine}", f"/u/{mine}", f"/f/{mine}", f"/p/{mine}"):
        assert client.get(path).status_code == 404
    assert clicked(services) == {}


def test_link_target_is_never_taken_from_the_request(sqlite_services: Services) -> None:
    client, path = client_of(sqlite_services), link_path(sqlite_services)
    plain = client.get(path).location
    asked = "url=https://evil.example&next=//evil.example&target=https://evil.example"
    answer = client.get(f"{path}?{asked}", headers={"X-Forwarded-Host": "evil.example", "Host": "evil.example"})

    assert answer.location == plain
    assert "evil" not in answer.location


def test_link_counts_only_for_its_own_shop(sqlite_services: Services) -> None:
    services = sqlite_services
    add_shop(services, "other", name="Other", url="https://other.example")
    publish_files(services, leg_day_files(), shop="other")
    client = client_of(services)
    theirs = client.get(link_path(services, replace(HOW_TO, shop="other")))
    assert theirs.location.startswith("https://other.example/")
    _, known = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)
    crossed = replace(HOW_TO, shop="other", kind=RESULT, what=json.loads(known.body)["code"])

    assert client.get(link_path(services, crossed)).location == "http://quiz.localhost/other/quiz/leg-day"
    services.recorder.flush()
    assert {row.shop_id for row in rows(services, DailyMetric) if row.metric == EMAIL_CLICKED} == {2}
    assert client.get(link_path(services, replace(HOW_TO, shop="gone"))).status_code == 404
    assert client.get(link_path(services, replace(HOW_TO, quiz="gone"))).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"what": "GONE-1"},
        {"version": 99},
        {"kind": QUIZ, "what": ""},
        {"kind": RESULT, "what": "forged"},
        {"kind": "?", "what": "https://evil.example"},
    ],
    ids=str,
)
def test_link_whose_target_is_gone_redirects_to_the_quiz(
    client: Any, sqlite_services: Services, change: dict[str, Any]
) -> None:
    assert client.get(link_path(sqlite_services, replace(HOW_TO, **change))).location == QUIZ_PAGE


def test_link_to_a_product_blocked_since_redirects_to_the_quiz(sqlite_services: Services) -> None:
    client, path = client_of(sqlite_services), link_path(sqlite_services)
    assert client.get(path).location != QUIZ_PAGE
    change_product(sqlite_services, shop="demo", sku="ROLL-75", blocked=True, reason="recall")
    assert client.get(path).location == QUIZ_PAGE


def test_response_cache_does_not_cache_tracked_links(sqlite_services: Services) -> None:
    client, path = client_of(sqlite_services), link_path(sqlite_services)
    for number in range(1, 4):
        client.get(path, environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
        assert clicked(sqlite_services) == {"how-to-use": number}


def test_email_previews_contain_no_tracked_links(sqlite_services: Services) -> None:
    loaded = sqlite_services.quizzes.live("demo", "leg-day")
    assert loaded
    for email in ("how-to-use", "replenish", "result"):
        written, _, _ = preview_email(sqlite_services, loaded, email, sku="ROLL-75")
        assert "/l/" not in written.text + written.html


def test_red_flag_answers_send_no_email_with_tracked_links(sqlite_services: Services) -> None:
    flagged = client_of(sqlite_services).post(
        "/v1/shops/demo/quizzes/leg-day/responses",
        json={"answers": {"area": ["calves"], "trained": ["yesterday"], "signs": ["dark-urine"]}},
    )
    sqlite_services.recorder.flush()
    webhook(sqlite_services, attributes={"recovery_quiz": flagged.json["visit"]})
    process_webhooks(sqlite_services)
    for email in ("how-to-use", "check-in", "review", "replenish"):
        go_to(sqlite_services, email)
        send_due_emails(sqlite_services)

    assert {row.reason for row in emails(sqlite_services).values()} <= {"not_eligible", "condition"}
    assert not any("/l/" in plain + html for plain, html in mailed(sqlite_services))


def test_link_path_is_masked_in_logs_and_reserved_as_a_shop_slug(
    sqlite_services: Services, log_lines: list[Any]
) -> None:
    path = link_path(sqlite_services)
    client_of(sqlite_services).get(path)

    assert masked_path(path) == "/l/…"
    assert path.removeprefix("/l/") not in repr(log_lines)
    assert "/l/…" in repr(log_lines)
    with pytest.raises(BadShop):
        add_shop(sqlite_services, "l", name="L")


def test_clicks_are_kept_while_the_database_is_down(sqlite_services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def gone(*_: Any) -> None:
        raise OperationalError("x", {}, Exception("gone"))

    monkeypatch.setattr(sqlite_services.recorder, "_start", lambda: None)
    follow_link(sqlite_services, link_path(sqlite_services).removeprefix("/l/"), client="192.0.2.1")
    with monkeypatch.context() as patched:
        patched.setattr("widget.recorder.add_daily_metrics", gone)
        sqlite_services.recorder.flush()
    assert clicked(sqlite_services) == {"how-to-use": 1}


# The results page ------------------------------------------------------------------------------------


def test_results_page_shows_sent_clicked_and_unsubscribed_by_email(services: Services) -> None:
    visit(services)
    client_of(services).post(ANSWERS, json={"answers": GOOD, "locale": "es"})
    webhook(services, locale="en-US")
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)
    client_of(services).get(link_path(services))
    unsubscribe(services, "u", services.crypto.token("u", emails(services)["how-to-use"].contact_id))
    services.recorder.flush()
    owner = signed_in(services)
    page = owner.get(PAGE).text
    card = page[page.index("<h2>Emails</h2>") :]

    row = re.search(r'<th scope="row">How to use</th>(.*?)</tr>', card, re.DOTALL)
    assert row
    assert re.findall(r">([^<]+)</td>", row[1]) == ["1", "0", "0", "1", "100.0%", "1"]
    assert "<b>Clicked</b>: clicks on links" in card
    assert "not followed" not in card
    listed = csv.DictReader(io.StringIO(owner.get(f"{PAGE}/export.csv").text.lstrip("\ufeff")))
    data = {line["what"]: (line["name"], line["number"]) for line in listed if line["what"].startswith("email_")}
    assert data == {
        "email_sent": ("how-to-use", "1"),
        "email_clicked": ("how-to-use", "1"),
        "email_unsubscribed": ("how-to-use", "1"),
    }
    assert '<th scope="row">How to use</th>' in owner.get(f"{PAGE}?language=en").text
    other_language = owner.get(f"{PAGE}?language=es").text
    assert "No emails were sent in this period." in other_language


def test_demo_traffic_has_plausible_click_rates(make_services: Callable[..., Services], sqlite_url: str) -> None:
    services = make_services(sqlite_url)
    load_demo(services, days=60, number=6000)
    found = clicked(services)
    with services.reads() as session:
        sent = session.execute(
            select(text("template"), text("count(*)")).select_from(text("emails")).group_by(text("template"))
        )
        shares = {email: found.get(email, 0) / number for email, number in sent}

    assert set(found) <= {"how-to-use", "review", "replenish"}
    assert 0.1 < shares["how-to-use"] < 0.4
    assert shares["check-in"] == 0
