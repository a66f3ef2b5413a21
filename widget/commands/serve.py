"""The commands ``recovery-quiz run``, ``web``, ``worker``, and ``beat``."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from widget.commands.opened_settings import opened_settings
from widget.commands.supervisor import STOP_SECONDS, Program, Supervisor
from widget.private_files import own_files_only, private_folder
from widget.settings import PREFIX, PRODUCTION, REPOSITORY, Settings

START_SECONDS = 30
WEBHOOK_QUEUE = "webhooks"
OTHER_QUEUES = ("emails", "catalog", "content", "maintenance")
"""The same as in ``workers/queues.py``, which this package does not import; a test compares them."""
LOCAL_THREADS = 8
WORKER_STOP_SECONDS = 40.0
"""A run of the email task takes 20 seconds, and its last email another 20 if the mail server is slow to answer."""
_CELERY = (sys.executable, "-W", "ignore::Warning:celery.platforms", "-m", "celery", "-q", "-A", "workers.start")
_CELERY_WORKER = (*_CELERY, "worker", "-l", "WARNING", "--without-gossip", "--without-mingle")
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@click.command()
def run() -> None:
    """Start everything on this machine: web server, workers, a private Redis, and a local mailbox."""
    own_files_only()
    settings = opened_settings()
    _refuse_taken_ports(settings, mailbox=settings.local)
    link = _prepare(settings)
    supervisor = Supervisor(_environment(settings, "run"))
    controller = _start_mailbox(settings) if settings.local and _own_mailbox(settings) else None
    with _going_down(supervisor):
        if not settings.redis_url:
            _start_redis(settings, supervisor)
        supervisor.start(web_program(settings))
        supervisor.start(local_worker_program(settings))
        _wait_until_up(settings, supervisor)
        _serve_metrics(settings, supervisor, settings.metrics_port)
        _say_where(settings, link)
        supervisor.watch()
    if controller:
        controller.stop()


def _prepare(settings: Settings) -> str:
    """Check that the database responds; in local mode, set up the demo and return the first owner's link."""
    from widget.commands.opening import opened_services  # Imported here: the other commands start without a database.

    with opened_services() as services:
        if not settings.local:
            return ""
        from widget.content.shipped import shipped_pack
        from widget.demo.set_up_demo import first_owner_link, set_up_demo

        set_up_demo(services, shipped_pack("leg-day"))
        return first_owner_link(services)


@click.command()
def web() -> None:
    """Start only the web server. Run `recovery-quiz db upgrade` first."""
    own_files_only()
    settings = opened_settings(default_env=PRODUCTION)
    _refuse_taken_ports(settings, mailbox=False)
    supervisor = Supervisor(_environment(settings, "web"))
    with _going_down(supervisor):
        supervisor.start(web_program(settings))
        _wait_until_up(settings, supervisor)
        _serve_metrics(settings, supervisor, settings.metrics_port)
        click.echo(f"Web server is running on port {settings.port}, metrics on port {settings.metrics_port}.")
        supervisor.watch()


@click.command()
@click.option("--queues", default="", help="Only these queues, separated by commas; default: all, webhooks apart.")
@click.option("--processes", type=click.IntRange(1, 64), help="Processes for the queues; default: one per core.")
def worker(queues: str, processes: int | None) -> None:
    """Start only Celery workers: one process for webhooks, and one per core for all else.

    They are restarted if they die.
    """
    named = [name.strip() for name in queues.split(",") if name.strip()]
    if unknown := sorted(set(named) - {WEBHOOK_QUEUE, *OTHER_QUEUES}):
        known = ", ".join((WEBHOOK_QUEUE, *OTHER_QUEUES))
        raise click.UsageError(f"There is no queue {', '.join(unknown)}. Queues: {known}.")
    if named:
        programs = [worker_program(named, processes)]
    else:
        programs = [worker_program([WEBHOOK_QUEUE], 1), worker_program(OTHER_QUEUES, processes)]
    _alone("worker", 1, lambda _: programs, stop_seconds=WORKER_STOP_SECONDS)


@click.command()
def beat() -> None:
    """Start Celery beat. Run one; a second is safe but does nothing useful."""
    _alone("beat", 2, lambda settings: [beat_program(settings)])


def _alone(
    role: str, above: int, programs: Callable[[Settings], Sequence[Program]], *, stop_seconds: float = STOP_SECONDS
) -> None:
    """Run the programs of one role under a supervisor, with its own metrics port.

    The port is METRICS_PORT + 1 for workers and + 2 for beat, or any free port if another process on this host uses it.
    """
    own_files_only()
    settings = opened_settings(default_env=PRODUCTION)
    supervisor = Supervisor(_environment(settings, role), stop_seconds=stop_seconds)
    with _going_down(supervisor):
        for program in programs(settings):
            supervisor.start(program)
        port = _serve_metrics(settings, supervisor, _free_port(settings.metrics_host, settings.metrics_port + above))
        click.echo(f"Celery {role} is running, metrics on port {port}.")
        sys.stdout.flush()
        supervisor.watch()


def _free_port(host: str, wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])


def beat_program(settings: Settings) -> Program:
    return Program("beat", [*_CELERY, "beat", "-s", str(_beat_file(settings)), "-l", "WARNING"])


