"""A slow or unavailable database: shoppers get the last good quiz at once, and requests do not queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.support.packs import leg_day_files, publish_files
from tests.support.services import client_of
from widget.cache.refreshing import FAILURE_SECONDS, STALE_SECONDS, TRUSTED_SECONDS, RefreshingCache
from widget.services import Services
from widget.storage.shops import Shop

QUIZ = "/v1/shops/demo/quizzes/leg-day"
MakeServices = Callable[..., Services]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Source:
    """A data source that can be blocked and can fail."""

    def __init__(self) -> None:
        self.loads, self.value = 0, "first"
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def load(self, key: str, before: str | None) -> str:
        self.loads += 1
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        return f"{key}:{self.value}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def cache(source: Source, clock: Clock) -> Any:
    one: RefreshingCache[str, str] = RefreshingCache(source.load, size=10, failures=(OSError,), clock=clock)
    yield one
    source.gate.set()
    one.close()


def test_cached_value_is_served_while_a_refresh_hangs(cache: Any, source: Source, clock: Clock) -> None:
    assert cache.get("quiz") == "quiz:first"
    source.gate.clear()
    source.value = "second"
    clock.now = STALE_SECONDS - 1
    assert [cache.get("quiz") for _ in range(20)] == ["quiz:first"] * 20
    _until(lambda: source.loads == 2)
    source.gate.set()
    _until(lambda: cache.get("quiz") == "quiz:second")


def test_concurrent_first_requests_cause_one_load(cache: Any, source: Source) -> None:
    source.gate.clear()
    answers: list[str] = []
    asking = [threading.Thread(target=lambda: answers.append(cache.get("slow"))) for _ in range(8)]
    for thread in asking:
        thread.start()
    _until(lambda: source.loads == 1)
    source.gate.set()
    for thread in asking:
        thread.join(5)

    assert answers == ["slow:first"] * 8
    assert source.loads == 1


def test_load_failure_is_cached_and_the_last_good_value_is_served(cache: Any, source: Source, clock: Clock) -> None:
    cache.get("quiz")
    source.error = OSError("gone")
    clock.now = STALE_SECONDS + 1
    assert [cache.get("quiz") for _ in range(5)] == ["quiz:first"] * 5
    assert source.loads == 2
    with pytest.raises(OSError, match="gone"):
        cache.get("never seen")
    assert source.loads == 2  # The failure is cached: the source was not called again.
    clock.now += FAILURE_SECONDS
    with pytest.raises(OSError, match="gone"):
        cache.get("never seen")
    assert source.loads == 3


def test_value_not_refreshed_for_a_minute_is_not_served(cache: Any, source: Source, clock: Clock) -> None:
    cache.get("quiz")
    source.error = OSError("gone")
    clock.now = TRUSTED_SECONDS + 1
    with pytest.raises(OSError, match="gone"):
        cache.get("quiz")


def test_invalidated_cache_serves_the_new_value(cache: Any, source: Source) -> None:
    cache.get("quiz")
    source.value = "second"
    cache.invalidate()
    assert cache.peek("quiz") is None
    assert cache.get("quiz") == "quiz:second"


def test_idle_process_does_not_serve_a_stale_value(cache: Any, source: Source, clock: Clock) -> None:
    cache.get("quiz")
    source.value = "second"
    clock.now = STALE_SECONDS + 3600
    assert cache.get("quiz") == "quiz:second"


def test_unavailable_database_returns_503_with_retry_after_for_uncached_pages(sqlite_services: Services) -> None:
    def gone(*_: Any) -> None:
        raise OperationalError("SELECT 1", None, Exception("connection refused"))

    client = client_of(sqlite_services)
    event.listen(sqlite_services.database, "before_cursor_execute", gone)
    try:
        answers = [client.get(QUIZ), client.get("/console/account"), client.get("/demo/quiz/leg-day")]
    finally:
        event.remove(sqlite_services.database, "before_cursor_execute", gone)

    assert [answer.status_code for answer in answers[::2]] == [503, 503]
    assert all(answer.headers["Retry-After"] == "5" for answer in answers if answer.status_code == 503)
    assert "refused" not in answers[0].text


def test_cached_quiz_is_served_while_the_database_is_down(
    sqlite_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise OperationalError("SELECT 1", None, Exception("connection refused"))

    client = client_of(sqlite_services)
    assert client.get(QUIZ).status_code == 200
    event.listen(sqlite_services.database, "before_cursor_execute", gone)
    start = time.monotonic()
    try:
        for later in range(0, int(TRUSTED_SECONDS) - 5, 3):
            monkeypatch.setattr(sqlite_services.quizzes._live, "_clock", lambda later=later: start + later)
            assert client.get(QUIZ).status_code == 200
    finally:
        event.remove(sqlite_services.database, "before_cursor_execute", gone)


def test_shop_settings_refresh_without_an_invalidation_message(make_services: MakeServices, sqlite_url: str) -> None:
    """Without Redis no invalidation message is sent; a changed time zone of a shop is still picked up."""
    here, there = make_services(sqlite_url), make_services(sqlite_url)
    before = there.quizzes.live("demo", "leg-day")
    assert before is not None
    with here.sessions.begin() as session:
        session.query(Shop).filter_by(slug="demo").one().timezone = "Europe/Berlin"

    _until(lambda: _zone(there) == "Europe/Berlin", seconds=STALE_SECONDS + 2)


def test_invalidation_without_a_change_keeps_the_loaded_quiz(sqlite_services: Services) -> None:
    before = sqlite_services.quizzes.live("demo", "leg-day")
    with sqlite_services.sessions.begin() as session:
        shop = session.query(Shop).filter_by(slug="demo").one()
        shop.timezone = shop.timezone + ""
    sqlite_services.quizzes.invalidate()

    assert sqlite_services.quizzes.live("demo", "leg-day") is before


def test_published_version_is_seen_at_once_in_the_publishing_process(sqlite_services: Services) -> None:
    sqlite_services.quizzes.live("demo", "leg-day")
    files = leg_day_files()
    number = publish_files(
        sqlite_services, {**files, "quiz.yaml": files["quiz.yaml"].replace("Sore legs", "Still sore legs")}
    )
    loaded = sqlite_services.quizzes.live("demo", "leg-day")

    assert loaded is not None
    assert loaded.version == number


def _zone(services: Services) -> str:
    loaded = services.quizzes.live("demo", "leg-day")
    return loaded.shop.timezone if loaded else ""


def _until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
