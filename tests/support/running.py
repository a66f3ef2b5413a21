"""A running instance, started by ``recovery-quiz run``."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from tests.support.packs import ROOT
from tests.support.services import free_port


class Running:
    """A ``recovery-quiz run`` process in its own folder and on free ports."""

    def __init__(
        self, home: Path, command: Sequence[str] = (sys.executable, "-m", "widget"), folder: Path = ROOT
    ) -> None:
        self.home, self.command, self.folder = home, command, folder
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RECOVERY_")},
            "RECOVERY_HOME": str(home),
            "RECOVERY_PORT": str(self.port),
            "RECOVERY_METRICS_PORT": str(free_port()),
            "RECOVERY_MAILBOX_PORT": str(free_port()),
            "RECOVERY_SWEEP_SECONDS": "0.5",
        }
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.process: subprocess.Popen[bytes] | None = None

    def secret(self, shop: str = "demo") -> str:
        """Return the newest webhook secret of a shop."""
        command = [sys.executable, "-m", "widget", "shop", "show", shop, "--json", "--secrets"]
        stdout = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, check=True).stdout
        return str(json.loads(stdout)["secrets"][0])

    def start(self) -> float:
        """Start, wait until a request is answered, and return the seconds that took."""
        started = time.monotonic()
        self.log = (self.home.parent / f"{self.home.name}.log").open("wb")
        command = [*self.command, "run"]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=self.log, stderr=self.log
        )
        while time.monotonic() - started < 60:
            try:
                self.get("/healthz")
                return time.monotonic() - started
            except OSError:
                time.sleep(0.05)
            assert self.process.poll() is None, Path(self.log.name).read_text()
        raise AssertionError(Path(self.log.name).read_text())

    def get(self, path: str) -> str:
        with self.browser.open(self.base + path, timeout=10) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **form: str) -> str:
        data = urllib.parse.urlencode(form).encode()
        with self.browser.open(self.base + path, data=data, timeout=10) as answer:
            return str(answer.read().decode())

    def order(self, email: str) -> None:
        self.post("/demo/cart", sku="ROLL-75", quantity="1")
        assert "Thank you" in self.post("/demo/checkout", email=email, tips="yes")

    def emails(self) -> list[str]:
        return re.findall(r'class="email" href="[^"]*"><b>([^<]*)</b>', self.get("/mailbox/"))

    def states(self, template: str) -> list[str]:
        """Return the states of the emails of this template, read from the database while the service runs."""
        with sqlite3.connect(f"file:{self.home / 'recovery.db'}?mode=ro", uri=True) as database:
            return [state for (state,) in database.execute("SELECT state FROM emails WHERE template = ?", (template,))]

    def until(self, holds: Callable[[], Any], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = holds()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"it did not come to that; log: {Path(self.log.name).read_text()[-4000:]}")

    def children(self) -> list[int]:
        """Return the ids of all processes but the supervisor that have our home folder in their environment.

        Redis has it in its process title instead.
        """
        assert self.process is not None
        wanted = str(self.home).encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                outcome = folder.joinpath("environ").read_bytes() + folder.joinpath("cmdline").read_bytes()
            except OSError:
                continue
            if wanted in outcome and int(folder.name) not in (self.process.pid, os.getpid()):
                found.append(int(folder.name))
        return found

    def named(self, word: str) -> int:
        for pid in self.children():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if word in command:
                return pid
        raise AssertionError(f"no process named {word}")

    def stop(self, number: int = signal.SIGTERM) -> float:
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=20)
        self.log.close()
        return time.monotonic() - started

    def gone(self) -> bool:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.children():
            time.sleep(0.1)
        return not self.children()