def web_program(settings: Settings) -> Program:
    """Return the program that serves our application with granian."""
    where = [settings.host, str(settings.port), str(settings.web_workers)]
    return Program("web server", [sys.executable, "-m", "widget.web_main", *where])


def worker_program(queues: Sequence[str], processes: int | None = None) -> Program:
    """Return a Celery worker for these queues, with one process per core unless a number is given."""
    command = [*_CELERY_WORKER, "-n", _node(queues[0] if len(queues) == 1 else "others"), "-Q", ",".join(queues)]
    command += ["--concurrency", str(processes)] if processes else []
    return Program(f"worker for {', '.join(queues)}", command)


def local_worker_program(settings: Settings) -> Program:
    """Return the one Celery worker of a single machine: beat inside, and a thread for each queue and some to spare."""
    queues = ",".join((WEBHOOK_QUEUE, *OTHER_QUEUES))
    command = [*_CELERY_WORKER, "-n", _node("all"), "-Q", queues, "-B", "-s", str(_beat_file(settings))]
    return Program("worker", [*command, "--pool", "threads", "--concurrency", str(LOCAL_THREADS)])


def _node(name: str) -> str:
    """Return a node name that no other worker has: RabbitMQ refuses a second worker of the same name."""
    return f"{name}-{os.getpid()}@%h"


def _beat_file(settings: Settings) -> Path:
    return settings.home / "beat-schedule"


def _own_mailbox(settings: Settings) -> bool:
    return settings.smtp_url == f"smtp://127.0.0.1:{settings.mailbox_port}"


def _start_mailbox(settings: Settings) -> Any:
    from widget.demo.local_mailbox import start_mailbox

    return start_mailbox(settings.mailbox, settings.mailbox_port)


def _start_redis(settings: Settings, supervisor: Supervisor) -> None:
    from widget.commands.private_redis import redis_program, socket_path, wait_for_redis

    path = socket_path(settings)
    supervisor.environment[f"{PREFIX}REDIS_URL"] = f"unix://{path}"
    supervisor.environment.setdefault(f"{PREFIX}BROKER_URL", f"unix://{path}")
    supervisor.start(redis_program(settings, path))
    wait_for_redis(path)


def _environment(settings: Settings, role: str) -> dict[str, str]:
    """Return the environment of child processes: the same settings, and a dedicated folder for their metrics."""
    folder = _metrics_folder(settings, role)
    return {
        **os.environ,
        f"{PREFIX}ENV": settings.env,
        f"{PREFIX}HOME": str(settings.home),
        METRICS_FOLDER: str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")])),
    }


def _metrics_folder(settings: Settings, role: str) -> Path:
    """Create a metrics folder for this start of a role, so that running processes never share one.

    The folders of dead processes are deleted.
    """
    everything = private_folder(settings.home / "metrics")
    for old in everything.glob("*-*"):
        pid = old.name.rpartition("-")[2]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    return private_folder(everything / f"{role}-{os.getpid()}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serve_metrics(settings: Settings, supervisor: Supervisor, port: int) -> int:
    """Serve the metrics of the programs under this supervisor on a separate port; return the port."""
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=supervisor.environment[METRICS_FOLDER])  # type: ignore[no-untyped-call]
    start_http_server(port, addr=settings.metrics_host, registry=registry)
    return port


def _refuse_taken_ports(settings: Settings, *, mailbox: bool) -> None:
    ports = [("PORT", settings.port, "the web server"), ("METRICS_PORT", settings.metrics_port, "metrics")]
    if mailbox and _own_mailbox(settings):
        ports.append(("MAILBOX_PORT", settings.mailbox_port, "the local mailbox"))
    for name, port, what in ports:
        host = settings.metrics_host if name == "METRICS_PORT" else settings.host
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                message = (
                    f"Port {port} for {what} is in use. Stop the other program, or set {PREFIX}{name} to another port."
                )
                raise click.ClickException(message) from error


def _wait_until_up(settings: Settings, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + START_SECONDS
    address = f"http://{settings.host}:{settings.port}/healthz"
    while time.monotonic() < deadline:
        fallen = next(
            (program for program in supervisor.programs if program.process and program.process.poll() is not None), None
        )
        if fallen:
            raise click.ClickException(f"{fallen.name} did not start. See its messages above.")
        try:
            with urllib.request.urlopen(address, timeout=1):  # The URL is our own.
                return
        except OSError:
            time.sleep(0.05)
    raise click.ClickException(f"The web server did not respond within {START_SECONDS} seconds.")


@contextmanager
def _going_down(supervisor: Supervisor) -> Iterator[None]:
    """Stop the children on exit, whatever happens inside."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        supervisor.shut_down()


def _say_where(settings: Settings, link: str) -> None:
    base = settings.public_url
    click.echo("\nRecovery Quiz is running.\n")
    if settings.local:
        click.echo(f"  Demo store  {base}/demo/\n  Console     {base}/console/\n  Mailbox     {base}/mailbox/")
    if link:
        from widget.demo.set_up_demo import FIRST_OWNER

        click.echo(f"\n  Sign in to the console as {FIRST_OWNER} (one-time link):\n  {link}\n")
    click.echo(f"  API         {base}/v1/docs\n\nData: {settings.home}. Press Ctrl-C to stop.", nl=True)
    sys.stdout.flush()
