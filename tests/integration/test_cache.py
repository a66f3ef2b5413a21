"""Caches: what Redis adds, and that everything works without it."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
import redis

from tests.support.packs import GOOD, leg_day_files, publish_files
from tests.support.services import client_of, plain_logs
from widget.actions.catalog.change_product import change_product
from widget.actions.errors import VersionGone
from widget.actions.quiz.submit_answers import submit_answers
from widget.cache.local import LocalCache
from widget.cache.refreshing import FRESH_SECONDS
from widget.cache.shared import OPEN_SECONDS, REVISIONS, Circuit
from widget.services import Services
from widget.telemetry import REGISTRY, start_logs

pytestmark = pytest.mark.xdist_group("redis")
MakeServices = Callable[..., Services]


def answer(services: Services, **more: Any) -> bytes:
    return submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD, **more)[1].body


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_every_redis_key_has_a_ttl_and_contains_no_answer(
    make_services: MakeServices, sqlite_url: str, redis_server: Any
) -> None:
    url = redis_server()
    store = redis.Redis.from_url(url)
    store.flushall()
    services = make_services(sqlite_url, url)
    answer(services)
    client_of(services).get("/v1/shops/demo/quizzes/leg-day")
    keys = store.keys()

    assert len(keys) == 2
    assert all(store.ttl(key) > 0 for key in keys)
    assert all(key.startswith(b"rq:") and b"calves" not in key for key in keys)
    store.close()


def test_result_is_the_same_computed_from_the_local_cache_and_from_redis(
    make_services: MakeServices, sqlite_url: str, redis_server: Any
) -> None:
    url = redis_server()
    redis.Redis.from_url(url).flushall()
    services = make_services(sqlite_url, url)
    before = metric("recovery_results_total", source="redis")
    computed = answer(services)
    local = answer(services)
    services.results.clear()
    shared = answer(services)

    assert computed == local == shared
    assert metric("recovery_results_total", source="redis") == before + 1


@pytest.mark.parametrize("how", ["stopped", "hung"])
def test_results_are_the_same_without_redis(
    how: str, make_services: MakeServices, sqlite_url: str, redis_server: Any, log_lines: list[Any]
) -> None:
    services = make_services(sqlite_url, redis_server())
    web = client_of(services)
    with_redis = answer(services)
    services.results.clear()
    failures = metric("recovery_cache_failures_total")
    process = redis_server.process()
    if how == "stopped":
        process.kill()
        process.wait()
    else:
        process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        without = answer(services)
        first = time.monotonic() - started
        for _ in range(5):
            services.results.clear()
            assert answer(services) == without
        page = web.post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": GOOD})
    finally:
        process.send_signal(signal.SIGCONT)
        redis_server()

    assert without == with_redis
    assert page.status_code == 201
    assert metric("recovery_cache_failures_total") == failures + 1  # The circuit opened at the first failure.
    assert [line["event"] for line in log_lines].count("redis_gone") == 1
    assert first < 2 * OPEN_SECONDS


def test_result_is_unchanged_after_redis_is_emptied(
    make_services: MakeServices, sqlite_url: str, redis_server: Any
) -> None:
    url = redis_server()
    services = make_services(sqlite_url, url)
    before = answer(services)
    redis.Redis.from_url(url).flushall()
    services.results.clear()

    assert answer(services) == before


def test_publish_and_new_stock_reach_another_process_within_five_seconds(
    make_services: MakeServices, sqlite_url: str, redis_server: Any
) -> None:
    url = redis_server()
    here, there = make_services(sqlite_url, url), make_services(sqlite_url, url)
    there.shared.subscribe(REVISIONS, there.quizzes.invalidate)
    assert orjson.loads(answer(there))["version"] == 1
    time.sleep(0.3)  # The listener needs a moment to subscribe.
    files = leg_day_files()
    publish_files(here, {**files, "quiz.yaml": files["quiz.yaml"].replace("Sore legs", "Still sore legs")})

    # Sooner than a refresh: by the message in Redis.
    assert _within(FRESH_SECONDS / 2, lambda: orjson.loads(answer(there))["version"] == 2)
    best = orjson.loads(answer(there))["products"][0]["sku"]
    change_product(here, shop="demo", sku=best, feed={"stock": 0})
    assert _within(5, lambda: best not in [card["sku"] for card in orjson.loads(answer(there))["products"]])


def test_publish_reaches_another_process_within_five_seconds_without_redis(
    make_services: MakeServices, sqlite_url: str
) -> None:
    here, there = make_services(sqlite_url), make_services(sqlite_url)
    answer(there)
    files = leg_day_files()
    publish_files(here, {**files, "quiz.yaml": files["quiz.yaml"].replace("Sore legs", "Still sore legs")})

    assert _within(5, lambda: orjson.loads(answer(there))["version"] == 2)


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


def test_older_quiz_version_is_accepted_for_a_day(sqlite_services: Services) -> None:
    services = sqlite_services
    files = leg_day_files()
    publish_files(services, {**files, "quiz.yaml": files["quiz.yaml"].replace("Sore legs", "Still sore legs")})

    assert orjson.loads(answer(services, version=1))["version"] == 1
    services.clock.move_to(services.now() + timedelta(hours=25))
    with pytest.raises(VersionGone) as gone:
        answer(services, version=1)
    assert gone.value.more == {"version": 2}
    with pytest.raises(VersionGone):
        answer(services, version=99)


def test_old_result_links_obey_the_current_safety_rules(sqlite_services: Services) -> None:
    services = sqlite_services
    code = orjson.loads(answer(services))["code"]
    web = client_of(services)
    address = f"/v1/shops/demo/quizzes/leg-day/results/{code}"
    assert web.get(address).json["products"]
    files = leg_day_files()
    stricter = files["safety.yaml"].replace(
        "triage:\n",
        "triage:\n  - {id: new-rule, when: area = calves, outcome: see_doctor, advice: {title: Stop, body: See a doctor.}}\n",
        1,
    )
    publish_files(services, {**files, "safety.yaml": stricter})
    json = web.get(address).json

    assert json["version"] == 1
    assert (json["outcome"], json["products"], json["tips"]) == ("see_doctor", [], [])


def test_circuit_breaker_closes_again() -> None:
    now = [0.0]
    circuit = Circuit(clock=lambda: now[0])
    circuit.failed()
    assert not circuit.closed
    now[0] += OPEN_SECONDS
    assert circuit.closed
    circuit.worked()
    assert circuit.closed


def test_local_cache_is_bounded_and_expires_entries() -> None:
    now = [0.0]
    cache: LocalCache[int] = LocalCache(size=10, seconds=5, clock=lambda: now[0])
    for number in range(100):
        cache.put(number, number)
    assert len(cache) <= 10
    assert cache.get(99) == 99
    now[0] = 6
    assert cache.get(99) is None


def test_no_debug_log_line_contains_an_answer(client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    start_logs("DEBUG")
    root.setLevel(logging.DEBUG)
    try:
        client.post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": GOOD})
        logging.getLogger("a.library").debug("is heard")
    finally:
        root.handlers[:], root.level = handlers, level
        plain_logs()
    lines = capfd.readouterr().err

    assert '"event":"request"' in lines.replace(": ", ":")
    assert "is heard" in lines
    assert "calves" not in lines
