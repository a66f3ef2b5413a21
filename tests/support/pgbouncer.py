"""A real PgBouncer in front of a test's PostgreSQL, in transaction mode."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.services import free_port

CONFIG = """
[databases]
* = host={host} port={server_port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
logfile = {folder}/pgbouncer.log
{run_as}
"""


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Yield the URL of the same database behind PgBouncer, which has two connections to it."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or "127.0.0.1"])[0]
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="rq-bouncer-"))
    run_as = ""
    if os.geteuid() == 0:  # It refuses to run as root; the folder of the server's socket belongs to its user.
        owner = pwd.getpwuid(Path(host).stat().st_uid) if host.startswith("/") else pwd.getpwnam("nobody")
        run_as = f"user = {owner.pw_name}"
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    user = parts.username or "postgres"
    config = folder / "pgbouncer.ini"
    config.write_text(
        CONFIG.format(host=host, server_port=parts.port or 5432, user=user, port=port, folder=folder, run_as=run_as)
    )
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    process = subprocess.Popen([program, "-q", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield f"postgresql://{user}@127.0.0.1:{port}{parts.path}?pooler=transaction"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        assert process.poll() is None, "PgBouncer ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("PgBouncer does not answer")
