"""The service as merchants run it: production mode, PostgreSQL, nginx with TLS, a storefront on another origin."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.packs import LEG_DAY, ROOT
from tests.support.services import free_port
from widget.demo.local_mailbox import start_mailbox

SHOP = "strides"
QUIZ_HOST, STORE_HOST = "quiz.localhost", "store.localhost"
KEYS = {
    "RECOVERY_SECRET_KEYS": "Qe7_vR2xN9-bT4kLz8Wm1YcJ6hUs3PdG",
    "RECOVERY_SUPPRESSION_KEY": "z1Kq8-Xw5Ns_3RfLb7Vt2GmHy9CdJ4Pe",
}
_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
{user}
events {{ worker_connections 512; }}
http {{
  access_log off; default_type text/html; server_tokens off; types {{ text/html html; }}
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
  include {folder}/recovery-quiz.conf;
  server {{
    listen 127.0.0.1:{tls} ssl; server_name {store};
    add_header Content-Security-Policy "default-src 'none'; img-src 'self' {origin}; script-src {origin}; connect-src {origin}; base-uri 'none'; form-action {origin}; frame-ancestors 'none'";
    root {folder}/store;
  }}
}}
"""
_STORE_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A product</title>
<link rel="icon" href="/icon.svg"><script type="module" src="{origin}/embed.js"></script></head><body><h1>A product</h1>
<recovery-quiz shop="strides" quiz="leg-day" product="CREAM-60"><a href="{origin}/strides/quiz/leg-day">Find your recovery match</a></recovery-quiz>
</body></html>"""


class Production:
    """A running instance on one host. ``base``: the URL that browsers open; ``direct``: the URL that bypasses nginx."""

    def __init__(self, folder: Path, *, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.port, self.tls, self.mail_port = free_port(), free_port(), free_port()
        self.base, self.store = f"https://{QUIZ_HOST}:{self.tls}", f"https://{STORE_HOST}:{self.tls}"
        self.direct = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RECOVERY_")},
            **KEYS,
            "PYTHONPATH": str(ROOT),
            "RECOVERY_ENV": "production",
            "RECOVERY_HOME": str(folder / "home"),
            "RECOVERY_DATABASE_URL": database_url,
            "RECOVERY_REDIS_URL": redis_url,
            "RECOVERY_SMTP_URL": f"smtp://127.0.0.1:{self.mail_port}",
            "RECOVERY_MAIL_FROM": "hello@quiz.example",
            "RECOVERY_PUBLIC_URL": self.base,
            "RECOVERY_PORT": str(self.port),
            "RECOVERY_METRICS_PORT": str(free_port()),
            "RECOVERY_TRUSTED_PROXIES": "1",
            "RECOVERY_SWEEP_SECONDS": "0.5",
        }
        self.mailbox = folder / "mail"
        self._mail: Any = None
        self._programs: list[subprocess.Popen[bytes]] = []
        self._nginx_folder: Path | None = None

    def command(self, *words: str) -> str:
        """Run one of our commands and return what it prints. Raises CalledProcessError."""
        done = subprocess.run(
            [sys.executable, "-m", "widget", *words], cwd=ROOT, env=self.environment, capture_output=True, check=True
        )
        return done.stdout.decode()

    def start(self, *, worker: bool = True) -> None:
        self._mail = start_mailbox(self.mailbox, self.mail_port)
        self.command("db", "upgrade")
        self.command("shop", "add", SHOP, "--name", "Stride & Salve", "--postal-address", "12 Example Lane")
        self.command("content", "import", str(LEG_DAY), "--shop", SHOP, "--publish")
        self._run("web")
        if worker:
            self._run("worker")
            self._run("beat")
        self._nginx()
        self.until(self._answers)

    def invitation(self, email: str = "owner@team.example") -> str:
        return str(json.loads(self.command("user", "add", email, "--shop", SHOP, "--json"))["link"])

    def get(self, path: str, *, base: str = "") -> bytes:
        trusting = ssl.create_default_context(cafile=str(self.certificate))
        address = (base or self.base).replace(QUIZ_HOST, "127.0.0.1") + path
        request = urllib.request.Request(address, headers={"Host": f"{QUIZ_HOST}:{self.tls}"})
        with urllib.request.urlopen(request, timeout=10, context=trusting if address[:5] == "https" else None) as got:
            return bytes(got.read())

    def until(self, holds: Callable[[], Any], seconds: float = 40) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for program in self._programs:
                assert program.poll() is None, self.log()
            found = holds()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"it did not come to that; log: {self.log()}")

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-4000:] for path in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        for program in reversed(self._programs):
            program.send_signal(signal.SIGTERM)
        for program in self._programs:
            try:
                program.wait(timeout=15)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        if self._mail:
            self._mail.stop()
        if self._nginx_folder:
            shutil.rmtree(self._nginx_folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return b"ok" in self.get("/readyz")
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def _run(self, name: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "widget", name]
        self._programs.append(subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log))
        log.close()

    def _shipped(self, folder: Path) -> str:
        """Return the nginx configuration that ships, with the ports, names, and paths of this test."""
        changes = {
            "/var/cache/nginx/recovery-quiz": f"{folder}/cache",
            "server 127.0.0.1:8000": f"server 127.0.0.1:{self.port}",
            "  listen 80;\n  listen [::]:80;": f"  listen 127.0.0.1:{free_port()};",
            "  listen 443 ssl http2;\n  listen [::]:443 ssl http2;": f"  listen 127.0.0.1:{self.tls} ssl http2;",
            "/etc/ssl/quiz.example.com/fullchain.pem": f"{folder}/cert.pem",
            "/etc/ssl/quiz.example.com/privkey.pem": f"{folder}/key.pem",
            "quiz.example.com": QUIZ_HOST,
        }
        return _replaced((ROOT / "infra" / "nginx" / "recovery-quiz.conf").read_text(), changes)

    def _nginx(self) -> None:
        """Start nginx in its own folder, since its worker process may run as another user."""
        folder = self._nginx_folder = Path(tempfile.mkdtemp(prefix="rq-nginx-"))
        folder.chmod(0o755)
        self.certificate = make_certificate(folder, (QUIZ_HOST, STORE_HOST))
        self.files = folder / "store"
        self.files.mkdir()
        (folder / "store" / "icon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        (folder / "store" / "index.html").write_text(_STORE_PAGE.format(origin=self.base))
        (folder / "recovery-quiz.conf").write_text(self._shipped(folder))
        config = folder / "nginx.conf"
        config.write_text(
            _NGINX.format(
                folder=folder,
                user="user root;" if os.geteuid() == 0 else "",
                tls=self.tls,
                store=STORE_HOST,
                origin=self.base,
            )
        )
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self._programs.append(
            subprocess.Popen([binary, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
        )


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def make_certificate(folder: Path, names: tuple[str, ...]) -> Path:
    """Write a self-signed certificate (cert.pem) and its key (key.pem) for these names and 127.0.0.1.

    Returns the path of the certificate.
    """
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    alternatives = [*map(x509.DNSName, names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "cert.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
