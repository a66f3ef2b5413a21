"""A supervisor for child programs: starts, restarts, and stops them together."""

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
    """A child: its command, what it is called in messages, and whether it stops last (others need it)."""

    name: str
    command: list[str]
    last: bool = False
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    down_since: float = field(default=0.0)


class Supervisor:
    """Starts programs, keeps them up, stops them within five seconds.

    On Linux the kernel sends each child SIGTERM when this process dies, however it dies: no orphans, not even
    after ``kill -9``.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.programs: list[Program] = []
        self._groups: list[int] = []
        self._stopping = False
        for number in STOPPING:
            signal.signal(number, self._stop_while_starting)

    def _stop_while_starting(self, *_: object) -> None:
        raise SystemExit(0)  # Whoever starts us shuts down on the way out.

    def start(self, program: Program) -> None:
        self.programs.append(program)
        self._spawn(program)

    def _spawn(self, program: Program) -> None:
        program.process = subprocess.Popen(  # noqa: S603  # Our own commands.
            program.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop them in order.
            preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509  # Only a system call in there.
        )
        self._groups = [*self._groups[-20:], program.process.pid]

    def stop(self, *_: object) -> None:
        """Asked by a signal: the watch loop does the work."""
        self._stopping = True

    def watch(self, tick: Callable[[], None] | None = None) -> None:
        """Until told to stop: restart what fell."""
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
            _kill_group(program.process.pid)  # What it left behind would go on beside its successor.
            code = program.process.returncode
            click.echo(f"{program.name} exited with code {code}; restarting it.", err=True)
        if time.monotonic() - program.down_since > RESTART_SECONDS:
            if program.restarts >= MAX_RESTARTS:
                raise click.ClickException(f"{program.name} keeps exiting. See its messages above.")
            program.restarts += 1
            program.down_since = 0.0
            self._spawn(program)

    def shut_down(self) -> None:
        """SIGTERM to all but those that stop last, then to these; what is left after a while is killed."""
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)  # One is enough; a second must not cut this short.
        deadline = time.monotonic() + STOP_SECONDS
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
    """A child and all its own children, also when it is gone itself and they stayed."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group_id, signal.SIGKILL)


def _wait(program: Program, deadline: float) -> None:
    if program.process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.process.wait(timeout=max(0.05, deadline - time.monotonic()))


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """Run in the child before it becomes its program. On systems without prctl there is nothing to set."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # The parent died before we could ask.
            os._exit(1)

    return ask
