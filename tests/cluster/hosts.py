"""Two hosts in network namespaces: ``data`` with PostgreSQL, Redis, and RabbitMQ, and ``app`` with our processes.

Packets to a port of the data host can be dropped: the peer then gets neither an answer nor a refusal, as when a cable
is cut or a firewall forgets a connection.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.packs import ROOT
from widget.commands.private_redis import redis_binary

DATA, APP = "10.77.0.1", "10.77.0.2"
POSTGRES, REDIS, RABBITMQ, SENTINEL = 5432, 6379, 5672, 26379
RABBITMQ_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class Hosts:
    """The two hosts. ``postgres``: the URL of a PostgreSQL that listens on a Unix socket; ``folder``: for all files."""

    def __init__(self, folder: Path, postgres: str) -> None:
        self.folder, self.postgres, self._postgres = folder, postgres, urlsplit(postgres)
        self.data, self.app = f"rq{os.getpid()}data", f"rq{os.getpid()}app"
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def database_url(self) -> str:
        return f"postgresql://{self._postgres.username or 'postgres'}@{DATA}:{POSTGRES}{self._postgres.path}"

    def start(self) -> None:
        """Make the namespaces and the cable between them, and start what the data host serves."""
        for name in (self.data, self.app):
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "link", "add", "eth", "netns", self.data, "type", "veth", "peer", "name", "eth", "netns", self.app)
        for name, address in ((self.data, DATA), (self.app, APP)):
            _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth")
            _run("ip", "-n", name, "link", "set", "eth", "up")
        socket = Path(parse_qs(self._postgres.query)["host"][0], f".s.PGSQL.{self._postgres.port or 5432}")
        self.run_on_data(sys.executable, "-m", "tests.cluster.forward", DATA, str(POSTGRES), str(socket))
        self.run_on_data(redis_binary(), "--bind", DATA, "--port", str(REDIS), "--protected-mode", "no", "--save", "")

    def start_rabbitmq(self) -> None:
        """Start RabbitMQ on the data host and wait until it answers."""
        folder = self.folder / "rabbitmq"
        folder.mkdir()
        (folder / "rabbitmq.conf").write_text("loopback_users = none\n")
        (folder / "plugins").write_text("[].\n")
        self.run_on_data(
            RABBITMQ_SERVER,
            HOME=str(folder),
            RABBITMQ_NODENAME="rq@localhost",
            RABBITMQ_NODE_IP_ADDRESS=DATA,
            RABBITMQ_NODE_PORT=str(RABBITMQ),
            RABBITMQ_MNESIA_BASE=str(folder),
            RABBITMQ_LOG_BASE=str(folder),
            RABBITMQ_PID_FILE=str(folder / "pid"),
            RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "plugins"),
        )
        self.wait_for_port(RABBITMQ, 90)

    def run_on_data(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        return self._start(self.data, command, environment)

    def run_on_app(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        return self._start(self.app, command, environment)

    def output_on_app(self, *command: str, seconds: float = 120) -> str:
        """Run a command on the app host and return what it writes."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.app, *command], cwd=ROOT, capture_output=True, timeout=seconds, check=True
        )
        return done.stdout.decode()

    def drop(self, port: int) -> None:
        """From now on, drop all packets from and to this port of the data host."""
        self._filter("-I", port)

    def let_through(self, port: int) -> None:
        self._filter("-D", port)

    def _filter(self, action: str, port: int) -> None:
        for chain, side in (("INPUT", "--dport"), ("OUTPUT", "--sport")):
            _run(
                *("ip", "netns", "exec", self.data, "iptables", "-w"),
                *(action, chain, "-p", "tcp", side, str(port), "-j", "DROP"),
            )

    def wait_for_port(self, port: int, seconds: float = 30, *, address: str = DATA) -> None:
        probe = f"import socket; socket.create_connection(('{address}', {port}), 1).close()"
        self.until(lambda: not self._try("-c", probe), seconds)

    def _try(self, *arguments: str) -> int:
        command = ["ip", "netns", "exec", self.app, sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def until(self, holds: Callable[[], Any], seconds: float) -> None:
        """Wait until a condition holds. Raises AssertionError, with the ends of all logs, after ``seconds``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if holds():
                return
            time.sleep(0.2)
        raise AssertionError(f"it did not come to that in {seconds} s\n{self.logs()}")

    def logs(self) -> str:
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def stop(self) -> None:
        """End every process in the two namespaces, and remove them."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name in (self.app, self.data):
            self._end_all(name)
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def _end_all(self, name: str) -> None:
        end = time.monotonic() + 8
        while pids := self.pids(name):
            if time.monotonic() > end:
                for pid in pids:
                    _kill(pid)
            time.sleep(0.1)
            for process in self._processes:
                process.poll()
            if time.monotonic() > end + 10:
                break

    def pids(self, name: str) -> list[int]:
        done = subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=False)
        return [int(word) for word in done.stdout.split()]

    def _start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("RECOVERY_")}
        log = (self.folder / f"{len(self._processes):02}-{Path(command[0]).name}.log").open("wb")
        with log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", name, *command],
                cwd=ROOT,
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()}"


def may_make_hosts() -> bool:
    """Return whether this user may make network namespaces."""
    return os.geteuid() == 0 and shutil.which("ip") is not None
