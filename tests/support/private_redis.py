"""A real Redis on a local socket that a test may stop, suspend, and start again."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from widget.commands.private_redis import redis_binary


class PrivateRedis:
    """A Redis server. Calling it starts the server if needed and returns its URL; ``stop`` ends it for good."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rq-test-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> str:
        path = self._folder / "redis.sock"
        if self._process is None or self._process.poll() is not None:
            path.unlink(missing_ok=True)
            options = ["--port", "0", "--unixsocket", str(path), "--dir", str(self._folder), "--save", ""]
            self._process = subprocess.Popen([redis_binary(), *options], stdout=subprocess.DEVNULL)
            _wait_for(path)
        return f"unix://{path}"

    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _wait_for(path: Path) -> None:
    client = redis.Redis(unix_socket_path=str(path))
    for _ in range(200):
        try:
            client.ping()
            client.close()
            return
        except redis.RedisError:
            time.sleep(0.02)
    raise RuntimeError("Redis did not start")
