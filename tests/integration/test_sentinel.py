"""Redis behind Sentinel: cache, rate limits, and Celery's queues follow the primary when it fails over."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from kombu import Connection
from limits.storage import storage_from_string

from tests.support.services import free_port
from widget.cache.redis_url import celery_broker, limits_storage
from widget.cache.shared import SharedCache
from widget.commands.private_redis import redis_binary
from widget.sentinel_url import BadSentinelUrl, sentinel_url
from widget.settings import SettingsError, read_settings

PASSWORD = "not-a-secret-of-anyone"


@dataclass
class Sentinels:
    """A primary, a replica, and two sentinels, all with a password, on loopback."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(4)])
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"sentinel://:{PASSWORD}@127.0.0.1:{self.ports[2]},127.0.0.1:{self.ports[3]}/main/0"

    def start(self) -> None:
        primary, replica = self.ports[:2]
        login = ["--requirepass", PASSWORD, "--masterauth", PASSWORD]
        self._start("primary", "--port", str(primary), *login)
        self._start("replica", "--port", str(replica), "--replicaof", "127.0.0.1", str(primary), *login)
        for port in self.ports[2:]:
            file = self.folder / f"sentinel-{port}.conf"
            file.write_text(
                f"port {port}\ndir {self.folder}\nsentinel monitor main 127.0.0.1 {primary} 2\n"
                f"sentinel auth-pass main {PASSWORD}\nsentinel down-after-milliseconds main 1000\n"
                "sentinel failover-timeout main 3000\n"
            )
            self._start(f"sentinel-{port}", str(file), "--sentinel")
        until(lambda: self.known() == primary and self._replicas() == 1, 20)

    def _start(self, name: str, *arguments: str) -> None:
        place = self.folder / name
        place.mkdir()
        more = [] if "--sentinel" in arguments else ["--dir", str(place), "--save", ""]
        log = (self.folder / f"{name}.log").open("wb")
        with log:
            command = [redis_binary(), *arguments, *more]
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=place))

    def known(self) -> int:
        """Return the port of the primary that the first sentinel knows."""
        try:
            with redis.Redis(port=self.ports[2], decode_responses=True) as client:
                return int(client.execute_command("SENTINEL", "get-master-addr-by-name", "main")[1])
        except redis.RedisError:
            return 0

    def _replicas(self) -> int:
        with redis.Redis(port=self.ports[2], decode_responses=True) as client:
            found = client.execute_command("SENTINEL", "master", "main")
        pairs = found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
        return min(int(pairs["num-slaves"]), int(pairs["num-other-sentinels"]))

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    one = Sentinels(tmp_path)
    try:
        one.start()
        yield one
    finally:
        one.stop()


def until(holds: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def test_everything_in_redis_follows_the_primary(sentinels: Sentinels) -> None:
    cache = SharedCache(sentinels.url, prefix="test")
    url, options = limits_storage(sentinels.url)
    limits = storage_from_string(url, **options)  # type: ignore[arg-type]  # Options differ by storage.
    broker, transport = celery_broker(sentinels.url)
    heard: list[str] = []
    cache.subscribe("news", heard.append)

    def works() -> bool:
        cache.put("key", b"value", seconds=60)
        return cache.get("key") == b"value"

    def counts() -> bool:
        try:
            return limits.incr("limit", 60) > 0
        except redis.RedisError:
            return False

    def carries() -> bool:
        """A message goes through the queue, as between beat and a worker."""
        try:
            with Connection(broker, transport_options={**transport, "socket_timeout": 2}) as connection:
                queue = connection.SimpleQueue("webhooks")
                queue.put("sweep")
                found = queue.get(timeout=2).payload
                queue.close()
                return bool(found == "sweep")
        except (redis.RedisError, OSError):
            return False

    def hears() -> bool:
        cache.publish("news", "x")
        time.sleep(0.1)
        return bool(heard)

    for check in (works, counts, carries, hears):
        until(check, 10)
    sentinels.processes[0].kill()
    until(lambda: sentinels.known() == sentinels.ports[1], 30)
    heard.clear()
    for check in (works, counts, carries, hears):
        until(check, 20)
    cache.close()


def test_parts_of_a_sentinel_url() -> None:
    parts = sentinel_url("sentinels://us%40er:p%2Fw@one:1,two/main/3?sentinel_password=other")

    assert parts.hosts == (("one", 1), ("two", 26379))
    assert (parts.name, parts.db, parts.username, parts.password) == ("main", 3, "us@er", "p/w")
    assert parts.login == {"ssl": True, "username": "us@er", "password": "p/w"}
    assert parts.sentinel_login == {"ssl": True, "password": "other"}
    assert (
        celery_broker("sentinel://:p%2Fw@one,two/main")[0]
        == "sentinel://:p%2Fw@one:26379/0;sentinel://:p%2Fw@two:26379/0"
    )


@pytest.mark.parametrize(
    "url", ["sentinel://:word-1@host:26379", "sentinel://:word-1@/main", "sentinel://:word-1@host:x/main"]
)
def test_unusable_sentinel_url_is_named_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadSentinelUrl):
        sentinel_url(url)
    with pytest.raises(SettingsError, match="BROKER_URL is invalid: ") as raised:
        read_settings({"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path), "RECOVERY_BROKER_URL": url})
    assert "word-1" not in str(raised.value)
