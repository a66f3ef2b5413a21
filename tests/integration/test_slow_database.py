"""A database that is slow, or gone: shoppers get the last good quiz at once, and nobody waits in line."""

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
    """What is loaded: it can be held up, and it can fail."""

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


def test_a_known_value_is_served_while_one_refresh_hangs(cache: Any, source: Source, clock: Clock) -> None:
    assert cache.get("quiz") == "quiz:first"
    source.gate.clear()
    source.value = "second"
    clock.now = STALE_SECONDS - 1
    assert [cache.get("quiz") for _ in range(20)] == ["quiz:first"] * 20
    _until(lambda: source.loads == 2)
    source.gate.set()
    _until(lambda: cache.get("quiz") == "quiz:second")


def test_many_first_requests_make_one_load_and_other_keys_do_not_wait(cache: Any, source: Source) -> None:
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


def test_a_failure_is_remembered_and_the_last_good_value_is_served(cache: Any, source: Source, clock: Clock) -> None:
    cache.get("quiz")
    source.error = OSError("gone")
    clock.now = STALE_SECONDS + 1
    assert [cache.get("quiz") for _ in range(5)] == ["quiz:first"] * 5
    assert source.loads == 2
    with pytest.raises(OSError, match="gone"):
        cache.get("never seen")
    assert source.loads == 2  # Nobody asked again so soon.
    clock.now += FAILURE_SECONDS
    with pytest.raises(OSError, match="gone"):
        cache.get("never seen")
    assert source.loads == 3


def test_a_value_nobody_confirmed_for_a_minute_is_not_served(cache: Any, source: Source, clock: Clock) -> None:
    cache.get("quiz")
    source.error = OSError("gone")
    clock.now = TRUSTED_SECONDS + 1
    with pytest.raises(OSError, match="gone"):
        cache.get("quiz")


def test_after_a_change_here_the_next_answer_has_it(cache: Any, source: Source) -> None:
    cache.get("quiz")
    source.value = "second"
    cache.invalidate()
    assert cache.peek("quiz") is None
    assert cache.get("quiz") == "quiz:second"


def test_a_quiet_process_does_not_serve_an_old_edit(cache: Any, source: Source, clock: Clock) -> None:
    cache.get("quiz")
    source.value = "second"
    clock.now = STALE_SECONDS + 3600
    assert cache.get("quiz") == "quiz:second"


def test_a_dead_database_gives_503_with_retry_after_where_nothing_is_known(sqlite_services: Services) -> None:
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


def test_a_dead_database_does_not_take_a_known_quiz_away(
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


def test_a_lost_message_leaves_no_shop_settings_stale(make_services: MakeServices, sqlite_url: str) -> None:
    """Without Redis nobody is told: the time zone of a shop arrives all the same."""
    here, there = make_services(sqlite_url), make_services(sqlite_url)
    before = there.quizzes.live("demo", "leg-day")
    assert before is not None
    with here.sessions.begin() as session:
        session.query(Shop).filter_by(slug="demo").one().timezone = "Europe/Berlin"

    _until(lambda: _zone(there) == "Europe/Berlin", seconds=STALE_SECONDS + 2)


def test_a_change_that_is_none_keeps_the_caches(sqlite_services: Services) -> None:
    before = sqlite_services.quizzes.live("demo", "leg-day")
    with sqlite_services.sessions.begin() as session:
        shop = session.query(Shop).filter_by(slug="demo").one()
        shop.timezone = shop.timezone + ""
    sqlite_services.quizzes.invalidate()

    assert sqlite_services.quizzes.live("demo", "leg-day") is before


def test_publishing_is_seen_at_once_by_who_published(sqlite_services: Services) -> None:
    sqlite_services.quizzes.live("demo", "leg-day")
    files = leg_day_files()
    number = publish_files(
        sqlite_services, {**files, "quiz.yaml": files["quiz.yaml"].replace("Legs sore", "Legs still sore")}
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
