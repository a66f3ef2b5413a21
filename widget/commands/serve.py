"""recovery-quiz run | web | worker | beat"""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from widget.actions.set_up_demo import FIRST_OWNER, first_owner_link, set_up_demo
from widget.commands.opening import opened_parts, opened_settings
from widget.commands.supervisor import Program, Supervisor
from widget.settings import PREFIX, PRODUCTION, REPOSITORY, Settings

START_SECONDS = 30
PACK = REPOSITORY / "content" / "leg-day"


@click.command()
def run() -> None:
    """Start everything on this machine: web server, workers, a private Redis and a local mailbox."""
    settings = opened_settings()
    link = ""
    _refuse_taken_ports(settings, mailbox=settings.local)
    with opened_parts() as parts:
        if settings.local:
            set_up_demo(parts, PACK)
            link = first_owner_link(parts)
    supervisor = Supervisor(_environment(settings))
    controller = _start_mailbox(settings) if settings.local and _own_mailbox(settings) else None
    with _going_down(supervisor):
        if not settings.redis_url:
            _start_redis(settings, supervisor)
        supervisor.start(web_program(settings))
        supervisor.start(worker_program(settings, with_beat=True))
        _wait_until_up(settings, supervisor)
        _serve_metrics(settings)
        _say_where(settings, link)
        supervisor.watch()
    if controller:
        controller.stop()


@click.command()
def web() -> None:
    """Start the web server alone; run `recovery-quiz db upgrade` before."""
    settings = opened_settings(default_env=PRODUCTION)
    _refuse_taken_ports(settings, mailbox=False)
    supervisor = Supervisor(_environment(settings))
    with _going_down(supervisor):
        supervisor.start(web_program(settings))
        _wait_until_up(settings, supervisor)
        _serve_metrics(settings)
        click.echo(f"Web server on port {settings.port}, metrics on {settings.metrics_port}.")
        supervisor.watch()


@click.command()
def worker() -> None:
    """Start a Celery worker alone (processes, one a core)."""
    settings = opened_settings(default_env=PRODUCTION)
    command = worker_program(settings, with_beat=False).command
    os.execvpe(command[0], command, _environment(settings))  # noqa: S606


@click.command()
def beat() -> None:
    """Start Celery beat. Run one; a second is safe but does nothing useful."""
    settings = opened_settings(default_env=PRODUCTION)
    command = [
        sys.executable,
        "-W",
        "ignore::Warning:celery.platforms",
        "-m",
        "celery",
        "-q",
        "-A",
        "workers.app",
        "beat",
        "-s",
        str(_beat_file(settings)),
        "-l",
        "WARNING",
    ]
    os.execvpe(command[0], command, _environment(settings))  # noqa: S606


def web_program(settings: Settings) -> Program:
    """granian over our application, with the settings of production."""
    options = {
        "--interface": "rsgi",
        "--host": settings.host,
        "--port": str(settings.port),
        "--workers": str(settings.web_workers),
        "--backlog": "2048",
        "--backpressure": "4096",
        "--http1-header-read-timeout": "10000",
        "--log-level": "warning",
        "--workers-kill-timeout": "2",
    }
    command = [sys.executable, "-m", "granian", "--factory", "--respawn-failed-workers", "--no-ws"]
    for name, value in options.items():
        command += [name, value]
    return Program("web server", [*command, "widget.app:server"])


def worker_program(settings: Settings, *, with_beat: bool) -> Program:
    """Celery: threads with its clock inside for one machine, processes when scaled out."""
    command = [
        sys.executable,
        "-W",
        "ignore::Warning:celery.platforms",
        "-m",
        "celery",
        "-q",
        "-A",
        "workers.app",
        "worker",
        "-l",
        "WARNING",
        "--without-gossip",
        "--without-mingle",
    ]
    if with_beat:
        command += ["-B", "-s", str(_beat_file(settings)), "--pool", "threads", "--concurrency", "2"]
    return Program("worker", command)


def _beat_file(settings: Settings) -> Path:
    return settings.home / "beat-schedule"


def _own_mailbox(settings: Settings) -> bool:
    return settings.smtp_url == f"smtp://127.0.0.1:{settings.mailbox_port}"


def _start_mailbox(settings: Settings) -> Any:
    from widget.commands.local_mailbox import start_mailbox

    return start_mailbox(settings.mailbox, settings.mailbox_port)


def _start_redis(settings: Settings, supervisor: Supervisor) -> None:
    from widget.commands.private_redis import redis_program, socket_path, wait_for_redis

    path = socket_path(settings)
    supervisor.environment[f"{PREFIX}REDIS_URL"] = f"unix://{path}"
    supervisor.environment.setdefault(f"{PREFIX}BROKER_URL", f"unix://{path}")
    supervisor.start(redis_program(settings, path))
    wait_for_redis(path)


def _environment(settings: Settings) -> dict[str, str]:
    """What children get: the same settings, and one folder where they all put their metrics."""
    folder = settings.home / "metrics"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in folder.glob("*.db"):
        old.unlink(missing_ok=True)
    return {
        **os.environ,
        f"{PREFIX}ENV": settings.env,
        f"{PREFIX}HOME": str(settings.home),
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")])),
    }


def _serve_metrics(settings: Settings) -> None:
    """The metrics of all our processes together, on a port of their own."""
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(settings.home / "metrics"))  # type: ignore[no-untyped-call]
    start_http_server(settings.metrics_port, addr=settings.host, registry=registry)


def _refuse_taken_ports(settings: Settings, *, mailbox: bool) -> None:
    ports = [("PORT", settings.port, "the web server"), ("METRICS_PORT", settings.metrics_port, "metrics")]
    if mailbox and _own_mailbox(settings):
        ports.append(("MAILBOX_PORT", settings.mailbox_port, "the local mailbox"))
    for name, port, what in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                message = f"port {port} for {what} is taken. Is it running already? Else set {PREFIX}{name} to another."
                raise click.ClickException(message) from error


def _wait_until_up(settings: Settings, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + START_SECONDS
    address = f"http://{settings.host}:{settings.port}/healthz"
    while time.monotonic() < deadline:
        fallen = next((each for each in supervisor.programs if each.process and each.process.poll() is not None), None)
        if fallen:
            raise click.ClickException(f"{fallen.name} did not start; its messages stand above.")
        try:
            with urllib.request.urlopen(address, timeout=1):  # Our own address.
                return
        except OSError:
            time.sleep(0.05)
    raise click.ClickException(f"the web server did not answer within {START_SECONDS} s")


@contextmanager
def _going_down(supervisor: Supervisor) -> Iterator[None]:
    """Whatever happens inside, the children are stopped."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        supervisor.shut_down()


def _say_where(settings: Settings, link: str) -> None:
    base = settings.public_url
    click.echo("\nRecovery Quiz is up.\n")
    if settings.local:
        click.echo(f"  Demo store  {base}/demo/\n  Console     {base}/console/\n  Mailbox     {base}/mailbox/")
    if link:
        click.echo(f"\n  Come into the console as {FIRST_OWNER}, once:\n  {link}\n")
    click.echo(f"  API         {base}/v1/docs\n\nData: {settings.home}. Ctrl-C stops everything.", nl=True)
    sys.stdout.flush()
