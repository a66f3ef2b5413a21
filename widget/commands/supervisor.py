"""A supervisor that starts, restarts, and stops child programs together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import click

STOP_SECONDS = 3.0
RESTART_SECONDS = 1.0
MAX_RESTARTS = 20
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    """A child program: its command, its name in messages, and whether it stops last (because others need it)."""

    name: str
    command: list[str]
    last: bool = False
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    down_since: float = field(default=0.0)


class Supervisor:
    """Starts programs, restarts them if they end, and kills those that have not ended ``stop_seconds`` after a signal.

    On Linux, the kernel sends each child SIGTERM when this process dies, so that no orphans remain, not even after
    ``kill -9``.
    """

    def __init__(self, environment: Mapping[str, str], *, stop_seconds: float = STOP_SECONDS) -> None:
        self.environment = dict(environment)
        self._stop_seconds = stop_seconds
        self.programs: list[Program] = []
        self._groups: list[int] = []
        self._stopping = False
        for number in STOPPING:
            signal.signal(number, self._stop_while_starting)

    def _stop_while_starting(self, *_: object) -> None:
        raise SystemExit(0)  # The caller shuts down the children on exit.

    def start(self, program: Program) -> None:
        self.programs.append(program)
        self._spawn(program)

    def _spawn(self, program: Program) -> None:
        program.process = subprocess.Popen(  # noqa: S603  # All commands are our own.
            program.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches only us; we stop the children in order.
            preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509  # It only makes system calls.
        )
        self._groups = [*self._groups[-20:], program.process.pid]

    def stop(self, *_: object) -> None:
        """Handle a signal by asking the watch loop to end."""
        self._stopping = True

    def watch(self, tick: Callable[[], None] | None = None) -> None:
        """Restart programs that ended, until a signal arrives."""
        for number in STOPPING:
            signal.signal(number, self.stop)
        while not self._stopping:
            for program in self.programs:
                self._look_after(program)
            if tick:
                tick()
            time.sleep(0.2)

    def _look_after(self, program: Program) -> None:
        if program.process is None or program.process.poll() is None:
            return
        if not program.down_since:
            program.down_since = time.monotonic()
            _kill_group(program.process.pid)  # Remaining children would run beside its successor.
            code = program.process.returncode
            click.echo(f"{program.name} exited with code {code}; restarting it.", err=True)
        if time.monotonic() - program.down_since > RESTART_SECONDS:
            if program.restarts >= MAX_RESTARTS:
                raise click.ClickException(f"{program.name} keeps exiting. See its messages above.")
            program.restarts += 1
            program.down_since = 0.0
            self._spawn(program)

    def shut_down(self) -> None:
        """Send SIGTERM to all programs, last to those that others need, and kill those that remain after a while."""
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)  # A second signal must not interrupt the shutdown.
        deadline = time.monotonic() + self._stop_seconds
        for last in (False, True):
            group = [program for program in self.programs if program.last == last]
            for program in group:
                _signal(program, signal.SIGTERM)
            for program in group:
                _wait(program, deadline - (0.0 if last else 0.7))
        for group_id in self._groups:
            _kill_group(group_id)
        for program in self.programs:
            _wait(program, time.monotonic() + 1)


def _signal(program: Program, number: signal.Signals) -> None:
    if program.process and program.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            program.process.send_signal(number)


def _kill_group(group_id: int) -> None:
    """Kill a child and all of its children, even if it has ended itself and they are still running."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group_id, signal.SIGKILL)


def _wait(program: Program, deadline: float) -> None:
    if program.process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.process.wait(timeout=max(0.05, deadline - time.monotonic()))


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """Return a function that runs in the child before its program and makes it end with its parent.

    On systems without prctl, return None.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # The parent died before prctl was called.
            os._exit(1)

    return ask
