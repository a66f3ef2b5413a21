"""Daily metrics, and how the results page presents them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import event, func, select, text

from tests.support.console import signed_in
from tests.support.database import rows
from tests.support.orders import webhook
from tests.support.packs import GOOD
from tests.support.results import ANSWERS, BOT, PAGE, PERSON, tallied
from tests.support.services import client_of
from tests.support.shoppers import visit
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.cli import main
from widget.demo.load_demo import CannotLoad, load_demo
from widget.services import Services
from widget.storage.daily_metrics import (
    ANSWER,
    BOUGHT,
    COMPLETED,
    ENDED,
    SHOWN,
    DailyMetric,
    add_daily_metrics,
    daily_metrics_of,
)
from widget.storage.orders import Order
from widget.storage.responses import DailyEvent, Response

EVENTS = "/v1/shops/demo/events"


def send_events(client: Any, *events: dict[str, Any], **more: Any) -> None:
    batch = {"events": [{"quiz": "leg-day", **event} for event in events]}
    assert client.post(EVENTS, json=batch, **more).status_code == 204


@contextmanager
def statements(services: Services) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(services.database, "before_cursor_execute", note)
    yield seen
    event.remove(services.database, "before_cursor_execute", note)


# Counting ----------------------------------------------------------------------------------------------


def test_answers_are_counted_by_day_version_and_language(services: Services) -> None:
    client = client_of(services)
    for locale in ("en", "es", "es"):
        assert client.post(ANSWERS, json={"answers": GOOD, "locale": locale}).status_code == 201

    assert tallied(services, COMPLETED) == {"": 3}
    assert tallied(services, ANSWER)["soreness=5"] == 3
    assert sum(tallied(services, SHOWN).values()) >= 3
    split = {
        (row.day, row.version, row.locale): row.number for row in rows(services, DailyMetric) if row.metric == COMPLETED
    }
    assert split == {(services.now().date(), 1, "en"): 1, (services.now().date(), 1, "es"): 2}


def test_daily_metrics_add_up_across_batches_without_personal_data(services: Services) -> None:
    visit(services)
    visit(services)

    assert tallied(services, COMPLETED) == {"": 2}
    assert {"visit", "answers"}.isdisjoint(DailyMetric.__table__.columns.keys())


def test_warning_sign_is_counted_at_the_question_that_ended_the_quiz(services: Services) -> None:
    answers = {"area": ["calves"], "trained": ["yesterday"], "signs": ["dark-urine"]}
    client_of(services).post(ANSWERS, json={"answers": answers})

    assert tallied(services, ENDED) == {"signs": 1}


def test_bots_get_a_response_but_are_not_counted(services: Services) -> None:
    client = client_of(services)
    send_events(client, {"event": "seen"}, headers=BOT)
    send_events(client, {"event": "seen"}, headers=PERSON)
    for agent in (PERSON, BOT, BOT):  # The second and third responses come from the response cache.
        answer = client.post(ANSWERS, json={"answers": GOOD}, headers=agent)
        assert answer.status_code == 201
        assert answer.json["visit"]

    assert tallied(services, COMPLETED) == {"": 1}
    assert [row.number for row in rows(services, DailyEvent)] == [1]
    assert len(rows(services, Response)) == 3


def test_events_store_only_known_versions_and_languages(services: Services) -> None:
    client = client_of(services)
    send_events(
        client, {"event": "seen", "version": 1, "locale": "es-MX"}, {"event": "seen", "version": 99, "locale": "xx"}
    )
    send_events(client, {"event": "seen"})
    services.recorder.flush()

    assert sorted((row.version, row.locale, row.number) for row in rows(services, DailyEvent)) == [
        (0, "", 2),
        (1, "es", 1),
    ]


def test_pages_without_javascript_are_counted_like_the_widget(services: Services) -> None:
    client = client_of(services)
    path = "/demo/quiz/leg-day"
    client.get(path, headers=BOT)
    answer = client.get(path, headers=PERSON)
    for given in ("calves", "yesterday", "dark-urine"):
        form = dict(re.findall(r'name="(draft|question)" value="([^"]*)"', answer.text))
        answer = client.post(path, data={**form, "o": given}, headers=PERSON)
    assert answer.status_code == 303
    services.recorder.flush()

    assert {(row.event, row.question): row.number for row in rows(services, DailyEvent)} == {
        ("seen", ""): 1,
        ("started", ""): 1,
        ("answered", "area"): 1,
        ("answered", "trained"): 1,
        ("answered", "signs"): 1,
    }
    assert tallied(services, COMPLETED) == {"": 1}


# Orders ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "direct"), [(0, True), (8, False)])
def test_order_attribution_is_recorded_once(services: Services, days: float, direct: bool) -> None:
    token = visit(services)
    sku = next(iter(tallied(services, SHOWN)))
    bought = {"attributes": {"recovery_quiz": token}, "lines": [{"sku": sku, "quantity": 1, "price": 1900}]}
    for kind in ("order.placed", "order.paid"):
        webhook(services, kind, days=days, **bought)
    process_webhooks(services)

    (order,) = rows(services, Order)
    assert (order.quiz, order.quiz_version, order.quiz_locale, order.direct) == ("leg-day", 1, "en", direct)
    (response,) = rows(services, Response)
    assert order.completed_at == response.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
    assert tallied(services, BOUGHT) == {sku: 1}


def test_order_without_a_known_visit_is_not_attributed(services: Services) -> None:
    webhook(services, attributes={"recovery_quiz": "never-seen"})
    webhook(services, order="other")
    process_webhooks(services)

    assert [row.quiz for row in rows(services, Order)] == [None, None]
    assert tallied(services, BOUGHT) == {}


# The results page --------------------------------------------------------------------------------------


def test_results_page_shows_charts_each_with_a_table(services: Services) -> None:
    load_demo(services, days=40, number=900)
    page = signed_in(services, "owner").get(PAGE).text

    for words in (">Funnel<", "Where is it sore?", "Attributed revenue", "Calm Cream 75 g"):
        assert words in page
    assert page.count('role="img"') >= 14
    assert page.count("<details") >= page.count('role="img"')
    assert "within <b>7 days</b>" in page
    assert "within <b>30 days</b>" in page
    assert "/records/question/" in page
    assert "viewBox" not in re.sub(r'<svg (class="i|y="20")[^>]*>', "", page)


def test_results_page_filters_narrow_the_counts(services: Services) -> None:
    load_demo(services, days=40, number=900)
    client = signed_in(services, "owner")

    def completed(query: str) -> int:
        found = re.search(r"Completed quizzes <small>([\d,]+)<", client.get(f"{PAGE}?{query}").text)
        assert found
        return int(found[1].replace(",", ""))

    everything = completed("period=90")
    assert completed("period=7") < completed("period=30") < everything
    assert 0 < completed("period=90&language=es") < completed("period=90&language=en") < everything
    assert completed("period=90&version=1") == everything
    assert "Spanish" in client.get(f"{PAGE}?by=language").text
    assert "previous 30 days" in client.get(PAGE).text
    assert 'name="against" value="1">' in client.get(f"{PAGE}?shown=x").text


def test_results_page_query_count_does_not_grow_with_the_data(services: Services) -> None:
    client = signed_in(services, "owner")
    load_demo(services, days=30, number=60)
    client.get(PAGE)  # The first request creates the draft.
    services.quizzes.invalidate()  # Both measured requests must look up the live version.
    with statements(services) as few:
        client.get(PAGE)
    load_demo(services, days=60, number=1500, again=True)
    services.quizzes.invalidate()
    with statements(services) as many:
        client.get(PAGE)

    assert len(many) == len(few) <= 24
    assert not any(re.search(r"FROM responses\b", item) for item in many)


def test_csv_export_contains_revenue_only_for_authorized_roles(services: Services) -> None:
    load_demo(services, days=30, number=900)
    mine, theirs = (
        list(csv.DictReader(io.StringIO(signed_in(services, role).get(f"{PAGE}/export.csv").text.lstrip("\ufeff"))))
        for role in ("publisher", "viewer")
    )

    with services.reads() as session:
        direct = session.scalar(select(func.count()).where(Order.direct.is_(True)))
    orders = [row for row in mine if row["what"] == "orders" and row["name"] == "direct"]
    assert sum(int(row["number"]) for row in orders) == direct
    assert all(int(row["total"]) > 0 and row["currency"] == "USD" for row in orders)
    assert len(mine) == len(theirs)
    assert set(theirs[0]) == {"day", "version", "language", "what", "name", "number"}


def test_viewers_see_no_revenue(sqlite_services: Services) -> None:
    load_demo(sqlite_services, days=30, number=600)
    page = signed_in(sqlite_services, "viewer").get(PAGE).text

    assert "Revenue is visible to publishers and owners" in page
    assert "You are a viewer in this shop" in page
    assert "$" not in page


def test_empty_results_page_explains_what_to_do(sqlite_services: Services) -> None:
    client = signed_in(sqlite_services, "owner")
    never = client.get(PAGE).text
    visit(sqlite_services)
    then = client.get(f"{PAGE}?period=own&from=2020-01-01&to=2020-01-31").text

    assert "No visits yet" in never
    assert "&lt;recovery-quiz" in never
    assert "No results in this period" in then


def test_unreadable_results_show_an_error_with_the_request_id(sqlite_services: Services) -> None:
    client = signed_in(sqlite_services, "owner")
    with sqlite_services.sessions.begin() as session:
        session.execute(text("DROP TABLE daily_metrics"))
    answer = client.get(PAGE)

    assert answer.status_code == 503
    assert "Results could not be loaded" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_results_page_handles_removed_questions_and_invalid_filters(sqlite_services: Services) -> None:
    gone = {**GOOD, "gone": ["x"]}
    row = {
        "shop_id": 1,
        "quiz": "leg-day",
        "version": 1,
        "answers": {**gone, "area": ["elbow"]},
        "outcome": "products",
        "products": ["GONE-1"],
        "locale": "xx",
        "created_at": sqlite_services.now(),
    }
    with sqlite_services.sessions.begin() as session:
        add_daily_metrics(session, daily_metrics_of([row]))
    client = signed_in(sqlite_services, "owner")

    page = client.get(f"{PAGE}?by=language&version=999999999&language=%3Cb%3E&from=x&period=own")
    assert page.status_code == 200
    assert "elbow" in client.get(PAGE).text
    assert "GONE-1" in client.get(f"{PAGE}?by=language").text


# Demo traffic ------------------------------------------------------------------------------------------


def test_demo_traffic_is_plausible_and_loaded_once(services: Services) -> None:
    loaded = load_demo(services, days=45, number=2000)
    assert loaded is not None
    assert load_demo(services, days=45, number=2000) is None

    with services.reads() as session:
        oldest = session.scalar(select(func.min(Response.created_at)))
        seen, started = (
            session.scalar(select(func.sum(DailyEvent.number)).where(DailyEvent.event == name))
            for name in ("seen", "started")
        )
    assert oldest > services.now() - timedelta(days=30)
    assert loaded.responses < loaded.completed < started < seen == loaded.visits
    assert 0.25 < loaded.completed / loaded.visits < 0.4
    answers = tallied(services, ANSWER)
    assert answers["soreness=5"] > answers["soreness=1"]
    ended = sum(tallied(services, ENDED).values())
    assert 0.01 < ended / loaded.completed < 0.12
    assert loaded.orders > 10
    assert loaded.emails > 10


def test_demo_traffic_is_refused_outside_local_mode(sqlite_services: Services) -> None:
    settings = replace(sqlite_services.settings, env="production")
    with pytest.raises(CannotLoad):
        load_demo(replace(sqlite_services, settings=settings))


def test_demo_load_command_reports_what_it_loaded(
    make_services: Callable[..., Services], sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    make_services(sqlite_url)
    monkeypatch.setenv("RECOVERY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOVERY_DATABASE_URL", sqlite_url)
    first = CliRunner().invoke(main, ["demo", "load", "--visits", "300", "--days", "10"])
    second = CliRunner().invoke(main, ["demo", "load", "--json"])

    assert first.exit_code == 0, first.output
    assert "completed quizzes" in first.output
    assert '"loaded": false' in second.output
